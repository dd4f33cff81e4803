"""What can be asked for: watches, layers, schedules, tables, histograms, a fixed batch, theory."""

import keras
import monitoring
import numpy as np
import pytest
from keras import layers
from monitoring import BATCH, TORCH, X, Y, compiled, fitted, logger_of

from keras_initlab import ActivationVarianceLogger, Clock, Early, EpochEnds, Every
from keras_initlab.signal.histograms import BIN_EDGES


def seen_by(logger, model=None, **options):
    fitted(compiled() if model is None else model, logger, **options)
    return logger.looks[0]


@pytest.mark.parametrize(
    ("watch", "sections", "known"),
    [
        ("activations", {"activations", "theory"}, set()),
        ("weights", {"weights"}, {"weight_variance"}),
        ("gradients", {"weights"}, {"weight_variance", "gradient_norm"}),
        ("updates", {"weights"}, {"weight_variance", "update_ratio"}),
        (
            ("gradients", "updates"),
            {"weights"},
            {"weight_variance", "gradient_norm", "update_ratio"},
        ),
    ],
)
def test_watch_chooses_what_is_measured(watch, sections, known):
    look = seen_by(logger_of(watch=watch))

    assert set(look.sections) == sections
    for statistic in ("weight_variance", "gradient_norm", "update_ratio"):
        if "weights" in sections:
            values = list(look.by_layer(statistic).values())
            assert np.isfinite(values).all() == (statistic in known)


@pytest.mark.once
@pytest.mark.parametrize("watch", [(), "colours", ("weights", "colours")])
def test_watch_refuses_what_it_does_not_know(watch):
    with pytest.raises(ValueError, match="Received: watch="):
        ActivationVarianceLogger(watch=watch)


@pytest.mark.once
@pytest.mark.parametrize(
    ("chosen", "names"),
    [
        ("a", ["a"]),
        ("[ab]", ["a", "b"]),
        (layers.Dense, ["a", "b", "c"]),
        (lambda layer: getattr(layer, "units", 0) == 1, ["c"]),
        (["a", "c"], ["a", "c"]),
        ("*", ["a", "b", "c"]),
    ],
    ids=["name", "pattern", "class", "predicate", "list", "all"],
)
def test_layers_chooses_by(chosen, names):
    look = seen_by(logger_of(layers=chosen, watch=("activations", "weights")))

    assert [row.name for row in look.layers if row.kind == "Dense"] == names
    assert list(look.by_layer("weight_variance")) == names


@pytest.mark.once
def test_layers_refuses_what_matches_nothing():
    with pytest.raises(ValueError, match="`layers` matches no layer"):
        seen_by(logger_of(layers="nobody"))


@pytest.mark.once
def test_layers_refuses_what_cannot_choose():
    with pytest.raises(TypeError, match="Received: layers=3"):
        ActivationVarianceLogger(layers=3)


class Squares:
    """Looks at steps 0, 1, 4, 9, 16."""

    def due(self, clock):
        due = clock.step < 0
        for number in range(5):
            due = due | (clock.step == number**2)
        return due


@pytest.mark.once
@pytest.mark.parametrize(
    ("options", "steps"),
    [
        ({"update_freq": 7, "first_steps": 3}, [0, 1, 2, 7, 14]),
        ({"update_freq": Every(6)}, [0, 6, 12]),
        ({"update_freq": Early(2, EpochEnds())}, [0, 1, 5, 11, 17]),
        ({"update_freq": Squares()}, [0, 1, 4, 9, 16]),
    ],
    ids=["first steps", "every", "early", "own"],
)
def test_schedule_says_when(options, steps):
    logger = logger_of(**options)

    seen_by(logger, epochs=3)

    assert [look.step for look in logger.looks] == steps
    schedule = logger.settings.schedule
    assert [step for step in range(18) if schedule.due(Clock(step, 0, 6))] == steps


def test_max_elements_takes_whole_examples_first():
    look = seen_by(logger_of(max_elements=10 * monitoring.WIDTH))

    assert look.by_layer("count")["a"] == 10 * monitoring.WIDTH
    expected = monitoring.by_hand(compiled().get_weights(), X[:10], Y[:10])[0]["a"]
    assert look.by_layer("variance")["a"] == pytest.approx(expected.var(), rel=2e-5)


def test_headroom_is_the_distance_to_the_largest_number():
    look = seen_by(logger_of(), x=X * 1e4)

    largest = {
        name: max(abs(low), abs(look.by_layer("max")[name]))
        for name, low in look.by_layer("min").items()
    }
    for name, value in largest.items():
        assert look.by_layer("float16_headroom")[name] == pytest.approx(np.log2(65504 / value))
        bfloat16 = np.log2(3.3895313892515355e38 / value)
        assert look.by_layer("bfloat16_headroom")[name] == pytest.approx(bfloat16)
    # 1e4 times inputs of variance 2.5 overflow float16 somewhere in the layer.
    assert look.by_layer("float16_headroom")["a"] < 1


def test_saturated_share_is_that_of_the_flat_part():
    look = seen_by(logger_of(), x=X * 3)
    outputs = monitoring.by_hand(compiled().get_weights(), X[:BATCH] * 3, Y[:BATCH])[0]

    # 1 - tanh**2 <= 0.01, and ReLU where it is 0.
    assert look.by_layer("saturated_fraction")["b"] == np.mean(1 - outputs["b"] ** 2 <= 0.01)
    assert look.by_layer("saturated_fraction")["a"] == np.mean(outputs["a"] == 0)
    assert look.by_layer("dead_fraction")["a"] == (outputs["a"] == 0).all(0).mean()


@pytest.mark.parametrize("row", [0, 1], ids=["activations", "weights"])
def test_histogram_counts_each_element_into_its_bin(row):
    look = seen_by(logger_of(histograms=True))
    outputs, gradients, _, _ = monitoring.by_hand(compiled().get_weights(), X[:BATCH], Y[:BATCH])
    section, expected = [("activations", outputs), ("weights", gradients)][row]

    table = look.sections[section]
    for layer, counts in zip(table.layers, table.histograms, strict=True):
        values = expected[layer.name]
        # A zero belongs to the first bin above zero; a value within rounding of an edge to either.
        by_hand = np.histogram(np.where(values == 0, 1e-30, values), BIN_EDGES)[0]
        assert counts.sum() == values.size
        assert np.abs(counts - by_hand).sum() <= 2


@pytest.mark.once
def test_histograms_are_off_unless_asked_for():
    assert seen_by(logger_of()).sections["activations"].histograms is None


# --- tables ----------------------------------------------------------------------------------

IDS = np.array([[1, 2], [2, 3], [1, 1], [5, 5]] * 6)


def table_model(**options):
    model = keras.Sequential(
        [keras.Input((2,), dtype="int32"), layers.Embedding(10, 3, name="table"), layers.Flatten()]
    )
    model.add(layers.Dense(1, name="score"))
    return compiled(model, **options)


@pytest.mark.parametrize("eager", [False, True])
def test_table_is_measured_over_the_rows_that_the_batch_touched(eager):
    model = table_model(run_eagerly=eager)
    table = model.get_layer("table").get_weights()[0].astype("float64")
    logger = logger_of(update_freq=2)

    look = seen_by(logger, model, x=IDS, y=np.ones((24, 1)), batch_size=2)

    touched = table[[1, 2, 3]]
    assert look.by_layer("weight_count")["table"] == touched.size
    assert look.by_layer("weight_variance")["table"] == pytest.approx(touched.var(), rel=1e-5)
    # Rows 1, 2 and 3 of ten; the second batch, which is not looked at, adds row 5.
    shares = [look.by_layer("untouched_fraction")["table"] for look in logger.looks]
    assert shares == pytest.approx([0.7] + [0.6] * 5)
    assert np.isnan(look.by_layer("untouched_fraction")["score"])


def test_gradient_of_a_table_adds_up_what_repeats():
    model = table_model()
    table, kernel, bias = (np.asarray(weight, np.float64) for weight in model.get_weights())
    look = seen_by(logger_of(), model, x=IDS, y=np.ones((24, 1)), batch_size=4)

    ids = IDS[:4]
    error = 2 * (table[ids].reshape(4, -1) @ kernel + bias - 1) / 4
    gradient = np.zeros_like(table)
    np.add.at(gradient, ids, (error @ kernel.T).reshape(4, 2, 3))
    touched = gradient[[1, 2, 3, 5]]
    assert look.by_layer("gradient_variance")["table"] == pytest.approx(touched.var(), rel=1e-4)
    norm = np.sqrt((touched**2).sum())
    assert look.by_layer("gradient_norm")["table"] == pytest.approx(norm, rel=1e-4)


# --- beside the live batch -------------------------------------------------------------------


@pytest.mark.parametrize("steps", [1, 4])
def test_fixed_batch_is_measured_with_the_weights_of_its_step(steps):
    if steps > 1 and TORCH:
        pytest.skip("Keras on torch runs single steps")
    model = compiled(steps_per_execution=steps)
    weights = model.get_weights()
    logger = logger_of(update_freq=4, reference=X[-8:])

    look = seen_by(logger, model, epochs=2)

    expected = monitoring.by_hand(weights, X[-8:], Y[-8:])[0]
    for name, values in expected.items():
        assert look.by_layer("reference_variance")[name] == pytest.approx(values.var(), rel=2e-5)
    measured = [one.by_layer("reference_variance")["c"] for one in logger.looks]
    assert len(set(measured)) == len(measured) == 3
