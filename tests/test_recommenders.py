"""The recommenders of the examples: data without leakage, models that start at the base rate."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
FOLDER = EXAMPLES / "recommenders"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not FOLDER.exists(), reason="tests run beside an installed wheel"),
]


@pytest.fixture(autouse=True, scope="module")
def _on_the_path():
    kept = list(sys.path)
    sys.path[:0] = [str(FOLDER), str(EXAMPLES)]
    yield
    sys.path[:] = kept


@pytest.fixture(scope="module")
def sources(_on_the_path):
    return importlib.import_module("data")


@pytest.fixture(scope="module")
def log(sources):
    return sources.click_log(6_000, base_rate=0.05, fields=6)


def written(folder, name):
    """A small file of ratings in the order of neither users nor time."""
    random = np.random.default_rng(0)
    rows = [
        (random.integers(1, 40), random.integers(1, 60), random.integers(1, 6), 1000 + k)
        for k in random.permutation(2000)
    ]
    path = folder / name
    title = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
    text = "".join("\t".join(map(str, row)) + "\n" for row in rows)
    path.write_text(text if name == "u.data" else title + text)
    return path


@pytest.mark.parametrize("name", ["u.data", "ml-100k.inter"])
def test_both_formats_of_movielens_are_read_and_split_by_time(sources, tmp_path, name):
    ratings = sources.movielens(written(tmp_path, name))

    assert len(ratings.item) == 2000
    assert ratings.test.sum() == 200
    # In the order of time the test comes last.
    assert not ratings.test[:1800].any()
    assert ratings.test[1800:].all()
    assert ratings.user[~ratings.test].min() == ratings.item[~ratings.test].min() == 1


def test_ids_that_training_lacks_are_unknown(sources):
    ids, size = sources._ids(np.array([5, 7, 5, 9]), np.array([True, True, True, False]))

    assert ids.tolist() == [1, 2, 1, 0]
    assert size == 3


def test_later_items_are_those_of_the_test_part_alone(sources, tmp_path):
    ratings = sources.movielens(written(tmp_path, "u.data"))

    users, histories, later, held = sources.later_items(ratings, 7)

    for user, history, items, past in zip(users, histories, later, held, strict=True):
        train = ratings.item[~ratings.test & (ratings.user == user)]
        test = ratings.item[ratings.test & (ratings.user == user)]
        np.testing.assert_array_equal(past, train)
        np.testing.assert_array_equal(history[history > 0], train[-7:])
        assert set(items) == set(test) - set(train) - {0}


def test_targets_of_a_sequence_are_its_next_items(sources, tmp_path):
    ratings = sources.movielens(written(tmp_path, "u.data"))

    histories, targets = sources.sequences(ratings, 9)

    assert histories.shape == targets.shape == (39, 9)
    np.testing.assert_array_equal(histories[:, 1:], targets[:, :-1])


def test_click_log_has_the_base_rate_it_is_asked_for(sources):
    log = sources.click_log(50_000, base_rate=0.05)
    labels = np.concatenate([log.train_y, log.test_y])

    assert abs(labels.mean() - 0.05) < 5 * (0.05 * 0.95 / len(labels)) ** 0.5
    assert log.train["ids"].max(axis=0).max() < max(log.vocabulary)
    assert all(log.train["ids"][:, k].max() < size for k, size in enumerate(log.vocabulary))


@pytest.mark.parametrize("name", ["neumf", "wide_deep", "deepfm", "dcn", "dlrm"])
@pytest.mark.parametrize("start", ["keras", "library", "ours"])
def test_click_model_is_built_under_every_start(log, name, start):
    clicks, module = importlib.import_module("clicks"), importlib.import_module(name)

    model = clicks.started(module, start, log, seed=0)

    predicted = keras.ops.convert_to_numpy(model(log.test)).astype("float64")
    loss = -np.mean(log.test_y * np.log(predicted) + (1 - log.test_y) * np.log(1 - predicted))
    if start == "ours":
        # The goal: within 2 % of what the base rate alone gives.
        assert loss < 1.02 * clicks.loss_of_base_rate(log)
    assert np.isfinite(model.train_on_batch(log.test, log.test_y))


@pytest.mark.parametrize("name", ["two_tower", "sasrec"])
@pytest.mark.parametrize("start", ["keras", "library", "ours"])
def test_ranking_model_is_built_under_every_start(sources, tmp_path, name, start):
    retrieval, module = importlib.import_module("retrieval"), importlib.import_module(name)
    ratings = sources.movielens(written(tmp_path, "u.data"))

    model = retrieval.started(module, start, ratings, seed=0)
    told = retrieval.trained(module, model, ratings, epochs=1, seed=0)

    assert np.isfinite(told["losses"]).all()
    assert 0 <= told["ndcg"] <= told["hr"] <= 1
    if start == "ours":
        choices = retrieval.BATCH if name == "two_tower" else ratings.items
        # Logits of variance 1 cost half a nat beside logits of nothing; 30 seeds spread by 0.15.
        assert told["losses"][0] < np.log(choices) + 0.5 + 5 * 0.15


def test_ranks_see_a_perfect_and_a_useless_ranking():
    retrieval = importlib.import_module("retrieval")
    later, held = [np.array([5, 6])], [np.array([1, 2])]
    perfect, useless = np.zeros((1, 50)), np.zeros((1, 50))
    perfect[0, [1, 2]], perfect[0, [5, 6]] = 9, 5
    useless[0, 10:] = np.arange(40) + 1

    assert retrieval.ranks_of(perfect, later, held) == {"pairs": 2, "hr": 1.0, "ndcg": 1.0}
    assert retrieval.ranks_of(useless, later, held) == {"pairs": 2, "hr": 0.0, "ndcg": 0.0}


SERVED = """
import sys
import numpy as np
sys.modules["keras_initlab"] = None  # It may not be imported.
import tensorflow as tf
served = tf.saved_model.load(sys.argv[1] + "/served")
held = np.load(sys.argv[1] + "/batch.npz")
answer = served.serve([tf.constant(held[name]) for name in ("ids", "numbers")])
np.testing.assert_allclose(np.asarray(answer), held["answer"], rtol=1e-5, atol=1e-6)
"""

LOADED = """
import sys
import numpy as np
import keras
import keras_initlab
model = keras.models.load_model(sys.argv[1] + "/model.keras")
held = np.load(sys.argv[1] + "/batch.npz")
answer = model.predict({"ids": held["ids"], "numbers": held["numbers"]}, verbose=0)
np.testing.assert_allclose(answer, held["answer"], rtol=1e-5, atol=1e-6)
"""


def test_trained_model_is_loaded_and_served_in_a_fresh_process(log, tmp_path):
    clicks, module = importlib.import_module("clicks"), importlib.import_module("deepfm")
    model = clicks.started(module, "ours", log, seed=0)
    model.fit(log.test, log.test_y, batch_size=512, verbose=0)
    batch = {name: values[:64] for name, values in log.test.items()}
    np.savez(tmp_path / "batch.npz", **batch, answer=model.predict(batch, verbose=0))

    model.save(tmp_path / "model.keras")
    model.export(tmp_path / "served", verbose=False)

    for code in (LOADED, SERVED):
        words = [sys.executable, "-W", "ignore", "-c", code, str(tmp_path)]
        ran = subprocess.run(words, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr


@pytest.fixture(scope="module")
def evidence(_on_the_path):
    return importlib.import_module("evidence")


@pytest.fixture(scope="module")
def runs():
    return json.loads((EXAMPLES.parent / "docs" / "measured" / "recommenders.json").read_text())


def finals(evidence, runs, run, start):
    """Metrics of the chosen check by name, of each seed, the lower the better."""
    found = evidence.runs_of(runs, *run, start)
    if "hr" in found[0]:
        return {name: [-each[name] for each in found] for name in ("hr", "ndcg")}
    return {
        name: [sign * each[name][each["best"]] for each in found]
        for name, sign in (("losses", 1), ("aucs", -1))
    }


def test_page_holds_the_tables_of_what_was_measured(evidence, runs):
    page = (EXAMPLES.parent / "docs" / "recommenders.md").read_text()

    assert evidence.click_table(runs) in page
    assert evidence.ranking_table(runs) in page


def test_no_final_metric_is_worse_by_more_than_a_standard_error(evidence, runs):
    for run in evidence.CLICK_RUNS + evidence.RANKING_RUNS:
        ours, theirs = (finals(evidence, runs, run, start) for start in ("ours", "keras"))
        for name, values in ours.items():
            others = theirs[name]
            assert len(values) == len(others) == 5
            error = np.sqrt((np.var(values, ddof=1) + np.var(others, ddof=1)) / 5)
            assert np.mean(values) - np.mean(others) <= error, (run, name)


def test_first_losses_are_those_of_the_base_rate(evidence, runs):
    firsts = [
        each["losses"][0] / each["base"]
        for run in evidence.CLICK_RUNS
        for each in evidence.runs_of(runs, *run, "ours")
    ]

    assert np.abs(np.mean(np.reshape(firsts, (-1, 5)), axis=1) - 1).max() <= 0.002


def test_the_loss_of_the_defaults_comes_sooner_in_most_models(evidence, runs):
    sooner = 0
    for run in evidence.CLICK_RUNS:
        default = evidence.runs_of(runs, *run, "keras")
        wanted = [each["losses"][each["best"]] for each in default]
        steps = [
            np.median(
                [evidence.steps_to(*pair) or np.inf for pair in zip(each, wanted, strict=True)]
            )
            for each in (evidence.runs_of(runs, *run, "ours"), default)
        ]
        sooner += steps[0] < steps[1]

    assert sooner == 7
