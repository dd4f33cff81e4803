"""Links in the pages lead somewhere; nothing here asks the network."""

import re
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from grids import over

ROOT = Path(__file__).parent.parent

pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(
        not (ROOT / "README.md").exists(), reason="tests run beside an installed wheel"
    ),
]

PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted(ROOT.glob("changes/*.md")),
    *sorted(ROOT.glob("docs/**/*.md")),
    *sorted(ROOT.glob("examples/**/*.md")),
]
FENCE = re.compile(r"^(`{3,}).*?^\1", re.DOTALL | re.MULTILINE)
HEADING = re.compile(r"^#+ +(.*)$", re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]*)\)")
HOST = re.compile(r"([a-z0-9-]+\.)+[a-z]{2,}")


def prose_of(text):
    """A page without its code, where brackets are no links."""
    return re.sub(r"`[^`\n]*`", "``", FENCE.sub("", text))


def anchors_of(text):
    """What headings are called in addresses, as GitHub and MyST have it."""
    titles = [title.strip().lower() for title in HEADING.findall(FENCE.sub("", text))]
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles}


def source():
    """The public address of the repository."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Source"]


def local_of(link):
    """A path from the root for an address of a file in the repository, else the link."""
    raw = source().replace("//github.com/", "//raw.githubusercontent.com/")
    for start in (f"{source()}/blob/main/", f"{raw}/main/"):
        if link.startswith(start):
            return link.removeprefix(start)
    return link


def fault_of(link, page):
    """What is wrong with a link of a page, or None."""
    if page == ROOT / "README.md":
        link = local_of(link)
    if ":" in link.split("/", 1)[0]:
        parts = urlsplit(link)
        well = parts.scheme == "https" and HOST.fullmatch(parts.hostname or "")
        return None if well else "no https address"
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if ROOT not in target.parents or not target.exists():
        return "no such file"
    if anchor and (target.suffix != ".md" or anchor not in anchors_of(target.read_text())):
        return "no such heading"
    return None


@over(
    (page.relative_to(ROOT), link)
    for page in PAGES
    for link in LINK.findall(prose_of(page.read_text()))
)
def test_links_lead_somewhere(page, link):
    assert fault_of(link, ROOT / page) is None


@pytest.mark.parametrize(
    ("link", "fault"),
    [
        ("other.md", None),
        ("other.md#what-it-costs-11-x", None),
        ("#here", None),
        ("https://arxiv.org/abs/1502.01852", None),
        ("gone.md", "no such file"),
        ("other.md#here", "no such heading"),
        ("other.md#in-code", "no such heading"),
        ("picture.svg#here", "no such heading"),
        ("../../outside.md", "no such file"),
        ("http://arxiv.org/abs/1502.01852", "no https address"),
        ("https://localhost/x", "no https address"),
        ("mailto:someone@example.org", "no https address"),
    ],
)
def test_fault_of_a_link_is_told(link, fault, tmp_path, monkeypatch):
    root = tmp_path / "root"
    page = root / "docs" / "page.md"
    page.parent.mkdir(parents=True)
    page.write_text("# Here\n")
    (root / "docs" / "other.md").write_text("## What it costs: 1.1 x\n\n```\n# In code\n```\n")
    (root / "docs" / "picture.svg").write_text("<svg/>")
    (tmp_path / "outside.md").write_text("")
    monkeypatch.setattr(f"{__name__}.ROOT", root)

    assert fault_of(link, page) == fault


def test_readme_has_no_path_that_leads_nowhere_on_a_package_index():
    links = LINK.findall(prose_of((ROOT / "README.md").read_text()))

    assert [link for link in links if not link.startswith("https://")] == []
    assert sum(local_of(link) != link for link in links) > 15


def test_broken_address_of_a_file_of_ours_is_seen():
    page = ROOT / "README.md"

    assert fault_of(f"{source()}/blob/main/docs/gone.md", page) == "no such file"
    assert fault_of(f"{source()}/blob/main/docs/faq.md#gone", page) == "no such heading"
    assert fault_of(f"{source()}/blob/main/docs/faq.md", page) is None


def test_code_holds_no_links():
    text = "[a](b) `[c](d)`\n```python\nx = [e](f)\n```\n[g](h)"

    assert LINK.findall(prose_of(text)) == ["b", "h"]


def test_pages_are_found():
    assert {"README.md", "CONTRIBUTING.md", "faq.md"} <= {page.name for page in PAGES}
