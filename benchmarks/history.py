"""What machine and what code a run of the benchmarks was made on."""

import datetime
import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.record import Row

__all__ = ["entry_of"]

PACKAGES = ("keras_initlab", "keras", "tensorflow", "jax", "torch", "numpy", "tensorboard")


def entry_of(rows: Sequence[Row], seconds: float) -> dict[str, Any]:
    """One line of history: the ratios of a run with their intervals, and where they come from."""
    ratios = {
        f"{row.backend}: {row.case}, {row.measure}, beside {row.peer_name}": [
            None if end is None else round(end, 4) for end in row.ratio
        ]
        for row in rows
        if row.ratio is not None
    }
    return {
        "date": datetime.date.today().isoformat(),
        "commit": commit(),
        "seconds": round(seconds),
        "machine": machine(),
        "packages": versions(),
        "ratios": ratios,
    }


def machine() -> dict[str, Any]:
    """Processor, cores, memory and system."""
    facts = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in facts if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": names[0] if names else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(memory / 1e9, 1),
        "system": platform.system(),
        "python": platform.python_version(),
    }


def versions() -> dict[str, str]:
    """Versions of what is installed."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def commit() -> str:
    """The commit, with a plus where the tree differs from it; empty without git."""
    try:
        words = ["git", "describe", "--always", "--dirty=+"]
        ran = subprocess.run(
            words, cwd=Path(__file__).parent, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return ran.stdout.strip()
