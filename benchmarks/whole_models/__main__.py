"""How well whole models are initialized, ours beside Keras's defaults, anyinit and AutoInit's rule.

    pip install anyinit==0.4.0
    python -m benchmarks.whole_models
    python -m benchmarks.whole_models --only "LSTM stack" --seeds 5

Each network is built anew, initialized, and measured on a batch of its own, on which nothing was
corrected. Forward: the largest |log2(v / target)| over the layers with a kernel, how many times a
signal is doubled or halved. v is the variance before the activation or the mean square behind it,
for all layers of a system the one that is better for it, for anyinit aims at the second and we at
the first. The target is 1, for ours what docs/initialize.md says. Backward: the largest |log2| of
the variance of the outputs' gradients over that of the last such layer. Seconds are of the call
alone. All are medians over seeds.
"""

import argparse
import contextlib
import io
import os
import statistics
import time
import warnings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from benchmarks.intervals import median_ratio
from benchmarks.record import Row, parser_for, told
from benchmarks.whole_models.architectures import ARCHITECTURES, batch_for
from benchmarks.whole_models.autoinit import autoinit
from keras_initlab import diagnose, initialize
from keras_initlab.anatomy.anatomy import Anatomy
from keras_initlab.model.initialization.plan import Request, plan_of

# What runs in a loop is seen as a whole, without what enters its activation.
KINDS = ("Dense", "EinsumDense", "Conv1D", "Conv2D", "DepthwiseConv2D", "Conv2DTranspose")


def as_built(model, batch, seed):
    pass


def anyinit_analytic(model, batch, seed):
    import anyinit

    anyinit.initialize(model, seed=seed)


def anyinit_empirical(model, batch, seed):
    import anyinit

    anyinit.initialize(model, "empirical", batch, seed=seed)


def autoinit_rule(model, batch, seed):
    autoinit(model, seed)


def ours(model, batch, seed):
    initialize(model, seed=seed)


def ours_with_data(model, batch, seed):
    initialize(model, data=batch, seed=seed)


SYSTEMS = {
    "Keras": as_built,
    "anyinit": anyinit_analytic,
    "anyinit, batch": anyinit_empirical,
    "AutoInit's rule": autoinit_rule,
    "ours": ours,
    "ours, batch": ours_with_data,
}


def main() -> None:
    options = arguments_of()
    warnings.simplefilter("ignore")
    print(f"Forward, backward (powers of two), seconds; medians of {options.seeds} seeds")
    print(f"{keras.backend.backend()}, {options.count} examples, others to measure by")
    print("| network | " + " | ".join(SYSTEMS) + " |")
    print("|---|" + "---|" * len(SYSTEMS))
    rows = []
    for name in options.only or ARCHITECTURES:
        found = {key: runs_of(name, system, options) for key, system in SYSTEMS.items()}
        print(f"| {name} | {' | '.join(map(cell_of, found.values()))} |", flush=True)
        rows += rows_of(name, found)
    told("Whole models initialized", rows, options)


def arguments_of() -> argparse.Namespace:
    parser = parser_for(__doc__)
    parser.add_argument("--only", nargs="+", choices=ARCHITECTURES, metavar="NETWORK")
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--count", type=int, default=256, help="examples")
    options = parser.parse_args()
    if options.smoke:
        options.only, options.seeds, options.count = ["Wide & Deep"], 1, 32
    return options


Runs = list[tuple[float, float, float]] | str


def runs_of(name, system, options) -> Runs:
    """Forward and backward error and seconds, seed by seed, or the name of the error."""
    try:
        return [run_of(name, system, seed, options.count) for seed in range(options.seeds)]
    except Exception as error:
        return type(error).__name__


def median_of(runs: Runs, place: int) -> float:
    return statistics.median(run[place] for run in runs)


def cell_of(found: Runs) -> str:
    if isinstance(found, str):
        return f"fails: {found}"
    forward, backward, seconds = (median_of(found, place) for place in range(3))
    return f"{forward:.1f}, {backward:.1f}, {seconds:.2f} s"


def rows_of(name: str, found: dict[str, Runs]) -> list[Row]:
    rows = []
    for ours, theirs in (("ours", "anyinit"), ("ours, batch", "anyinit, batch")):
        if isinstance(found[ours], str):
            continue
        failed = isinstance(found[theirs], str)
        for place, measure in ((0, "forward error, powers of 2"), (2, "seconds")):
            mine = median_of(found[ours], place)
            other = None if failed else median_of(found[theirs], place)
            ratio = None
            if place == 2 and not failed:
                pairs = zip(found[theirs], found[ours], strict=True)
                ratio = median_ratio([its[place] / our[place] for its, our in pairs])
            goal = ">= 5" if place == 2 and name == "MLP, ReLU, 100 deep" else ""
            backend = keras.backend.backend()
            rows.append(Row(f"{name}, {ours}", measure, mine, other, theirs, ratio, goal, backend))
    return rows


def run_of(name, system, seed, count) -> tuple[float, float, float]:
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    model = ARCHITECTURES[name]()
    batch, others = batch_for(model, count, seed), batch_for(model, count, 1000 + seed)
    model(batch)
    start = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        system(model, batch, seed)
    seconds = time.perf_counter() - start
    report = diagnose(model, others, ignore=["same-weights"])
    rows = [row for row in report.layers if row.kernel_shape is not None and row.kind in KINDS]
    targets = targets_of(model, rows) if system in (ours, ours_with_data) else 1.0
    before = [row.before_variance for row in rows]
    behind = [row.variance + row.mean**2 for row in rows]
    forward = min(largest(before, targets), largest(behind, targets))
    gradients = [row.gradient_variance for row in rows]
    return forward, largest(gradients, gradients[-1]), seconds


def targets_of(model, rows) -> np.ndarray:
    """What `"auto"` aims at, by the names of the rows."""
    request = Request("auto", 0, None, None, None, True, None)
    target_of = {}
    for draw in plan_of(Anatomy(model), request):
        # A row has the path of its layer where names repeat.
        for name in (draw.layer.name, draw.layer.path):
            target_of[name] = draw.advice.target or target_of.get(name, 1.0)
    return np.array([target_of.get(row.name, 1.0) for row in rows])


def largest(values, targets) -> float:
    with np.errstate(divide="ignore", invalid="ignore"):
        errors = np.abs(np.log2(np.array(values) / targets))
    return float(np.max(np.where(np.isfinite(errors), errors, np.inf)))


if __name__ == "__main__":
    main()
