"""The models of keras-rs's guides, in our words, on made-up ratings."""

import functools

import keras
import numpy as np
import pytest
from field.training_of_others import Example, check_tools, check_training
from keras import layers, ops

keras_rs = pytest.importorskip("keras_rs")

pytestmark = pytest.mark.field

USERS, MOVIES, ROWS, LENGTH = 30, 40, 22, 6

_RNG = np.random.default_rng(0)
USER = _RNG.integers(0, USERS, ROWS).astype("int32")
MOVIE = _RNG.integers(1, MOVIES, ROWS).astype("int32")
GENRES = _RNG.integers(1, 8, (ROWS, 3)).astype("int32")
HISTORY = np.where(
    np.arange(LENGTH) < _RNG.integers(2, LENGTH + 1, (ROWS, 1)),
    _RNG.integers(1, MOVIES, (ROWS, LENGTH)),
    0,
).astype("int32")
AGE = _RNG.normal(size=(ROWS, 3)).astype("float32")
STARS = _RNG.integers(1, 6, (ROWS, 1)).astype("float32")
LIKED = (STARS > 3).astype("float32")
IDS = {"user": USER, "movie": MOVIE}


def compiled(model, x, y, loss=None, **options):
    model.compile(keras.optimizers.Adagrad(0.1), loss, **options)
    return Example(model, x, y)


def tower(*units):
    return keras.Sequential([*(layers.Dense(each, "relu") for each in units[:-1]),
                             layers.Dense(units[-1])])  # fmt: skip


def table(rows, units=8, **options):
    return layers.Embedding(rows, units, **options)


class Ranking(keras.Model):
    """A table for users, one for movies, and a tower on both."""

    def __init__(self):
        super().__init__()
        self.users, self.movies = table(USERS), table(MOVIES)
        self.rating = tower(16, 8, 1)

    def call(self, inputs):
        parts = [self.users(inputs["user"]), self.movies(inputs["movie"])]
        return self.rating(ops.concatenate(parts, axis=-1))


def basic_ranking():
    return compiled(Ranking(), IDS, STARS, "mse", metrics=["root_mean_squared_error"])


class ListRanking(Ranking):
    """One user and several movies in a row."""

    def call(self, inputs):
        movies = self.movies(inputs["movies"])
        users = ops.expand_dims(self.users(inputs["user"]), 1)
        users = ops.broadcast_to(users, ops.shape(movies))
        return ops.squeeze(self.rating(ops.concatenate([users, movies], axis=-1)), -1)


def listwise_ranking(loss):
    x = {"user": USER, "movies": HISTORY}
    y = (HISTORY % 5).astype("float32")
    metrics = [keras_rs.metrics.NDCG(k=3, name="ndcg")]
    return compiled(ListRanking(), x, y, getattr(keras_rs.losses, loss)(), metrics=metrics)


class Crossed(keras.Model):
    """Deep and cross network: crosses one after the other, then a tower."""

    def __init__(self, projection=None):
        super().__init__()
        self.users, self.movies = table(USERS), table(MOVIES)
        self.crosses = [
            keras_rs.layers.FeatureCross(projection_dim=projection, diag_scale=0.1)
            for _ in range(2)
        ]
        self.deep = tower(16, 1)

    def call(self, inputs):
        x = first = ops.concatenate(
            [self.users(inputs["user"]), self.movies(inputs["movie"])], axis=-1
        )
        for cross in self.crosses:
            x = cross(first, x)
        return self.deep(x)


def deep_and_cross(projection=None):
    return compiled(Crossed(projection), IDS, STARS, "mse")


class Dlrm(keras.Model):
    """Numbers through a bottom tower, products of it and the tables, a top tower."""

    def __init__(self, **options):
        super().__init__()
        self.bottom, self.top = tower(16, 8), tower(16, 1)
        self.users, self.movies = table(USERS), table(MOVIES)
        self.products = keras_rs.layers.DotInteraction(**options)

    def call(self, inputs):
        numbers = self.bottom(inputs["age"])
        features = [numbers, self.users(inputs["user"]), self.movies(inputs["movie"])]
        return self.top(ops.concatenate([numbers, self.products(features)], axis=-1))


def dlrm(**options):
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    return compiled(Dlrm(**options), {**IDS, "age": AGE}, LIKED, loss)


class WideDeep(keras.Model):
    """A row of its own for each id beside a tower, with a bag of genres."""

    def __init__(self):
        super().__init__()
        self.wide = [table(USERS, 1), table(MOVIES, 1)]
        self.users, self.movies = table(USERS), table(MOVIES)
        self.genres = keras_rs.layers.EmbedReduce(8, 4, combiner="mean")
        self.deep = tower(16, 1)

    def call(self, inputs):
        ids = [inputs["user"], inputs["movie"]]
        wide = sum(each(column) for each, column in zip(self.wide, ids, strict=True))
        deep = [self.users(ids[0]), self.movies(ids[1]), self.genres(inputs["genres"])]
        return ops.sigmoid(wide + self.deep(ops.concatenate(deep, axis=-1)))


def wide_and_deep():
    return compiled(WideDeep(), {**IDS, "genres": GENRES}, LIKED, "binary_crossentropy")


class Distributed(keras.Model):
    """All tables in one layer."""

    def __init__(self):
        super().__init__()
        of = {"user": (USERS, (8,)), "movie": (MOVIES, (8,)), "genres": (8, (8, 3))}
        configs = {
            name: keras_rs.layers.FeatureConfig(
                name=name,
                table=keras_rs.layers.TableConfig(
                    name=f"{name}_table", vocabulary_size=rows, embedding_dim=8,
                    placement="default_device",
                ),
                input_shape=shape if len(shape) > 1 else (8, 1),
                output_shape=(8, 8),
            )
            for name, (rows, shape) in of.items()
        }  # fmt: skip
        self.tables = keras_rs.layers.DistributedEmbedding(configs)
        self.rating = tower(16, 1)

    def call(self, inputs):
        found = self.tables(inputs)
        return self.rating(ops.concatenate([found[name] for name in sorted(found)], axis=-1))


def distributed_embedding():
    x = {"user": USER[:, None], "movie": MOVIE[:, None], "genres": GENRES}
    return compiled(Distributed(), x, STARS, "mse")


class Retrieval(keras.Model):
    """Two towers; the other movies of a batch are what a movie is told from."""

    def __init__(self, query, corrected=False):
        super().__init__()
        self.query, self.movies = query, table(MOVIES)
        self.search = keras_rs.layers.BruteForceRetrieval(k=5, return_scores=False)
        self.softmax = keras.losses.CategoricalCrossentropy(from_logits=True)
        self.corrected = corrected
        if corrected:
            self.accidental = keras_rs.layers.RemoveAccidentalHits()
            self.sampling = keras_rs.layers.SamplingProbabilityCorrection()
            self.hardest = keras_rs.layers.HardNegativeMining(num_hard_negatives=3)

    def build(self, input_shape):
        self.movies.build(())
        self.search.candidate_embeddings = self.movies.embeddings
        self.built = True

    def call(self, inputs, training=False):
        query = self.query(inputs)
        return query if training else {"query": query, "found": self.search(query)}

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        query = y_pred if training else y_pred["query"]
        ids = ops.reshape(y, (-1,))
        scores = ops.matmul(query, ops.transpose(self.movies(ids)))
        labels = ops.eye(ops.shape(scores)[0])
        if self.corrected:
            scores = self.sampling(scores, ops.full_like(scores, 1 / MOVIES))
            scores = self.accidental(scores, labels, ids)
            scores, labels = self.hardest(scores, labels)
        return self.softmax(labels, scores, sample_weight)


def user_query():
    return keras.Sequential([table(USERS), layers.Dense(8, "relu"), layers.Dense(8)])


def sequence_query():
    return keras.Sequential([table(MOVIES, mask_zero=True), layers.GRU(8)])


def retrieval(query, x, **options):
    return compiled(Retrieval(query(), **options), x, MOVIE)


class MultiTask(Retrieval):
    """The loss of retrieval and that of the rating, on tables that both share."""

    def __init__(self):
        super().__init__(table(USERS))
        self.rating = tower(16, 1)

    def call(self, inputs, training=False):
        query = self.query(inputs["user"])
        movies = self.movies(inputs["movie"])
        rating = self.rating(ops.concatenate([query, movies], axis=-1))
        return {"query": query, "movies": movies, "rating": rating}

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        scores = ops.matmul(y_pred["query"], ops.transpose(y_pred["movies"]))
        labels = ops.eye(ops.shape(scores)[0])
        error = ops.mean(ops.square(y - y_pred["rating"]))
        return self.softmax(labels, scores) + 0.5 * error


def multi_task():
    return compiled(MultiTask(), IDS, STARS)


class SasRec(keras.Model):
    """Self-attention over what a user has seen; the same table names the next movie."""

    def __init__(self):
        super().__init__()
        self.movies = table(MOVIES, mask_zero=True)
        self.places = table(LENGTH)
        self.attention = layers.MultiHeadAttention(2, 4, dropout=0.2)
        self.norms = [layers.LayerNormalization() for _ in range(2)]
        self.forward, self.dropout = tower(16, 8), layers.Dropout(0.2)

    def call(self, inputs, training=False):
        x = self.movies(inputs) + self.places(ops.arange(LENGTH))
        x = self.dropout(x, training=training)
        mixed = self.attention(self.norms[0](x), x, use_causal_mask=True, training=training)
        x = x + self.forward(self.norms[1](x + mixed))
        return ops.matmul(x, ops.transpose(self.movies.embeddings))


def sas_rec():
    seen, following = HISTORY, np.roll(HISTORY, -1, axis=1)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=0)
    return compiled(SasRec(), seen, following, loss, weighted_metrics=["accuracy"])


EXAMPLES = {
    "basic_ranking": basic_ranking,
    **{
        f"listwise_{loss}": functools.partial(listwise_ranking, loss)
        for loss in ("ListMLELoss", "PairwiseHingeLoss", "PairwiseLogisticLoss")
    },
    "dcn": deep_and_cross,
    "dcn_low_rank": functools.partial(deep_and_cross, 4),
    "dlrm": dlrm,
    "dlrm_without_gather": functools.partial(dlrm, skip_gather=True, self_interaction=True),
    "wide_and_deep": wide_and_deep,
    "distributed_embedding": distributed_embedding,
    "basic_retrieval": functools.partial(retrieval, user_query, USER),
    "corrected_retrieval": functools.partial(retrieval, user_query, USER, corrected=True),
    "sequential_retrieval": functools.partial(retrieval, sequence_query, HISTORY),
    "multi_task": multi_task,
    "sas_rec": sas_rec,
}


# A few of them in every run of the slow tests.
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] if name == "dlrm" else []) for name in EXAMPLES],
)
def test_model_of_keras_rs_trains_the_same_and_is_seen(name):
    check_training(EXAMPLES[name])
    check_tools(EXAMPLES[name])
