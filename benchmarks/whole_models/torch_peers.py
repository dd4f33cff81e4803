"""Peers that know torch alone: LSUV and mup's coordinate check, beside ours on torch.

    pip install lsuv==0.3.0 mup==1.0.0 pandas seaborn
    KERAS_BACKEND=torch python -m benchmarks.whole_models.torch_peers

LSUV: a network of torch is corrected by `lsuv`, its weights go into the same network of Keras, and
both are measured there, on the batch that was given and on another. Deviation: the largest
|log2(v / target)| over the layers, of the variance before the activation or the mean square behind
it, as in `benchmarks.whole_models`; LSUV's target is a variance of 1 before it. Passes: how often
the network, or its first layer, ran.

Coordinate check: powers of the width with which the activations of each layer grow, after as many
updates, from `mup` on a network of torch and from `coordinate_check` on the same one of Keras.
Seconds are of the call alone.
"""

import argparse
import os
import statistics
import time
import warnings

os.environ["KERAS_BACKEND"] = "torch"

import itertools

import keras
import numpy as np
import torch
from keras import layers as kl
from torch import nn

from benchmarks.whole_models.__main__ import largest, targets_of
from keras_initlab import coordinate_check, diagnose, initialize, scale_learning_rates

BATCH, WIDTHS, BASE, RATE, STEPS = 256, (64, 128, 256, 512), 64, 0.01, 3


def mlp():
    hidden = [kl.Dense(256, "gelu") for _ in range(50)]
    theirs = [nn.Linear(64 if k == 0 else 256, 256) for k in range(50)]
    theirs = [part for layer in theirs for part in (layer, nn.GELU())]
    ours = keras.Sequential([keras.Input((64,)), *hidden, kl.Dense(1)])
    return ours, nn.Sequential(*theirs, nn.Linear(256, 1))


def cnn():
    sizes = [3, *[64] * 12]
    ours = [kl.Conv2D(64, 3, padding="same", activation="relu") for _ in sizes[1:]]
    theirs = [nn.Conv2d(a, b, 3, padding=1) for a, b in itertools.pairwise(sizes)]
    theirs = [part for layer in theirs for part in (layer, nn.ReLU())]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)]
    return (
        keras.Sequential(
            [keras.Input((16, 16, 3)), *ours, kl.GlobalAveragePooling2D(), kl.Dense(10)]
        ),
        nn.Sequential(*theirs, *head),
    )


def correct_by_lsuv(model, twin, batch):
    import lsuv

    x = torch.tensor(batch)
    x = x.permute(0, 3, 1, 2).contiguous() if x.ndim == 4 else x
    passes = [0]
    twin.register_forward_pre_hook(lambda *_: passes.__setitem__(0, passes[0] + 1))
    start = time.perf_counter()
    lsuv.lsuv_with_singlebatch(twin, x, verbose=False)
    seconds = time.perf_counter() - start
    weights = []
    for layer in twin.modules():
        if isinstance(layer, (nn.Linear, nn.Conv2d)):
            kernel = layer.weight.detach().numpy()
            axes = (2, 3, 1, 0) if kernel.ndim == 4 else (1, 0)
            weights += [kernel.transpose(axes), layer.bias.detach().numpy()]
    model.set_weights(weights)
    return seconds, passes[0]


def correct_by_ours(model, twin, batch):
    first, passes = model.layers[0], [0]
    call = first.call

    def counted(*args, **kwargs):
        passes[0] += 1
        return call(*args, **kwargs)

    first.call = counted
    start = time.perf_counter()
    initialize(model, data=batch, seed=1)
    seconds = time.perf_counter() - start
    first.call = call
    return seconds, passes[0]


def deviation(model, batch, targets):
    # All elements: a part of them would be off by more than the corrections are.
    report = diagnose(model, batch, max_elements=None, ignore=["same-weights"])
    rows = [row for row in report.layers if row.kernel_shape is not None]
    targets = targets_of(model, rows) if targets is None else targets
    behind = [row.variance + row.mean**2 for row in rows]
    return min(largest([row.before_variance for row in rows], targets), largest(behind, targets))


def correction_row(name, build, seeds):
    shown = []
    for correct, target in ((correct_by_lsuv, 1.0), (correct_by_ours, None)):
        runs = []
        for seed in range(seeds):
            keras.utils.set_random_seed(seed)
            model, twin = build()
            batch, other = (
                np.random.default_rng(seed)
                .normal(size=(2, BATCH, *model.input_shape[1:]))
                .astype("float32")
            )
            seconds, passes = correct(model, twin, batch)
            runs.append(
                (deviation(model, batch, target), deviation(model, other, target), seconds, passes)
            )
        here, fresh, seconds, passes = (statistics.median(each) for each in zip(*runs, strict=True))
        shown.append(f"{here:.3f}, {fresh:.2f}, {seconds:.2f} s, {passes:.0f}")
    return f"| {name} | {' | '.join(shown)} |"


# --- the coordinate check ----------------------------------------------------------------------


def torch_mlp(width):
    from mup import MuReadout

    parts, size = [], 16
    for _ in range(3):
        parts += [nn.Linear(size, width), nn.ReLU()]
        size = width
    return nn.Sequential(*parts, MuReadout(width, 10))


def built_for_mup(width):
    import mup

    model = torch_mlp(width)
    mup.set_base_shapes(model, torch_mlp(BASE), delta=torch_mlp(2 * BASE))
    for layer in model:
        if isinstance(layer, nn.Linear) and not isinstance(layer, mup.MuReadout):
            mup.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
    return model


def check_by_mup(batch, seeds):
    from mup.coord_check import get_coord_data

    x, y = (torch.tensor(each) for each in batch)
    models = {width: (lambda width=width: built_for_mup(width)) for width in WIDTHS}
    start = time.perf_counter()
    table = get_coord_data(
        models, [(x, y)], optimizer="adam", lr=RATE, mup=True, nsteps=STEPS + 1, nseeds=seeds,
        cuda=False, show_progress=False,
    )  # fmt: skip
    seconds = time.perf_counter() - start
    last = table[table["t"] == STEPS + 1]
    slopes = []
    # The three ReLUs, then the output.
    for name in ("1", "3", "5", "6"):
        sizes = last[last["module"] == name].groupby("width")["l1"].median()
        slopes.append(np.polyfit(np.log2(list(sizes.index)), np.log2(sizes), 1)[0])
    return seconds, slopes


def keras_mlp(width):
    hidden = [kl.Dense(width, "relu") for _ in range(3)]
    model = keras.Sequential([keras.Input((16,)), *hidden, kl.Dense(10)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(RATE), loss)
    return model


def keras_transferred(width):
    model = keras_mlp(width)
    initialize(model, width_base=BASE, seed=int(np.random.randint(10_000)))
    scale_learning_rates(model, keras_mlp(BASE))
    return model


def check_by_ours(batch, seeds):
    start = time.perf_counter()
    check = coordinate_check(keras_transferred, WIDTHS, batch, steps=STEPS, seeds=seeds)
    return time.perf_counter() - start, check.slopes[-1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    seeds = parser.parse_args().seeds
    warnings.simplefilter("ignore")
    print("deviation on the batch, on another, seconds, passes; medians of", seeds, "seeds")
    print("| network | lsuv | ours |\n|---|---|---|")
    for name, build in (("MLP, GELU, 50 deep", mlp), ("CNN, ReLU, 12 deep", cnn)):
        print(correction_row(name, build, seeds), flush=True)
    rng = np.random.default_rng(0)
    batch = rng.normal(size=(BATCH, 16)).astype("float32"), rng.integers(0, 10, BATCH)
    print("\n| coordinate check | seconds | powers of the width, layer by layer |\n|---|---|---|")
    for name, check in (("mup", check_by_mup), ("ours", check_by_ours)):
        seconds, slopes = check(batch, seeds)
        print(f"| {name} | {seconds:.1f} | {', '.join(f'{slope:+.2f}' for slope in slopes)} |")


if __name__ == "__main__":
    main()
