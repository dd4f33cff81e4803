"""How fast random orthogonal kernels are made, ours beside Keras's on the same backend.

    python -m benchmarks.orthogonal
    KERAS_BACKEND=torch python -m benchmarks.orthogonal --sizes 256 1024

Each kernel is measured in a fresh process, ours and Keras's in turn. It is made once, deleted and
made again; the second time is timed. The error is the largest entry of `Q'Q - 1`, computed in
float64. The delta-orthogonal kernel has a window of 3 x 3; its peer is `keras.initializers.
Orthogonal` for the matrix at its center, put into zeros, for Keras has no such scheme. Our products
use as many threads as NumPy's linear algebra library takes: on a machine that is busy with other
work those wait for one another, and `OPENBLAS_NUM_THREADS=1` is faster.
"""

import json
import time

from benchmarks.fresh import finish, peak_bytes, resident_bytes, rounds
from benchmarks.record import Row, parser_for, told

GOALS = {("orthogonal", 4096): ">= 5"}
KINDS = ("orthogonal", "delta")


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 256, 1024, 4096])
    parser.add_argument("--rounds", type=int, default=7, help="of every case (default 7)")
    parser.add_argument("--run", choices=("ours", "keras"), help="one kernel, in this process")
    parser.add_argument("--kind", choices=KINDS)
    options = parser.parse_args()
    if options.smoke:
        options.sizes, options.rounds = [64], 1
    if options.run:
        print(json.dumps(made(options.run, options.kind, options.sizes[0])))
        return
    # A window of nine such matrices is for channels, of which few layers have more than 1024.
    cases = [
        (kind, size) for kind in KINDS for size in options.sizes if size <= 1024 or kind == KINDS[0]
    ]
    rows = [row for case in cases for row in rows_of(*case, options.rounds)]
    told(f"Orthogonal kernels, float32, {options.rounds} rounds", rows, options)


def rows_of(kind, size, count) -> list[Row]:
    import keras

    words = ["--kind", kind, "--sizes", str(size)]
    found = rounds(("ours", "keras"), count, "benchmarks.orthogonal", words)
    backend, name = keras.backend.backend(), f"{kind} {size}"
    rows = []
    for measure in ("seconds", "peak / kernel", "error"):
        goal = GOALS.get((kind, size), "") if measure == "seconds" else ""
        ours, peer = (found.median(who, measure) for who in ("ours", "keras"))
        ratio = found.ratio("keras", "ours", measure) if measure != "error" else None
        rows.append(Row(name, measure, ours, peer, "Keras", ratio, goal, backend))
    return rows


def made(whose, kind, size) -> dict[str, float]:
    import keras
    import numpy as np

    make = maker(whose, kind, size)
    keras.ops.zeros(())
    before = resident_bytes()
    finish(make())
    start = time.perf_counter()
    kernel = make()
    finish(kernel)
    seconds = time.perf_counter() - start
    peak = (peak_bytes() - before) / (4 * np.prod(kernel.shape))
    q = keras.ops.convert_to_numpy(kernel if kind == "orthogonal" else kernel[1, 1])
    q = q.astype("float64")
    error = float(np.abs(q.T @ q - np.eye(size)).max())
    return {"seconds": seconds, "peak / kernel": float(peak), "error": error}


def maker(whose, kind, size):
    import keras

    import keras_initlab

    if whose == "ours":
        schemes = {"orthogonal": keras_initlab.Orthogonal, "delta": keras_initlab.DeltaOrthogonal}
        shape = (size, size) if kind == "orthogonal" else (3, 3, size, size)
        return lambda: schemes[kind](seed=0)(shape)
    square = keras.initializers.Orthogonal(seed=0)
    if kind == "orthogonal":
        return lambda: square((size, size))
    window = [[1, 1], [1, 1], [0, 0], [0, 0]]
    return lambda: keras.ops.pad(square((size, size))[None, None], window)


if __name__ == "__main__":
    main()
