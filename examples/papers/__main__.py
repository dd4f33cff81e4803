"""Try what the papers claim, and print what came of it.

    python examples/papers --fast
    python examples/papers --only he-30-layers constant

Trials that the file of an earlier run holds are not repeated, so a run that was stopped goes on.
"""

# isort: off
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
import quiet  # noqa: F401

# isort: on
import argparse

import show
from claim import Trials
from claims import CLAIMS
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

DOCS = Path(__file__).parents[2] / "docs"


def main():
    options = parsed()
    out = options.out
    trials, figures = out / "trials.json", out
    if options.docs:
        trials, figures = DOCS / "measured" / "papers.json", DOCS / "images" / "papers"
    figures.mkdir(parents=True, exist_ok=True)
    chosen = [claim for claim in CLAIMS if not options.only or claim.key in options.only]
    found = tried(chosen, Trials(trials, options.fast))
    for path in show.drawn(found, figures):
        print(path)
    if options.docs:
        show.fill(DOCS / "papers.md", found)
    else:
        (out / "papers.md").write_text(show.markdown(found))
    Console().print(show.table(found))
    return sum(claim.verdict(finding) != claim.expected for claim, finding in found)


def parsed():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fast", action="store_true", help="fewer seeds, in under five minutes")
    parser.add_argument("--only", nargs="+", choices=[claim.key for claim in CLAIMS], default=[])
    parser.add_argument("--out", type=Path, default=Path("papers"), help="trials, figures, table")
    parser.add_argument("--docs", action="store_true", help="write docs/papers.md from a full run")
    return parser.parse_args()


def tried(claims, trials):
    """Every claim with what was found."""
    columns = (BarColumn(20), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns) as progress:
        task = progress.add_task("", total=len(claims))
        trials.told = lambda name: progress.update(task, description=name)
        found = []
        for claim in claims:
            found.append((claim, claim.experiment(trials.named(claim.key))))
            progress.advance(task)
    return found


if __name__ == "__main__":
    sys.exit(main())
