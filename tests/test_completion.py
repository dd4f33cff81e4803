"""The completion script, run by bash."""

import subprocess

import pytest

from keras_initlab.__main__ import main

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["dia"], "diagnose"),
        (["show", "HeN"], "HeNormal"),
        (["gain", "ge"], "gelu"),
        (["lint", "--"], "--ignore"),
        (["lint", "m.keras", "--ignore", "eq"], "equal-units"),
        (["initialize", "m.keras", "--scheme", "Xavier"], "XavierNormal"),
        (["compare", "s.py", "--schemes", "au"], "auto"),
    ],
)
def test_words_are_completed(words, expected, tmp_path, capsys):
    main(["completion"])
    script = tmp_path / "completion"
    script.write_text(capsys.readouterr().out)
    code = (
        f"source {script}; COMP_WORDS=(keras-initlab {' '.join(words)}); "
        f"COMP_CWORD={len(words)}; _keras_initlab; echo ${{COMPREPLY[@]}}"
    )

    out = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True)

    assert expected in out.stdout.split()
