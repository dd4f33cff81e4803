"""What a benchmark may say of a goal on a noisy machine."""

import statistics
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]

pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(
        not (ROOT / "benchmarks").is_dir(), reason="the benchmarks are not beside these tests"
    ),
]


@pytest.fixture(autouse=True)
def _benchmarks(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)


@pytest.mark.parametrize(
    ("ratios", "goal", "verdict"),
    [
        ([1.02] * 6, "<= 1.05", "met"),
        ([1.06] * 6, "<= 1.05", "not met"),
        ([2.6] * 6, ">= 2.5", "met"),
        ([1.0, 1.1] * 3, "<= 1.05", "not told from noise"),
        ([1.02] * 5, "<= 1.05", "too few pairs"),
        ([1.02] * 6, "", ""),
    ],
)
def test_goal_is_met_where_the_whole_interval_is(ratios, goal, verdict):
    from benchmarks.intervals import median_ratio
    from benchmarks.record import Row

    row = Row("a case", "seconds", 1.0, 1.0, "a peer", median_ratio(ratios), goal)

    assert row.verdict == verdict


def test_interval_covers_the_median_as_often_as_it_says():
    from benchmarks.intervals import bootstrapped

    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(80):
        ratio = bootstrapped(statistics.median, rng.lognormal(size=25).tolist())
        hits += ratio.low <= 1 <= ratio.high

    # 0.95 of 80, less five standard errors of a share.
    assert hits >= 80 * (0.95 - 5 * np.sqrt(0.95 * 0.05 / 80))


def test_rows_are_read_back_from_a_record():
    from dataclasses import asdict

    from benchmarks.intervals import Ratio
    from benchmarks.record import Row

    row = Row("a case", "seconds", 1.0, 1.0, "a peer", Ratio(1.0, 0.9, 1.1), "<= 1.05")

    assert Row(**asdict(row)) == row
