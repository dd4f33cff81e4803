"""The tables of docs/recommenders.md: every model and data set under three starts, with seeds.

    python examples/recommenders/evidence.py --path u.data --out evidence.json
    python examples/recommenders/evidence.py --out evidence.json --tables

Runs that the file already holds are not repeated.
"""

# isort: off
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
import quiet  # noqa: F401

# isort: on
import argparse
import functools
import importlib
import json
import statistics

import clicks
import data as sources
import keras
import retrieval
from rich.progress import track
from starts import STARTS

CLICK_RUNS = [
    ("neumf", "movielens", 3),
    ("wide_deep", "adult", 16),
    ("deepfm", "adult", 16),
    ("dcn", "adult", 16),
    ("dlrm", "adult", 16),
    ("wide_deep", "clicks", 2),
    ("deepfm", "clicks", 2),
    ("dcn", "clicks", 2),
    ("dlrm", "clicks", 2),
]
RANKING_RUNS = [("two_tower", "movielens", 10), ("sasrec", "movielens", 20)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--path", help="a local copy of MovieLens: u.data or ml-100k.inter")
    parser.add_argument("--out", type=Path, default=Path("evidence.json"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", nargs="+", default=[], metavar="MODEL or DATA")
    parser.add_argument("--tables", action="store_true", help="print them, train nothing")
    options = parser.parse_args()
    found = json.loads(options.out.read_text()) if options.out.exists() else {}
    if not options.tables:
        fill(found, options)
    print(click_table(found), ranking_table(found), sep="\n\n")


def fill(found, options):
    """Make the runs that are missing, and write each as soon as it is there."""
    wanted = [
        (*run, start, seed)
        for run in CLICK_RUNS + RANKING_RUNS
        for start in STARTS
        for seed in range(options.seeds)
        if not options.only or set(run[:2]) & set(options.only)
    ]
    missing = [run for run in wanted if key_of(*run) not in found]
    ratings_of = functools.cache(lambda: sources.movielens(options.path, 0.2))
    clicks_of = functools.cache(lambda name: clicks.DATA[name](options.path))
    for model, name, epochs, start, seed in track(missing, "Training"):
        module = importlib.import_module(model)
        if (model, name, epochs) in RANKING_RUNS:
            built = retrieval.started(module, start, ratings_of(), seed)
            told = retrieval.trained(module, built, ratings_of(), epochs, seed)
        else:
            built = clicks.started(module, start, clicks_of(name), seed)
            told = clicks.trained(built, clicks_of(name), epochs, seed)
            told["base"] = clicks.loss_of_base_rate(clicks_of(name))
        found[key_of(model, name, epochs, start, seed)] = told
        options.out.write_text(json.dumps(found, indent=1) + "\n")
        keras.utils.clear_session()


def key_of(model, name, epochs, start, seed):
    return f"{model}|{name}|{epochs}|{start}|{seed}"


def runs_of(found, model, name, epochs, start):
    prefix = key_of(model, name, epochs, start, "")
    return [told for key, told in found.items() if key.startswith(prefix)]


def click_table(found):
    """First loss beside that of the base rate, steps to Keras's loss, and the chosen check."""
    lines = [
        "| model, data | start | log loss at step 0 / base rate's | steps to Keras's loss"
        " | log loss | AUC |",
        "|---|---|---|---|---|---|",
    ]
    for run in CLICK_RUNS:
        default = runs_of(found, *run, "keras")
        for start in STARTS:
            told = runs_of(found, *run, start)
            if not told or not default:
                continue
            first = spread([each["losses"][0] / each["base"] for each in told], 3)
            steps = [
                steps_to(each, base["losses"][base["best"]])
                for each, base in zip(told, default, strict=False)
            ]
            reached = [count for count in steps if count is not None]
            shown = f"{statistics.median(reached):.0f}" if reached else "never"
            shown += f" ({len(reached)} of {len(steps)})" if len(reached) < len(steps) else ""
            numbers = [
                spread([each[name][each["best"]] for each in told], 4)
                for name in ("losses", "aucs")
            ]
            cells = [f"{run[0]}, {run[1]}", start, first, shown, *numbers]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def ranking_table(found):
    """Training loss before the first step and at the end, and the ranks of the chosen epoch."""
    lines = [
        "| model | start | loss at step 0 | at the end | HR@10 | NDCG@10 |",
        "|---|---|---|---|---|---|",
    ]
    for run in RANKING_RUNS:
        for start in STARTS:
            told = runs_of(found, *run, start)
            if told:
                numbers = [spread([each["losses"][place] for each in told], 3) for place in (0, -1)]
                numbers += [spread([each[name] for each in told], 4) for name in ("hr", "ndcg")]
                lines.append(f"| {run[0]} | {start} | {' | '.join(numbers)} |")
    return "\n".join(lines)


def steps_to(told, loss):
    """The first check at which a run is at or below a loss."""
    reached = [
        step for step, each in zip(told["steps"], told["losses"], strict=True) if each <= loss
    ]
    return reached[0] if reached else None


def spread(values, digits):
    """Mean and standard deviation."""
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.mean(values):.{digits}f} ± {deviation:.{digits}f}"


if __name__ == "__main__":
    main()
