"""The table of the claims, for a terminal and for a page, and the figures."""

from pathlib import Path

from claim import HOLDS
from rich.table import Table

__all__ = ["drawn", "fill", "markdown", "table"]

HEADINGS = ("claim", "source", "published", "ours", "verdict")


def table(found):
    """For a terminal; what came out otherwise than expected is red."""
    shown = Table(*HEADINGS)
    for claim, finding in found:
        verdict = claim.verdict(finding)
        color = "red" if verdict != claim.expected else "green" if verdict == HOLDS else "yellow"
        shown.add_row(*cells(claim, finding)[:-1], f"[{color}]{verdict}[/]")
    return shown


def markdown(found):
    """For a page of the docs."""
    lines = [f"| {' | '.join(HEADINGS)} |", "|---" * len(HEADINGS) + "|"]
    lines += [
        f"| {' | '.join(each.replace('|', '/') for each in cells(*pair))} |" for pair in found
    ]
    return "\n".join(lines) + "\n"


BEGIN, END = "<!-- claims: written by `python examples/papers --docs` -->\n", "<!-- end -->\n"


def fill(page: Path, found):
    """Write the table and the figures into a page, between two marks."""
    text = page.read_text()
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    page.write_text(before + BEGIN + filling(found) + END + after)


def filling(found):
    """The table, and the figures with what they show."""
    figures = [
        f"**{claim.says}**\n\n![{claim.key}](images/papers/{claim.key}.svg)\n"
        for claim, finding in found
        if finding.draw
    ]
    return "\n".join(["", markdown(found), *figures, ""])


def cells(claim, finding):
    return claim.says, claim.source, claim.published, finding.ours, claim.verdict(finding)


def drawn(found, folder: Path):
    """Write a figure for every claim that has one, and give their paths."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    matplotlib.rcParams.update({"svg.hashsalt": "keras_initlab", "font.size": 9})
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for claim, finding in found:
        if finding.draw is None:
            continue
        figure = plt.figure(figsize=(7, 3.2), layout="constrained")
        finding.draw(figure)
        for axes in figure.axes:
            axes.spines[["top", "right"]].set_visible(False)
        paths.append(folder / f"{claim.key}.svg")
        figure.savefig(paths[-1], metadata={"Date": None})
        plt.close(figure)
    return paths
