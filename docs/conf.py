import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).parents[1]))

from docutils.nodes import SkipNode
from latex2mathml.converter import convert

from keras_initlab import __version__, gain_of
from keras_initlab._names import families
from keras_initlab.initializers.catalogue import CATALOGUE
from keras_initlab.theory import ACTIVATIONS
from keras_initlab.theory.gains import CRITERIA

# torch.nn.init.calculate_gain(name), torch 2.13; the leaky slope of Keras is 0.2.
TORCH = {
    "linear": "1",
    "relu": "1.41421",
    "leaky_relu": "1.38675",
    "tanh": "1.66667",
    "selu": "0.75000",
    "sigmoid": "1",
}


def gains():
    rows = ["| activation | forward | backward | centered | torch |", "|---|---|---|---|---|"]
    for name in ACTIVATIONS:
        values = " | ".join(f"{gain_of(name, criterion):.5f}" for criterion in CRITERIA)
        rows.append(f"| `{name}` | {values} | {TORCH.get(name, '')} |")
    return "\n".join(rows)


def family(title, names):
    rows = [f"| `{name}` | {CATALOGUE[name].__doc__.splitlines()[0]} |" for name in names]
    return "\n".join([f"**{title}**", "", "| scheme | what the weights do |", "|---|---|", *rows])


def listed_families():
    """A link to each family's page, and the schemes that it has."""
    sys.path.insert(0, str(Path(__file__).parent))
    from catalogue import slug

    rows = ["| family | schemes |", "|---|---|"]
    for title, names in families().items():
        schemes = ", ".join(f"[{name}](families/{slug(title)}.md#{name.lower()})" for name in names)
        rows.append(f"| [{title}](families/{slug(title)}.md) | {schemes} |")
    return "\n".join(rows)


def changes():
    """What is not released yet, from its fragments, and the releases before."""
    root = Path(__file__).parents[1]
    lines = ["## Not released yet"]
    for kind in ("added", "changed", "deprecated", "removed", "fixed"):
        paths = sorted(root.glob(f"changes/*.{kind}.md"))
        lines += ["", f"**{kind.capitalize()}**", ""] if paths else []
        lines += [f"- {path.read_text().strip()}" for path in paths]
    released = (root / "CHANGELOG.md").read_text().split("## Unreleased")[1].partition("\n## ")
    return "\n".join([*lines, "", *"".join(released[1:]).splitlines()])


project = "keras_initlab"
release = version = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_math_renderer = "mathml"
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"keras_initlab {release}"

# Docstrings are written with single backticks around code.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "none"
napoleon_numpy_docstring = False
napoleon_custom_sections = ["Shape", "Source"]
napoleon_use_ivar = True

myst_enable_extensions = ["dollarmath", "substitution"]
myst_heading_anchors = 3
measured = Path(__file__).parent / "measured"
myst_substitutions = {
    "changes": changes(),
    "drift": (measured / "drift.txt").read_text(),
    "families": listed_families(),
    "fans": (measured / "fans.txt").read_text(),
    "gains": gains(),
    "schemes": "\n\n".join(family(title, names) for title, names in families().items()),
}


def write_math(display):
    """A visitor that writes a formula as MathML, which browsers draw without a script."""

    def write(self, node):
        text = convert(node.astext(), display=display)
        self.body.append(f"<p>{text}</p>" if display == "block" else text)
        raise SkipNode

    return write


def hide_ours(app, doctree):
    """Keep what is for developers of the package out of navigation and search."""
    if app.env.docname.startswith(("decisions/", "release")):
        app.env.metadata[app.env.docname].update(orphan=True, nosearch=True)


def setup(app):
    """Hook both into Sphinx."""
    inline, block = ((write_math(display), None) for display in ("inline", "block"))
    app.add_html_math_renderer("mathml", inline, block)
    app.connect("doctree-read", hide_ours)
