"""How fast a large table is drawn, ours beside Keras on the same backend.

    python -m benchmarks.sampling
    KERAS_BACKEND=jax python -m benchmarks.sampling --table-rows 1000000

Each draw is measured in a fresh process, ours, Keras's and the floor in turn. It is a warm draw:
the table is drawn once, deleted and drawn again, and the second draw is timed. The floor writes one
number into as much fresh memory with NumPy, on one core. Peak memory is the most that the process
has held minus what it held after the imports, over the size of the table; with small tables the
memory of code that is loaded at the first draw dominates it. Linux only.
"""

import json
import time

from benchmarks.fresh import finish, peak_bytes, resident_bytes, rounds
from benchmarks.intervals import median_ratio
from benchmarks.record import Row, parser_for, told

COLUMNS = 64
CASES = {
    "normal": ("RandomNormal", {"stddev": 0.05}),
    "truncated": ("TruncatedNormal", {"stddev": 0.05}),
    "uniform": ("RandomUniform", {"minval": -0.05, "maxval": 0.05}),
}
GOALS = {
    "tensorflow": {"normal": ">= 2.5", "truncated": ">= 4", "uniform": ">= 2"},
    "jax": dict.fromkeys(CASES, ">= 4"),
}


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--table-rows", type=int, default=10_000_000, help="default 10 million")
    parser.add_argument("--rounds", type=int, default=7, help="of every case (default 7)")
    parser.add_argument("--dtypes", nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--run", help="one draw, in this process")
    parser.add_argument("--case", choices=CASES)
    options = parser.parse_args()
    if options.smoke:
        options.table_rows, options.rounds, options.dtypes = 20_000, 1, options.dtypes[:1]
    if options.run:
        run = written if options.run == "floor" else drawn
        print(json.dumps(run(options)))
        return
    rows = [
        row for dtype in options.dtypes for case in CASES for row in rows_of(case, dtype, options)
    ]
    told(f"{options.table_rows:,} x {COLUMNS}, {options.rounds} rounds", rows, options)


def rows_of(case, dtype, options) -> list[Row]:
    import keras

    words = ["--case", case, "--dtypes", dtype, "--table-rows", str(options.table_rows)]
    contestants = ("ours", "keras", "floor")
    found = rounds(contestants, options.rounds, "benchmarks.sampling", words)
    backend, name = keras.backend.backend(), f"{case} {dtype}"
    goal = GOALS.get(backend, {}).get(case, "") if dtype == "float32" else ""
    seconds = [found.median(who, "seconds") for who in contestants]
    peak, its = (found.median(who, "peak") for who in ("ours", "keras"))
    speedup = found.ratio("keras", "ours", "seconds")
    over_floor = found.ratio("ours", "floor", "seconds")
    smaller = found.ratio("keras", "ours", "peak")
    held = median_ratio(found.numbers("ours", "peak"))
    return [
        Row(name, "seconds", seconds[0], seconds[1], "Keras", speedup, goal, backend),
        Row(name, "seconds", seconds[0], seconds[2], "floor", over_floor, "", backend),
        Row(name, "peak / table", peak, 1.0, "the table", held, "<= 1.1", backend),
        Row(name, "peak / table", peak, its, "Keras", smaller, "", backend),
    ]


def drawn(options) -> dict[str, float]:
    import keras

    import keras_initlab

    name, arguments = CASES[options.case]
    source = keras_initlab if options.run == "ours" else keras.initializers
    scheme = getattr(source, name)(seed=0, **arguments)
    shape, dtype = (options.table_rows, COLUMNS), options.dtypes[0]
    keras.ops.zeros(())
    before = resident_bytes()
    finish(scheme(shape, dtype))
    start = time.perf_counter()
    finish(scheme(shape, dtype))
    return measured(time.perf_counter() - start, before, options)


def written(options) -> dict[str, float]:
    import numpy as np

    before = resident_bytes()
    for _ in range(2):
        start = time.perf_counter()
        np.empty(size_bytes_of(options), np.uint8)[:] = 1
        seconds = time.perf_counter() - start
    return measured(seconds, before, options)


def measured(seconds, before, options) -> dict[str, float]:
    return {"seconds": seconds, "peak": (peak_bytes() - before) / size_bytes_of(options)}


def size_bytes_of(options) -> int:
    return options.table_rows * COLUMNS * (2 if options.dtypes[0] == "bfloat16" else 4)


if __name__ == "__main__":
    main()
