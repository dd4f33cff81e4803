"""How long imports and commands take, in fresh processes, in pairs.

    python -m benchmarks.startup

`import keras` with and without our package after it, and `keras-initlab list` beside a Python that
does nothing. Each is started so many times, in turn; a first round that fills the disk's cache is
not counted.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.fresh import Rounds
from benchmarks.record import Row, parser_for, told

PROGRAMS = {
    "nothing": ["-c", "pass"],
    "keras": ["-c", "import keras"],
    "keras and ours": ["-c", "import keras, keras_initlab"],
    "list": ["-m", "keras_initlab", "list"],
}


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="default 15")
    options = parser.parse_args()
    found = Rounds()
    for number in range(-1, 1 if options.smoke else options.rounds):
        names = list(PROGRAMS)[:: 1 if number % 2 else -1]
        found.append({name: {"seconds": seconds_of(PROGRAMS[name])} for name in names})
    del found[0]
    rows = [
        row_of("import keras, then ours", "keras and ours", "keras", found, "<= 1.02"),
        row_of("keras-initlab list", "list", "nothing", found, ""),
    ]
    told("Start-up", rows, options)


def seconds_of(words) -> float:
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, *words],
        check=True,
        capture_output=True,
        cwd=Path(__file__).parents[1],
        env={"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ},
    )
    return time.perf_counter() - start


def row_of(case, ours, peer, found, goal) -> Row:
    import keras

    seconds = [found.median(who, "seconds") for who in (ours, peer)]
    ratio = found.ratio(ours, peer, "seconds")
    return Row(case, "s", *seconds, peer, ratio, goal, keras.backend.backend())


if __name__ == "__main__":
    main()
