import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import keras_initlab
from keras_initlab._names import families
from keras_initlab.model.linting.weight_rules import RULES

README = Path(__file__).parent.parent / "README.md"
BEGIN = "<!-- schemes: generated from the catalogue, checked by tests/test_docs.py -->\n"
END = "<!-- end of schemes -->"

pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(not README.exists(), reason="tests run beside an installed wheel"),
]


def table_of_schemes():
    rows = ["| family | schemes |", "|---|---|"]
    for title, names in families().items():
        rows.append(f"| {title} | {', '.join(f'`{name}`' for name in names)} |")
    return "\n".join(rows) + "\n"


def test_table_of_schemes_is_the_catalogue():
    text = README.read_text()

    assert text[text.index(BEGIN) + len(BEGIN) : text.index(END)].strip() == (
        table_of_schemes().strip()
    )


def test_readme_is_short():
    assert len(README.read_text().splitlines()) <= 150


PAGES = [README, *sorted(README.parent.joinpath("docs").rglob("*.md"))] if README.exists() else []
FENCE = re.compile(r"```python\n(.*?)```", re.DOTALL)

# Runs blocks for all pages in turn, for importing Keras takes longer than most of them. What they
# print goes to standard error, and replies to where standard output was.
RUNNER = """
import json, os, sys, traceback
replies = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
for line in sys.stdin:
    folder, mode, blocks = json.loads(line)
    os.chdir(folder)
    names, wrong = {}, ""
    try:
        for number, block in enumerate(blocks):
            names = names if mode == "steps" and names else {"__name__": "__main__"}
            exec(compile(block, f"block {number}", "exec"), names)
    except BaseException:
        wrong = f"{block}\\n{traceback.format_exc()}"
    print(json.dumps(wrong), file=replies, flush=True)
"""


@pytest.fixture(scope="module")
def ran():
    """Runs blocks in a folder, and returns what went wrong."""
    command = [sys.executable, "-c", RUNNER]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, text=True, **pipes) as process:

        def run(blocks, folder, mode="apart"):
            print(json.dumps([str(folder), mode, blocks]), file=process.stdin, flush=True)
            return json.loads(process.stdout.readline() or '"The process ended."')

        yield run
        process.stdin.close()


# Pages that train several models.
SLOW = ("compare",)

# Its blocks need libraries that are not installed everywhere: tests/test_works_with.py.
ELSEWHERE = ("works_with",)

# Pages whose blocks go on from one another.
STEPS = ("quickstart",)


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, id=page.stem, marks=[pytest.mark.slow] if page.stem in SLOW else [])
        for page in PAGES
        if FENCE.search(page.read_text()) and page.stem not in ELSEWHERE
    ],
)
def test_code_blocks_run(page, tmp_path, ran):
    wrong = ran(
        FENCE.findall(page.read_text()), tmp_path, "steps" if page.stem in STEPS else "apart"
    )

    assert not wrong, wrong


def test_code_block_that_fails_is_told(tmp_path, ran):
    wrong = ran(["x = 1", "print(x)"], tmp_path)

    assert "block 1" in wrong
    assert "NameError" in wrong


@pytest.mark.parametrize(("mode", "fails"), [("steps", False), ("apart", True)])
def test_code_block_sees_the_one_before_it_only_on_pages_of_steps(mode, fails, tmp_path, ran):
    assert bool(ran(["x = 1", "print(x)"], tmp_path, mode)) == fails


def test_every_rule_of_the_linter_has_a_section():
    text = README.parent.joinpath("docs", "lint.md").read_text()

    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == list(RULES)


def test_every_public_name_is_in_the_docs():
    docs = README.parent.joinpath("docs")
    text = README.read_text() + "".join(page.read_text() for page in docs.rglob("*.md"))

    missing = [name for name in keras_initlab.__all__ if name not in text]

    assert not missing


@pytest.mark.slow
def test_depths_of_the_table_are_what_the_page_measures():
    text = README.parent.joinpath("docs", "choosing.md").read_text()
    part = text[text.index("## How deep it holds") :]
    names = {}
    exec(FENCE.search(part).group(1).split("\npoint =")[0], names)
    rows = re.findall(r"^\| `(\w+)` (\|[\d |]+)$", part, re.MULTILINE)

    for name, cells in rows:
        point = names["critical_point"](name)
        laws = [(1,), (2,), (names["gain_of"](name) ** 2,)]
        laws.append((point.weight_variance, point.bias_variance))
        depths = [int(cell) for cell in cells.strip("|").split("|")]
        for law, depth in zip(laws, depths, strict=True):
            assert names["layers_held"](name, *law) == depth, (name, law)
    assert len(rows) == 8
