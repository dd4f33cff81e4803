"""How findings of the linter are printed: for people, programs and continuous integration."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from keras_initlab._words import printable

__all__ = ["FINDING_FORMATS"]


def _as_text(path: str, findings: Sequence[Any]) -> str:
    return "\n".join(str(finding) for finding in findings)


def _as_json(path: str, findings: Sequence[Any]) -> str:
    return json.dumps([asdict(finding) for finding in findings], indent=1)


def _as_github(path: str, findings: Sequence[Any]) -> str:
    """Workflow commands, which GitHub shows beside the change."""
    return "\n".join(
        f"::error file={_property(path)},title={finding.rule}::{_escaped(str(finding))}"
        for finding in findings
    )


def _escaped(text: str) -> str:
    escaped = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return printable(escaped)


def _property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")


FINDING_FORMATS = {"text": _as_text, "json": _as_json, "github": _as_github}
