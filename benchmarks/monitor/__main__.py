"""Cost of the callback: the same `fit` with and without it, in pairs, in one process.

    python -m benchmarks.monitor
    KERAS_BACKEND=jax python -m benchmarks.monitor --system mlp --json mlp-jax.json
    python -m benchmarks.monitor --smoke

Short blocks of steps with a callback and without it alternate on one model, so that the noise of
the machine hits both; the ratios are medians over the pairs. What a `fit` does before its second
step and after its epoch is not counted, nor is the tracing.

The rows with a star are worked out from the blocks that never look and those that look at every
step: they are less noisy than the blocks of 100 steps. The last rows divide what one look of
`predict` adds to a step by what one of ours adds, all that ours does between looks included.
On a busy machine torch is several times faster, and steadier, with `OMP_NUM_THREADS=1`.
"""

import argparse
import json
import math
import os
import statistics
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
from rich.console import Console
from rich.table import Table

from benchmarks.intervals import Ratio, bootstrapped
from benchmarks.monitor.cases import (
    DEFAULT,
    NEVER,
    PREDICT,
    TENSORBOARD,
    WATCHED,
    Case,
    cases,
)
from benchmarks.monitor.pairs import CLOCKS, Pairs, measured, seconds
from benchmarks.monitor.systems import SYSTEMS
from benchmarks.record import Row, parser_for, told

SMOKE_BATCH = 16
# The first of docs/decisions/0011; a small model's step is short, and the callback's share large.
GOALS = {
    ("mlp", DEFAULT, 100): "<= 1.01",
    ("mlp", DEFAULT, 1): "<= 1.08",
    ("mlp", "ours, activations", 1): "<= 1.05",
    ("small", DEFAULT, 100): "<= 1.02",
    ("small", DEFAULT, 1): "<= 1.5",
}

Results = dict[tuple[str, int], Pairs]


def main() -> None:
    options = arguments_of()
    results = {name: results_of(name, options) for name in options.system}
    Console().print(table_of(results))
    told("Cost of the callback", rows_of(results), options)
    if options.json:
        options.json.write_text(json.dumps(record_of(results), indent=1) + "\n")


def arguments_of() -> argparse.Namespace:
    parser = parser_for(__doc__)
    parser.add_argument("--system", nargs="+", choices=SYSTEMS, help="all of them by default")
    parser.add_argument("--pairs", type=int, default=40, help="a quarter where a block is long")
    parser.add_argument(
        "--limit", type=float, default=300.0, metavar="SECONDS", help="for more pairs of a case"
    )
    parser.add_argument("--json", type=Path, metavar="PATH", help="write all blocks there")
    options = parser.parse_args()
    options.system = options.system or list(SYSTEMS)[: 1 if options.smoke else None]
    return options


def results_of(name: str, options: argparse.Namespace) -> Results:
    results, console = {}, Console(stderr=True, highlight=False)
    for case in smoke_cases() if options.smoke else cases():
        console.print(f"{name}: {case.what}, {shown(case.every)}")
        system = SYSTEMS[name](SMOKE_BATCH) if options.smoke else SYSTEMS[name]()
        count = 1 if options.smoke else options.pairs if case.steps < 100 else options.pairs // 4
        callback = case.callback_for(system)
        seconds(system, 1, [callback])
        if not len(getattr(callback, "looks", [None])):
            console.print("It cannot look here: left out.", style="red")
            continue
        goal = "" if options.smoke else GOALS.get((name, case.what, case.every), "")
        pairs = measured(system, callback, case.steps, max(1, count), goal, options.limit)
        results[case.what, case.every] = pairs
    return results


def smoke_cases() -> list[Case]:
    return [case for case in cases() if case.every in (NEVER, 1) or case.what == TENSORBOARD]


# --- numbers -----------------------------------------------------------------------------------


def derived(results: Results, what: str, clock: str) -> Ratio:
    """Ratio at `update_freq=100`: that of a step without a look and a hundredth of a look."""

    def at_100(without: list[float], looking: list[float]) -> float:
        off = statistics.median(without)
        return off + (statistics.median(looking) - off) / 100

    return bootstrapped(at_100, *(results[what, every].ratios(clock) for every in (NEVER, 1)))


def quotient(results: Results, what: str, clock: str) -> Ratio:
    """What a look of `predict` adds to a step over what one of ours adds (unitless)."""

    def of(theirs: list[float], ours: list[float]) -> float:
        added = statistics.median(ours)
        return statistics.median(theirs) / added if added > 0 else math.inf

    return bootstrapped(of, *(results[key, 1].added(clock) for key in (PREDICT, what)))


# --- what is shown -----------------------------------------------------------------------------


def shown(every: int) -> str:
    return "never" if every == NEVER else str(every)


def worded(ratio: Ratio) -> str:
    ends = "" if ratio.low is None else f" ({ratio.low:.3f} to {ratio.high:.3f})"
    return f"{ratio.value:.3f}{ends}"


def table_of(results: dict[str, Results]) -> Table:
    table = Table(title=f"fit with / without the callback, {keras.backend.backend()}")
    table.caption = "* off + look / 100, from the rows of never and 1"
    for title in ("system", "what"):
        table.add_column(title, no_wrap=True)
    for title in ("every n steps", "CPU ratio (95 %)", "wall ratio (95 %)", "blocks"):
        table.add_column(title, justify="right")
    for name, found in results.items():
        for (what, every), pairs in found.items():
            ratios = [worded(pairs.ratio(clock)) for clock in CLOCKS]
            blocks = f"{len(pairs.without)} x {pairs.steps}"
            table.add_row(name, what, shown(every), *ratios, blocks)
        watched = [what for what in WATCHED if {(what, NEVER), (what, 1)} <= set(found)]
        for what in watched:
            ratios = [worded(derived(found, what, clock)) for clock in CLOCKS]
            table.add_row(name, f"{what}*", "100", *ratios, "")
        for what in watched:
            quotients = [worded(quotient(found, what, clock)) for clock in CLOCKS]
            table.add_row(name, f"predict / {what}", "1", *quotients, "")
        table.add_section()
    return table


def rows_of(results: dict[str, Results]) -> list[Row]:
    """CPU time of a step with the callback and without, and of a look beside `predict`."""
    rows, backend = [], keras.backend.backend()
    for name, found in results.items():
        for (what, every), pairs in found.items():
            goal = GOALS.get((name, what, every), "")
            case, step = f"{name}, {what}, every {shown(every)}", pairs.step_ms("cpu")
            numbers = (step + pairs.added_ms("cpu"), step, "plain fit", pairs.ratio("cpu"))
            rows.append(Row(case, "CPU ms a step", *numbers, goal, backend))
        for what in WATCHED:
            if not {(what, 1), (PREDICT, 1)} <= set(found):
                continue
            ours, theirs = (found[key, 1].added_ms("cpu") for key in (what, PREDICT))
            numbers = (ours, theirs, PREDICT, quotient(found, what, "cpu"))
            rows.append(Row(f"{name}, a look, {what}", "CPU ms", *numbers, ">= 50", backend))
    return rows


def record_of(results: dict[str, Results]) -> list[dict]:
    return [
        {
            "backend": keras.backend.backend(),
            "keras": keras.__version__,
            "system": name,
            "what": what,
            "every": None if every == NEVER else every,
            "steps": pairs.steps,
            "ratio": {clock: pairs.ratio(clock) for clock in CLOCKS},
            "added_ms": {clock: pairs.added_ms(clock) for clock in CLOCKS},
            "step_ms": {clock: pairs.step_ms(clock) for clock in CLOCKS},
            "with": pairs.with_it,
            "without": pairs.without,
        }
        for name, found in results.items()
        for (what, every), pairs in found.items()
    ]


if __name__ == "__main__":
    main()
