"""Pairs of fresh processes, so that nothing that one has left behind helps or hinders another."""

import json
import os
import resource
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.intervals import Ratio, median_ratio

__all__ = ["Rounds", "finish", "in_fresh_process", "peak_bytes", "resident_bytes", "rounds"]

Numbers = dict[str, float]


class Rounds(list):
    """What each of several contestants needed, round by round; `None` where one failed."""

    def median(self, who: str, what: str) -> float | None:
        """Median of one number of one contestant."""
        found = self.numbers(who, what)
        return statistics.median(found) if found else None

    def numbers(self, who: str, what: str) -> list[float]:
        """One number of one contestant, of each round in which it did not fail."""
        return [row[who][what] for row in self if row[who] is not None]

    def ratio(self, over: str, under: str, what: str) -> Ratio | None:
        """Median over the rounds of one contestant's number over another's, with its interval."""
        both = [row for row in self if row[over] is not None and row[under] is not None]
        return median_ratio([row[over][what] / row[under][what] for row in both])


def rounds(contestants: Sequence[str], count: int, module: str, words: Sequence[str]) -> Rounds:
    """Run every contestant so many times, in an order that turns with every round."""
    found = Rounds()
    for number in range(count):
        order = contestants if number % 2 == 0 else contestants[::-1]
        found.append({who: in_fresh_process(module, ["--run", who, *words]) for who in order})
    return found


def in_fresh_process(module: str, words: Sequence[str]) -> Numbers | None:
    """The numbers that a module prints last; `None` if it was killed for its memory."""
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", module, *words],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[1],
        env={"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ},
    )
    if ran.returncode == 0:
        return json.loads(ran.stdout.splitlines()[-1])
    if ran.returncode == -9 or "memory" in ran.stderr.lower():
        return None
    sys.exit(f"{module} {' '.join(words)}: the process failed.\n{ran.stderr}")


def finish(tensor) -> None:
    """Wait for a backend that works in the background."""
    if hasattr(tensor, "block_until_ready"):
        tensor.block_until_ready()


def resident_bytes() -> int:
    """Memory that this process holds. Linux only."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def peak_bytes() -> int:
    """The most that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
