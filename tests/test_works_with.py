"""The blocks of docs/works_with.md, against the real libraries, offline."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parent.parent / "docs" / "works_with.md"

pytestmark = [
    pytest.mark.once,
    pytest.mark.slow,
    pytest.mark.skipif(not PAGE.exists(), reason="tests run beside an installed wheel"),
]

SECTION = re.compile(r"^## (.*?)$.*?```python\n(.*?)```", re.DOTALL | re.MULTILINE)
BLOCKS = dict(SECTION.findall(PAGE.read_text())) if PAGE.exists() else {}


@pytest.mark.parametrize("title", BLOCKS)
def test_block_runs(title, tmp_path):
    for module in re.findall(r"^import (\w+)", BLOCKS[title], re.MULTILINE):
        pytest.importorskip(module)
    path = tmp_path / "block.py"
    path.write_text(BLOCKS[title])

    ran = subprocess.run(
        [sys.executable, str(path)],
        cwd=tmp_path,
        env={**os.environ, "WANDB_MODE": "offline"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 0, ran.stderr


def test_blocks_are_found():
    assert {"Weights & Biases", "MLflow", "KerasTuner", "Optuna"} <= set(BLOCKS)
