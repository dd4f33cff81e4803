"""The page of the catalogue: up to date, complete, and its numbers those of the theory."""

import importlib
import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest

import keras_initlab as kil
from keras_initlab.initializers.catalogue import CATALOGUE

DOCS = Path(__file__).parents[1] / "docs"
FIGURES = DOCS / "images" / "catalogue"

pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(not DOCS.exists(), reason="tests run beside an installed wheel"),
]


@pytest.fixture(autouse=True, scope="module")
def _on_the_path():
    kept = list(sys.path)
    sys.path.insert(0, str(DOCS))
    yield
    sys.path[:] = kept


@pytest.fixture(scope="module")
def page(_on_the_path):
    return importlib.import_module("catalogue")


@pytest.fixture(scope="module")
def examples(_on_the_path):
    return importlib.import_module("catalogue_examples")


@pytest.fixture(scope="module")
def measured():
    return json.loads((DOCS / "measured" / "catalogue.json").read_text())


def test_pages_are_what_the_catalogue_says(page, measured):
    written = {path.stem: path.read_text() for path in page.PAGES.glob("*.md")}

    # Where they differ: python docs/catalogue.py --text
    assert written == page.pages(measured)


def test_every_scheme_is_measured_and_drawn_and_no_other(examples, measured):
    drawn = [name for name, cls in CATALOGUE.items() if examples.example_of(cls)]

    # Where one is missing: python docs/catalogue.py ITS_NAME
    assert list(measured) == list(CATALOGUE)
    assert sorted(path.stem for path in FIGURES.iterdir()) == sorted(drawn)


def test_figures_are_small():
    assert sum(path.stat().st_size for path in FIGURES.iterdir()) < 1_500_000


def test_every_square_kernel_has_a_profile(examples, measured):
    kernels = [name for name, cls in CATALOGUE.items() if examples.is_square_kernel(cls)]

    assert len(kernels) > 20
    assert [name for name in kernels if not measured[name]] == []


# Mean square kept by one ReLU layer: half of what `256 Var(W)` gives. The logarithm of the last
# layer's over the first's walks at random with the variance 5 / 256 for each of 29 layers (0.75 in
# all) and drifts down by half of it. The median of five is as unsure as 0.54 of one (order
# statistics of five normals), so five standard errors are:
TOLERANCE = 5 * 0.54 * 0.75 + 0.29


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("HeNormal", 1),
        ("HeUniform", 1),
        ("CriticalNormal", 1),
        ("XavierNormal", 1 / 2),
        ("LecunUniform", 1 / 2),
        ("HalfXavierUniform", 1 / 8),
        # 15 weights of variance 1 for each unit
        ("Sparse", 15 / 2),
    ],
)
def test_relu_layers_keep_what_theory_says(measured, name, kept):
    assert abs(math.log(measured[name]["relu"]) - 29 * math.log(kept)) < TOLERANCE


def test_measuring_again_finds_the_same(examples, measured):
    found = examples.profiles_of(kil.LooksLinear)

    assert list(found) == ["relu", "gelu"]
    for activation, squares in found.items():
        assert squares[-1] / squares[0] == pytest.approx(1, abs=1e-3)
        assert measured["LooksLinear"][activation] == pytest.approx(1, abs=1e-2)


def test_ring_leaves_a_signal_in_place_under_a_kernel_that_hands_it_on(examples):
    signal = np.random.default_rng(0).normal(size=(16, 8))
    kernel = examples.numpy_of(kil.Dirac()((3, 8, 8)))

    assert np.array_equal(examples.passed(signal, kernel), signal)


def test_ring_moves_a_signal_under_a_kernel_that_is_off_center(examples):
    signal = np.arange(4.0)[:, None]
    kernel = np.array([1.0, 0.0, 0.0]).reshape(3, 1, 1)

    # Each place gets its left neighbor, the first place the last one.
    assert examples.passed(signal, kernel).ravel().tolist() == [3, 0, 1, 2]


def test_example_is_that_of_the_docstring(examples):
    shown = [str(examples.example_of(cls)) for cls in (kil.BagEmbedding, kil.Chrono, kil.MuNormal)]

    assert shown == [
        'BagEmbedding(combiner="mean", bag_size=10, seed=0)((1000, 16))',
        "Chrono(max_time=100, units=8, seed=0)((32,))",
        'MuNormal(role="hidden", base_width=128, seed=0)((512, 256))',
    ]


def test_tiny_matrix_is_shown_larger_unless_the_scheme_refuses(examples):
    shapes = [examples.example_of(cls).shape for cls in (kil.ZerO, kil.Dirac, kil.FromArray)]

    # From (1, 2), (3, 1, 1) and the two numbers that were given.
    assert shapes == [(8, 16), (3, 8, 8), (1, 2)]


class Bare(kil.VarianceScaling):
    """A scheme of somebody's own."""


class Needy(kil.CriticalNormal):
    """A scheme that needs an argument that nothing tells.

    Shape:
        Any.
    """

    def __init__(self, needed):
        self.needed = needed


def test_scheme_without_an_example_is_shown_with_its_defaults(page):
    text = page.scheme_text(Bare, {})

    assert text.startswith("## Bare\n\nA scheme of somebody's own.\n")
    assert "- **Shown**: `Bare(seed=0)((512, 256))`, normal around 0" in text


def test_scheme_whose_arguments_nothing_tells_has_a_section_without_a_figure(page):
    text = page.scheme_text(Needy, {})

    assert text.startswith("## Needy\n\nA scheme that needs an argument that nothing tells.\n")
    assert "images" not in text


def test_formula_is_that_of_the_law(page):
    assert page.formula(kil.HeNormal)[0] == (
        r"$\mathrm{Var}(W) = \frac{2}{n_\mathrm{in}}$ as shown."
    )
    # Glorot and Bengio 2010, eq. 12
    assert page.formula(kil.XavierNormal)[0] == (
        r"$\mathrm{Var}(W) = \frac{2}{n_\mathrm{in} + n_\mathrm{out}}$ as shown."
    )


def test_table_of_a_docstring_becomes_one_of_markdown(page):
    ruled = "====  ===\nrole  law\n====  ===\n`in`  `1`\n====  ==="

    assert page.table(ruled).splitlines() == ["| role | law |", "|---|---|", "| `in` | `1` |"]


def test_links_and_sentences_are_those_of_markdown(page):
    said = page.sentences(
        "A 2015, eq. 2,\n  https://a.org/b.pdf. The paper (https://c.d/e_f) errs."
    )

    assert said == ["A 2015, eq. 2, <https://a.org/b.pdf>.", "The paper (<https://c.d/e_f>) errs."]


def test_figure_shows_the_density_it_was_drawn_from(page):
    figures = importlib.import_module("catalogue_figures")
    x = np.linspace(-5, 5, 100_001)

    # Variances by hand: 2**2 / 3; 1; and N(0, 1) cut at two, 0.7737413.
    for draw, spread, variance in [
        ("uniform", 2, 4 / 3),
        ("normal", 1, 1),
        ("truncated_normal", 1, 0.7737413),
    ]:
        heights = figures.density(draw, 0.0, spread, x)
        assert np.trapezoid(heights, x) == pytest.approx(1, abs=1e-3)
        assert np.trapezoid(heights * x**2, x) == pytest.approx(variance, abs=1e-3)
