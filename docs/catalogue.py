"""Writes `docs/catalogue.md` and its figures from the catalogue of schemes.

python docs/catalogue.py                  measures and draws all schemes, writes the page
python docs/catalogue.py HeNormal ZerO    measures and draws these alone, writes the page
python docs/catalogue.py --text           writes the page alone
"""

import argparse
import inspect
import json
import re
from pathlib import Path

from catalogue_examples import Example, example_of, is_square_kernel, profiles_of, shape_text

from keras_initlab.initializers.base import VarianceScheme
from keras_initlab.initializers.catalogue import CATALOGUE, families

DOCS = Path(__file__).parent
PAGE = DOCS / "catalogue.md"
MEASURED = DOCS / "measured" / "catalogue.json"

BEGIN = "<!-- generated from here on by docs/catalogue.py -->\n"

FANS = {
    "fan_in": (1, "fan_in"),
    "fan_out": (1, "fan_out"),
    "fan_avg": (2, "(fan_in + fan_out)"),
    "fan_geo_avg": (1, "sqrt(fan_in fan_out)"),
}
NAMED = {
    "uniform": "uniform around {:.4g}, up to {:.4g} away",
    "normal": "normal around {:.4g}, of standard deviation {:.4g}",
    "truncated_normal": "normal around {:.4g}, of standard deviation {:.4g}, cut at two of these",
}


def sentences(text: str) -> list[str]:
    """Sentences of a paragraph of a docstring, with links that Markdown knows."""
    linked = re.sub(r"https?://[^\s,;()]*[^\s,;().:]", r"<\g<0>>", " ".join(text.split()))
    return re.split(r"(?<=\.) (?=[A-Z`])", linked)


def section(cls: type, name: str) -> str:
    """A named section of the docstring, or what comes before all of them."""
    text = inspect.getdoc(cls)
    if not name:
        return text.partition("\n\n")[2].partition("Args:\n")[0]
    return text.partition(f"\n{name}:\n")[2].partition("\n\n")[0]


def table(paragraph: str) -> str:
    """A table of reStructuredText as one of Markdown."""
    ruler, *lines = paragraph.splitlines()
    spans = [match.span() for match in re.finditer("=+", ruler)]
    cells = [[line[start:stop].strip() for start, stop in spans] for line in lines]
    rows = ["| " + " | ".join(row) + " |" for row in cells if not row[0].startswith("=")]
    return "\n".join([rows[0], "|---" * len(spans) + "|", *rows[1:]])


def says_a_formula(sentence: str) -> bool:
    """Whether code in it computes something."""
    return any(re.search(r" = |[*/^+]| - ", code) for code in re.findall("`([^`]*)`", sentence))


def formula(cls: type) -> list[str]:
    """The variance by the scheme's law, and the sentences that say a formula."""
    found, variance, example = [], "", example_of(cls)
    has_law = hasattr(cls, "law") or getattr(cls, "_law", None) not in (None, VarianceScheme._law)
    if example and has_law:
        law = example.scheme._law()
        factor, fan = FANS[law.fan]
        variance = f"{factor * law.scale:.6g} / {fan}"
        found.append(f"`Var(W) = {variance}` as shown.")
    paragraphs = [part for part in section(cls, "").split("\n\n") if not part.startswith("=")]
    said = [each for part in paragraphs for each in sentences(part) if says_a_formula(each)]
    said = [each for each in said if each != f"The variance is `{variance}`."]
    # The first sentence of the source is shown as such.
    source, *more = sentences(section(cls, "Source"))
    if not (found or said or says_a_formula(source)):
        said = [each for each in more if says_a_formula(each)]
    return found + said


def number(value: float) -> str:
    """Two digits, and no zeros in front of an exponent."""
    return re.sub(r"e([+-])0*", lambda sign: f"e{sign[1].replace('+', '')}", f"{value:.2g}")


def depth(cls: type, measured: dict[str, float]) -> str:
    """What was measured, in one sentence."""
    if not is_square_kernel(cls):
        return "none, for it is no kernel from a width to the same width."
    return ", ".join(f"{number(ratio)} (`{name}`)" for name, ratio in measured.items()) + "."


def shown(example: Example) -> str:
    """The call, and from what its values are drawn."""
    law = f", {NAMED[example.law[0]].format(*example.law[1:])}" if example.law else ""
    return f"`{example}`{law}."


def scheme_text(cls: type, measured: dict[str, float]) -> str:
    """The section of one scheme."""
    name, example = cls.__name__, example_of(cls)
    items = {
        "Formula": "\n  ".join(formula(cls)),
        "Shape": shape_text(cls),
        "Source": sentences(section(cls, "Source"))[0],
        "Shown": example and shown(example),
        "Depth": example and depth(cls, measured),
    }
    listed = "\n".join(f"- **{title}**: {text}" for title, text in items.items() if text)
    tables = [table(part) for part in section(cls, "").split("\n\n") if part.startswith("=")]
    seen = "values and depth profile" if measured else "values"
    pictures = [f"![{name}: {seen}](images/catalogue/{name}.svg)"] if example else []
    first = inspect.getdoc(cls).partition("\n")[0]
    return "\n\n".join([f"### {name}", first, listed, *tables, *pictures]) + "\n"


def schemes_text(measured: dict[str, dict[str, float]]) -> str:
    """All that is generated: a section for each scheme, by family."""
    parts = []
    for title, names in families().items():
        parts.append(f"## {title.rstrip('.')}\n")
        parts.extend(scheme_text(CATALOGUE[name], measured.get(name, {})) for name in names)
    return "\n".join(parts)


def main(names: list[str], text_only: bool) -> None:
    """Measure, draw and write."""
    measured = json.loads(MEASURED.read_text()) if MEASURED.exists() else {}
    for name in [] if text_only else names or CATALOGUE:
        from catalogue_figures import draw

        print(name)
        profiles = profiles_of(CATALOGUE[name])
        example = example_of(CATALOGUE[name])
        if example:
            draw(example, profiles)
        measured[name] = {
            activation: float(f"{squares[-1] / (squares[0] or 1.0):.3g}")
            for activation, squares in profiles.items()
        }
    measured = {name: measured[name] for name in CATALOGUE if name in measured}
    lines = [f"{json.dumps(name)}: {json.dumps(each)}" for name, each in measured.items()]
    MEASURED.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    written, begin, _ = PAGE.read_text().partition(BEGIN)
    PAGE.write_text(f"{written}{begin}\n{schemes_text(measured)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", help="schemes to measure and draw, all if none")
    parser.add_argument("--text", action="store_true", help="measure and draw nothing")
    asked = parser.parse_args()
    main(asked.names, asked.text)
