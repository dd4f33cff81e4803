"""Command line: `keras-initlab`, or `python -m keras_initlab`."""

import argparse
import importlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

__all__ = ["main"]

_EXAMPLES = """\
examples:
  keras-initlab lint model.keras
  keras-initlab lint model.keras --ignore gain --format github
  keras-initlab gain gelu
"""


def main(words: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        words: The arguments, `None` for those of the process.

    Returns:
        0 if all is well, 1 if the linter has findings, 2 if something could not be done.
    """
    options = _parser().parse_args(words)
    try:
        return int(options.run(options))
    except (ValueError, OSError, ImportError) as error:
        print(f"keras-initlab: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="keras-initlab",
        description="Weight initialization for Keras 3.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    lint = commands.add_parser("lint", help="find weights that cannot train; 1 if there are any")
    lint.add_argument("model", metavar="MODEL.keras")
    lint.add_argument("--ignore", action="append", default=[], metavar="RULE")
    lint.add_argument(
        "--import",
        dest="modules",
        action="append",
        default=[],
        metavar="MODULE",
        help="import this first, for the layers that it registers",
    )
    lint.add_argument("--format", choices=_FORMATS, default="text")
    lint.add_argument(
        "--unsafe", action="store_true", help="run code that the file holds, Lambda layers say"
    )
    lint.set_defaults(run=_lint)

    gain = commands.add_parser("gain", help="what weights before an activation are multiplied by")
    gain.add_argument("activation", metavar="ACTIVATION")
    gain.set_defaults(run=_gain)
    return parser


# --- commands ----------------------------------------------------------------------------------


def _lint(options: argparse.Namespace) -> int:
    model = _loaded(options.model, options.modules, unsafe=options.unsafe)
    from keras_initlab.model import lint

    findings = lint(model, ignore=options.ignore)
    text = _FORMATS[options.format](options.model, findings)
    if text:
        print(text)
    return 1 if findings else 0


def _gain(options: argparse.Namespace) -> int:
    from keras_initlab.theory import gain_of

    print(f"{gain_of(options.activation):.6g}")
    return 0


def _loaded(path: str, modules: Sequence[str], *, unsafe: bool) -> Any:
    """A saved model.

    Raises:
        ValueError: If the file cannot be read as a model.
        OSError: If there is no such file.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(f"There is no model file {path!r}.")
    with _silent_start():
        import keras

        keras.ops.zeros(())
    # A command, unlike `python -m`, does not look where it was started.
    sys.path.append(os.getcwd())
    for name in modules:
        importlib.import_module(name)
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=not unsafe)
    # A broken file makes Keras raise whatever it trips over.
    except Exception as error:
        refused = "enable_unsafe_deserialization" in str(error)
        advice = " Try --unsafe, if you trust the file." if refused else ""
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ValueError(f"{path!r} cannot be loaded as a Keras model: {first}{advice}") from error


@contextmanager
def _silent_start() -> Iterator[None]:
    """Keep back what TensorFlow writes to file descriptor 2 before it reads any setting."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


# --- formats -----------------------------------------------------------------------------------


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
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")


_FORMATS = {"text": _as_text, "json": _as_json, "github": _as_github}


if __name__ == "__main__":
    sys.exit(main())
