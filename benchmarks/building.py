"""How long whole models take to build, and what share of that the initializers have.

    python -m benchmarks.building
    KERAS_BACKEND=jax python -m benchmarks.building --table-rows 1000000

A DLRM with 26 embedding tables (5 million rows x 32 each by default, 16.6 GB) and an MLP of 100
layers of 256 units, each built in a fresh process with our schemes and with Keras's of the same
law, in turn. The time of the initializers is that of their calls; the rest is Keras's. Peak memory
is the most that the process has held minus what it held after the imports, over the size of the
weights: where the backend copies what an initializer gives, it is above 1.
"""

import json
import time

from benchmarks.fresh import finish, peak_bytes, resident_bytes, rounds
from benchmarks.record import Row, parser_for, told

BOTTOM, TOP = (512, 256, 64, 32), (512, 256)


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--table-rows", type=int, default=5_000_000, help="default 5 million")
    parser.add_argument("--rounds", type=int, default=6, help="of every model (default 6)")
    parser.add_argument("--run", choices=("ours", "keras"), help="one model, in this process")
    parser.add_argument("--model", choices=MODELS)
    options = parser.parse_args()
    if options.smoke:
        options.table_rows, options.rounds = 1000, 1
    if options.run:
        print(json.dumps(built(options.run, options.model, options.table_rows)))
        return
    rows = [row for model in MODELS for row in rows_of(model, options)]
    title = f"Models built; tables of {options.table_rows:,} rows, {options.rounds} rounds"
    told(title, rows, options)


def rows_of(model, options) -> list[Row]:
    import keras

    words = ["--model", model, "--table-rows", str(options.table_rows)]
    found = rounds(("ours", "keras"), options.rounds, "benchmarks.building", words)
    backend, rows = keras.backend.backend(), []
    for measure in ("build, s", "initializers, s", "initializers / build", "peak / weights"):
        ours, peer = (found.median(who, measure) for who in ("ours", "keras"))
        ratio = found.ratio("keras", "ours", measure)
        rows.append(Row(model, measure, ours, peer, "Keras", ratio, "", backend))
    return rows


def built(whose, model, table_rows) -> dict[str, float]:
    import keras

    keras.ops.zeros(())
    spent, before = [0.0], resident_bytes()
    start = time.perf_counter()
    network = MODELS[model](Schemes(whose, spent), table_rows)
    for weight in network.weights:
        finish(weight.value)
    seconds = time.perf_counter() - start
    size_bytes = 4 * network.count_params()
    return {
        "build, s": seconds,
        "initializers, s": spent[0],
        "initializers / build": spent[0] / seconds,
        "peak / weights": (peak_bytes() - before) / size_bytes,
    }


class Schemes:
    """Initializers of one maker, whose calls are timed."""

    def __init__(self, whose, spent):
        import keras

        import keras_initlab

        self._source = keras_initlab if whose == "ours" else keras.initializers
        self._spent = spent

    def __call__(self, name, **arguments):
        scheme, spent = getattr(self._source, name)(**arguments), self._spent

        def timed(shape, dtype=None):
            start = time.perf_counter()
            tensor = scheme(shape, dtype)
            finish(tensor)
            spent[0] += time.perf_counter() - start
            return tensor

        return timed


def dlrm(scheme, table_rows):
    import keras
    from keras import layers

    def mlp(x, sizes):
        for units in sizes:
            x = layers.Dense(units, "relu", kernel_initializer=scheme("HeNormal"))(x)
        return x

    dense = keras.Input((13,))
    bottom = mlp(dense, BOTTOM)
    ids = [keras.Input((), dtype="int32") for _ in range(26)]
    bound = table_rows**-0.5
    vectors = [bottom]
    for tokens in ids:
        drawn = scheme("RandomUniform", minval=-bound, maxval=bound)
        vectors.append(layers.Embedding(table_rows, 32, embeddings_initializer=drawn)(tokens))
    stacked = keras.ops.stack(vectors, axis=1)
    dots = keras.ops.matmul(stacked, keras.ops.transpose(stacked, (0, 2, 1)))
    pairs = keras.ops.reshape(dots, (-1, 27 * 27))
    top = mlp(keras.ops.concatenate([bottom, pairs], axis=1), TOP)
    output = layers.Dense(1, "sigmoid", kernel_initializer=scheme("LecunNormal"))(top)
    return keras.Model([dense, *ids], output)


def mlp100(scheme, table_rows):
    import keras

    hidden = [
        keras.layers.Dense(256, "relu", kernel_initializer=scheme("HeNormal")) for _ in range(100)
    ]
    return keras.Sequential([keras.Input((256,)), *hidden])


MODELS = {"DLRM, 26 tables": dlrm, "MLP, 100 layers": mlp100}


if __name__ == "__main__":
    main()
