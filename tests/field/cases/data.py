"""Made-up data that can be learnt, and the digits of scikit-learn."""

import functools

import numpy as np


@functools.cache
def _digits():
    from sklearn.datasets import load_digits

    data = load_digits()
    return data.images, data.target


def digits(rows=300, shape=(8, 8, 1)):
    """Images within 0 and 1, and which digit they show."""
    images, labels = _digits()
    return (images[:rows].reshape(-1, *shape) / 16).astype("float32"), labels[:rows].astype("int32")


def pixels(rows=501):
    """Images within 0 and 255, as they come from a file."""
    images, labels = digits(rows)
    return (images * 255).astype("float32"), labels


def as_floats(values):
    return np.asarray(values, "float32")


def coin(rng, score):
    """Labels 0 and 1, more often 1 where the score is high."""
    return as_floats(score + rng.logistic(0, 0.4, score.shape) > 0)


def fields(count=4, rows=500, size=40, seed=0):
    """Columns of ids; the label depends on each of them and on one pair."""
    rng = np.random.default_rng(seed)
    columns = [rng.integers(0, size, rows).astype("int32") for _ in range(count)]
    score = sum(rng.normal(size=size)[column] for column in columns)
    first, second = rng.normal(size=(2, size, 2))
    return columns, coin(rng, score + (first[columns[0]] * second[columns[1]]).sum(1) - 1)


def clicks(rows=600, users=60, items=50, seed=0):
    """Users, items with a few that are popular, and labels of low rank."""
    rng = np.random.default_rng(seed)
    user = rng.integers(0, users, rows)
    item = np.where(rng.random(rows) < 0.5, rng.integers(0, items, rows), rng.zipf(1.4, rows) - 1)
    item = np.minimum(item, items - 1)
    taste, trait = rng.normal(size=(users, 3)), rng.normal(size=(items, 3))
    score = (taste[user] * trait[item]).sum(1) + rng.normal(size=items)[item] - 0.8
    return user.astype("int32"), item.astype("int32"), coin(rng, score)


def scores(size=30, rows=901, seed=3):
    """Pairs of ids and a score within -1 and 1 that is a product of both."""
    ids = np.random.default_rng(seed).integers(0, size, (rows, 2)).astype("int32")
    return ids, as_floats(np.sin(2.0 * ids[:, :1]) * np.cos(3.0 * ids[:, 1:]))


def reviews(rows=400, words=200, length=20, seed=0):
    """Padded word ids, and whether the good words (20 to 39) outnumber the bad ones (40 to 59)."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, (rows, 1))
    ids = 1 + np.minimum(rng.zipf(1.3, (rows, length)), words - 1) % (words - 1)
    says = np.where(rng.random((rows, length)) < 0.85, label, 1 - label)
    charged = rng.random((rows, length)) < 0.35
    ids = np.where(charged, rng.integers(40, 60, ids.shape) - 20 * says, ids)
    ends = rng.integers(length // 2, length + 1, (rows, 1))
    return np.where(np.arange(length) < ends, ids, 0).astype("int32"), as_floats(label)


def walks(rows=300, symbols=20, length=16, seed=0):
    """Texts in which three symbols may follow each symbol, and the same texts one step on."""
    rng = np.random.default_rng(seed)
    followers = rng.integers(0, symbols, (symbols, 3))
    texts = [rng.integers(0, symbols, rows)]
    for _ in range(length):
        texts.append(followers[texts[-1], rng.choice(3, rows, p=(0.7, 0.2, 0.1))])
    text = np.stack(texts, 1).astype("int32")
    return text[:, :-1], text[:, 1:]


def table(rows=701, columns=20, seed=1):
    """Standardized columns, and a label that is no linear function of them."""
    x = as_floats(np.random.default_rng(seed).normal(size=(rows, columns)))
    return x, x[:, :1] * x[:, 1:2] + np.sin(2 * x[:, 2:3])


def bars(rows=301, side=10, seed=2):
    """Noisy images with a bar, across or upright."""
    rng = np.random.default_rng(seed)
    x, upright = rng.normal(0, 0.3, (rows, side, side)), rng.integers(0, 2, rows)
    for image, stands, at in zip(x, upright, rng.integers(1, side - 1, rows), strict=True):
        (image.T if stands else image)[at] += 1
    return as_floats(x[..., None]), upright.astype("int32")


def plane(side=24):
    """Points of a square, corners at -1 and 1."""
    axis = np.linspace(-1, 1, side)
    return as_floats(np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2))


def rng_of(seed):
    return np.random.default_rng(seed)
