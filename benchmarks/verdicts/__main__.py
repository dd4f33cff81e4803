"""The verdict before the first step, against what 300 steps of training do.

    python -m benchmarks.verdicts --models 500

Each model has a sound twin: the same layers from the scheme that a textbook gives for their
activation, with standardized data. A model fails if, of labels that neither has seen, it explains
at least a quarter of the variance less than its twin, and trains if it explains at most a tenth
less; what lies between, and models whose twin explains less than half, are counted apart. The
labels are a smooth function of the inputs. The peer is the rule that SageMaker Debugger had for
this, PoorWeightInitialization: the variance of what enters the layers differs by more than a
factor of ten.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.intervals import Ratio
from benchmarks.record import Row, parser_for, told

FAILS, TRAINS, STEPS, BATCH = 0.25, 0.1, 300, 64
PEER = "PoorWeightInitialization"


@dataclass(frozen=True)
class Outcome:
    """One model.

    Args:
        seed: It was drawn with this one.
        drawn: In words.
        explained: Share of the variance of held labels after training.
        twin: What its sound twin explains.
        causes: What `diagnose` said before it; empty where it said nothing.
        peer: Whether the peer raised an alarm.
    """

    seed: int
    drawn: str
    explained: float
    twin: float
    causes: tuple[str, ...]
    peer: bool


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--models", type=int, default=500)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument(
        "--misses", type=Path, metavar="PATH", help="write all models there, as JSON"
    )
    options = parser.parse_args()
    if options.smoke:
        options.models = 3
    seeds = range(options.first, options.first + options.models)
    found = []
    for seed in seeds:
        found.append(one := outcome_of(seed))
        if wrong(one):
            said = ", ".join(one.causes) or "healthy"
            print(
                f"{seed}: explains {one.explained:.2f} of {one.twin:.2f}; {said}; {one.drawn}",
                flush=True,
            )
    if options.misses:
        options.misses.write_text(json.dumps([vars(one) for one in found], indent=1) + "\n")
    told(f"{options.models} models drawn at random, {STEPS} steps", rows_of(found), options)


def outcome_of(seed: int) -> Outcome:
    from benchmarks.verdicts import drawn as draws
    from keras_initlab import diagnose

    drawn = draws.draw(seed)
    model, (x, y) = draws.model_of(drawn, seed), draws.data_for(drawn, seed)
    rows = draws.ROWS
    report = diagnose(model, (x[:256], y[:256]), ignore=("off-prior",))
    causes = [problem.cause or problem.rule for problem in (*report.problems, *report.findings)]
    variances = [one.variance for one in report.layers if one.variance > 0]
    peer = bool(variances) and max(variances) > 10 * min(variances)
    sound = drawn.sound()
    twin = explained(draws.model_of(sound, seed), *draws.data_for(sound, seed), rows)
    own = explained(model, x, y, rows)
    return Outcome(seed, str(drawn), own, twin, tuple(dict.fromkeys(causes)), peer)


def explained(model, x, y, rows) -> float:
    """Share of the variance of held labels that a model explains after training."""
    model.fit(x[:rows], y[:rows], BATCH, -(-STEPS * BATCH // rows), verbose=0)
    guess = model.predict(x[rows:], batch_size=BATCH, verbose=0)
    # A model that has run away explains nothing.
    missed = np.mean((np.nan_to_num(guess, nan=1e30) - y[rows:]) ** 2, dtype=np.float64)
    return float(1 - missed / np.var(y[rows:], dtype=np.float64))


def fails(one: Outcome) -> bool | None:
    """Whether a model fails to train; `None` where that is not clear."""
    lost = one.twin - max(one.explained, 0.0)
    if one.twin < 0.5 or TRAINS < lost < FAILS:
        return None
    return lost >= FAILS


def wrong(one: Outcome) -> bool:
    """Whether the verdict was wrong."""
    return fails(one) is not None and bool(one.causes) != fails(one)


def rows_of(found: list[Outcome]) -> list[Row]:
    clear = [one for one in found if fails(one) is not None]
    ours = scores([(bool(one.causes), bool(fails(one))) for one in clear])
    peer = scores([(one.peer, bool(fails(one))) for one in clear])
    rows = []
    for name, goal in (("precision", ">= 0.95"), ("recall", ">= 0.9")):
        # Our score is held to the goal itself, beside what the peer's rule reaches.
        share = shares(*ours[name])
        theirs = shares(*peer[name]).value
        case = f"{name}, {len(clear)} clear of {len(found)}"
        rows.append(Row(case, "share", share.value, theirs, PEER, share, goal))
    return rows


def scores(pairs: list[tuple[bool, bool]]) -> dict[str, tuple[int, int]]:
    """Hits and their number: of what was said, and of what fails."""
    hits = sum(said and failed for said, failed in pairs)
    return {
        "precision": (hits, sum(said for said, _ in pairs)),
        "recall": (hits, sum(failed for _, failed in pairs)),
    }


def shares(hits: int, count: int) -> Ratio:
    """A share with Wilson's interval of 95 %."""
    if not count:
        return Ratio(0.0, 0.0, 1.0)
    z, share = 1.96, hits / count
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    reach = z / (1 + z**2 / count) * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return Ratio(share, middle - float(reach), middle + float(reach))


if __name__ == "__main__":
    main()
