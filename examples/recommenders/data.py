"""Interactions to train recommenders on: MovieLens-100K, UCI Adult, and click logs of any size.

Splits are by time where there is a time, vocabularies come from the training rows alone, and id 0
stands for what they do not hold.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from adult import load_adult

__all__ = ["Clicks", "Ratings", "adult", "click_log", "later_items", "movielens", "sequences"]

_URL = "https://files.grouplens.org/datasets/movielens/ml-100k.zip"


@dataclass(frozen=True)
class Clicks:
    """Rows with a label, in train and test.

    Args:
        train: `{"ids": (rows, fields) int32, "numbers": (rows, columns) float32}`.
        train_y: `(rows, 1)` float32, 0 or 1.
        test: As `train`.
        test_y: As `train_y`.
        vocabulary: Ids of each field, the 0 for unknown ones among them.
        name: Of the data set.
    """

    train: dict[str, np.ndarray]
    train_y: np.ndarray
    test: dict[str, np.ndarray]
    test_y: np.ndarray
    vocabulary: tuple[int, ...]
    name: str


@dataclass(frozen=True)
class Ratings:
    """Ratings in the order of time; `test` marks those of the last part."""

    user: np.ndarray
    item: np.ndarray
    rating: np.ndarray
    test: np.ndarray
    users: int
    items: int

    def clicks(self, liked: float = 4.0) -> Clicks:
        """Whether a user who rates an item likes it, as rows with the ids of both."""
        ids = np.stack([self.user, self.item], 1).astype("int32")
        labels = (self.rating >= liked).astype("float32")[:, None]
        none = np.zeros((len(ids), 0), "float32")
        train, test = ~self.test, self.test
        return Clicks(
            {"ids": ids[train], "numbers": none[train]},
            labels[train],
            {"ids": ids[test], "numbers": none[test]},
            labels[test],
            (self.users, self.items),
            "MovieLens-100K",
        )


def movielens(path: str | None = None, test_share: float = 0.1) -> Ratings:
    """100,000 ratings of 943 users and 1,682 movies; the latest of them are the test.

    Args:
        path: GroupLens's `u.data` or RecBole's `ml-100k.inter`; `None` fetches the former from
            GroupLens, which does not allow to pass it on.
        test_share: Part of the ratings that comes last.
    """
    if path is None:
        folder = keras.utils.get_file("ml-100k", _URL, extract=True)
        path = next(Path(folder).rglob("u.data"))
    lines = Path(path).read_text().splitlines()
    lines = lines[1:] if lines[0].startswith("user_id") else lines
    columns = np.array([[float(word) for word in line.split("\t")[:4]] for line in lines])
    columns = columns[np.argsort(columns[:, 3], kind="stable")]
    test = np.arange(len(columns)) >= len(columns) - round(test_share * len(columns))
    user, users = _ids(columns[:, 0], ~test)
    item, items = _ids(columns[:, 1], ~test)
    return Ratings(user, item, columns[:, 2].astype("float32"), test, users, items)


def adult() -> Clicks:
    """UCI Adult: who earns more than 50,000 dollars."""
    data = load_adult()
    fields = [name for name in data.vocabulary if "_x_" not in name]

    def inputs(columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        ids = np.concatenate([columns[name] for name in fields], axis=1)
        return {"ids": ids, "numbers": columns["numeric"]}

    sizes = tuple(data.vocabulary[name] for name in fields)
    return Clicks(
        inputs(data.train_x), data.train_y, inputs(data.test_x), data.test_y, sizes, "Adult"
    )


def click_log(rows: int, base_rate: float = 0.03, seed: int = 0, fields: int = 26) -> Clicks:
    """A log like Criteo's: 13 numbers and 26 ids with long tails, of a known base rate.

    The logit is a sum of an effect of each id, of the products of hidden vectors of two fields,
    and of the numbers. Its constant is solved for, so that the mean probability is `base_rate`. The
    last tenth of the rows is the test.
    """
    random = np.random.default_rng(seed)
    sizes = [int(size) for size in np.geomspace(4, max(100, rows // 20), fields)]
    ids = np.stack([_zipf(random, size, rows) for size in sizes], 1)
    numbers = random.normal(size=(rows, 13))
    logit = numbers @ random.normal(0, 0.15, 13) + np.abs(numbers) @ random.normal(0, 0.15, 13)
    hidden = np.zeros((rows, fields, 4))
    for field, size in enumerate(sizes):
        logit += random.normal(0, 0.25, size)[ids[:, field]]
        hidden[:, field] = random.normal(0, 0.35, (size, 4))[ids[:, field]]
    # All pairs at once: half of the square of the sum without the squares.
    logit += ((hidden.sum(1) ** 2).sum(1) - (hidden**2).sum((1, 2))) / 2
    clicked = random.random(rows) < _probabilities(logit, base_rate)
    test = np.arange(rows) >= rows - rows // 10
    known = [_ids(ids[:, field], ~test) for field in range(fields)]
    inputs = {
        "ids": np.stack([each for each, _ in known], 1).astype("int32"),
        "numbers": np.exp(numbers / 2).astype("float32") - 1,
    }
    labels = clicked.astype("float32")[:, None]
    return Clicks(
        {name: values[~test] for name, values in inputs.items()},
        labels[~test],
        {name: values[test] for name, values in inputs.items()},
        labels[test],
        tuple(size for _, size in known),
        "click log",
    )


def sequences(ratings: Ratings, length: int) -> tuple[np.ndarray, np.ndarray]:
    """For each user the last items of the training part, and the same one step later.

    Returns:
        Two arrays `(users, length)` int32, padded with 0 in front.
    """
    rows = _histories(ratings, ~ratings.test)
    held = [row[-length - 1 :] for row in rows.values() if len(row) > 1]
    return _padded([row[:-1] for row in held], length), _padded([row[1:] for row in held], length)


def later_items(
    ratings: Ratings, length: int
) -> tuple[np.ndarray, np.ndarray, list[np.ndarray], list[np.ndarray]]:
    """What known users rate in the test part, and what they had rated until then.

    An item that no training row holds cannot be recommended and is left out.

    Returns:
        Users `(n,)`, histories `(n, length)`, the known items that each rates later, and all items
        that each had rated before.
    """
    before, after = _histories(ratings, ~ratings.test), _histories(ratings, ratings.test)
    later = {
        user: sorted(set(after[user]) - {0, *before[user]}) for user in after if user in before
    }
    users = [user for user, items in later.items() if user and items]
    return (
        np.array(users, "int32"),
        _padded([before[user][-length:] for user in users], length),
        [np.array(later[user]) for user in users],
        [np.array(before[user]) for user in users],
    )


def _histories(ratings: Ratings, rows: np.ndarray) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for user, item in zip(ratings.user[rows], ratings.item[rows], strict=True):
        found.setdefault(int(user), []).append(int(item))
    return found


def _padded(rows: list[list[int]], length: int) -> np.ndarray:
    padded = np.zeros((len(rows), length), "int32")
    for number, row in enumerate(rows):
        padded[number, length - len(row) :] = row
    return padded


def _ids(values: np.ndarray, train: np.ndarray) -> tuple[np.ndarray, int]:
    known = np.unique(values[train])
    place = np.clip(np.searchsorted(known, values), 0, len(known) - 1)
    return np.where(known[place] == values, place + 1, 0).astype("int32"), len(known) + 1


def _zipf(random: np.random.Generator, size: int, rows: int) -> np.ndarray:
    shares = 1 / np.arange(1, size + 1)
    return random.choice(size, rows, p=shares / shares.sum())


def _probabilities(logit: np.ndarray, base_rate: float) -> np.ndarray:
    low, high = -50.0, 50.0
    while high - low > 1e-9:
        middle = (low + high) / 2
        mean = (1 / (1 + np.exp(-logit - middle))).mean()
        low, high = (middle, high) if mean < base_rate else (low, middle)
    return 1 / (1 + np.exp(-logit - low))
