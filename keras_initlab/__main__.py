"""Command line: `keras-initlab`, or `python -m keras_initlab`."""

import argparse
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

from keras_initlab import _commands, _missing, _names
from keras_initlab._words import printable

_EXAMPLES = """\
examples:
  keras-initlab list
  keras-initlab show HeNormal
  keras-initlab gain gelu
  keras-initlab lint model.keras --ignore gain --format github
  keras-initlab diagnose model.keras --data batch.npz
  keras-initlab initialize model.keras --scheme auto -o fresh.keras
  keras-initlab compare script.py --schemes "as built" auto he_normal
"""

_COMPLETION = """\
_keras_initlab() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} words
    case "${{COMP_CWORD}}:${{COMP_WORDS[1]}}:${{COMP_WORDS[COMP_CWORD-1]}}" in
        1:*) words="{commands}" ;;
        *:--scheme|*:--schemes) words="auto {schemes}" ;;
        *:--ignore) words="{rules}" ;;
        *:show:*) words="{schemes}" ;;
        *:gain:*) words="{activations}" ;;
{options}
    esac
    COMPREPLY=($(compgen -W "$words" -- "$word") $(compgen -f -- "$word"))
}}
complete -o filenames -F _keras_initlab keras-initlab
"""


def main(words: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        words: The arguments, `None` for those of the process.

    Returns:
        0 if all is well, 1 if something is wrong with the model, 2 if a command could not be done.
    """
    options = _parser().parse_args(words)
    try:
        with _plain_warnings():
            return int(options.run(options))
    except BrokenPipeError:
        # The reader closed the pipe; the rest of the output is dropped.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, TypeError, OSError, ImportError) as error:
        print(f"keras-initlab: {printable(_plain(_missing.explained(error)))}", file=sys.stderr)
        return 2
    # Backends raise errors of their own classes, with colours and pages of detail.
    except Exception as error:
        first = (_plain(error).strip().splitlines() or [""])[0]
        print(f"keras-initlab: {type(error).__name__}: {printable(first)}", file=sys.stderr)
        return 2


class _Parser(argparse.ArgumentParser):
    """A parser whose errors show words safely: a pattern of the shell can match any file."""

    def error(self, message: str) -> NoReturn:
        super().error(printable(message))


@contextmanager
def _plain_warnings() -> Iterator[None]:
    """A context that makes warnings printable, for they can name layers of a foreign file."""
    usual = warnings.formatwarning

    def plain(message: Warning | str, *about: Any, **more: Any) -> str:
        return usual(printable(message), *about, **more)

    warnings.formatwarning = plain
    try:
        yield
    finally:
        warnings.formatwarning = usual


def _plain(error: object) -> str:
    """The text of an error, without colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", str(error))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="keras-initlab",
        description="Weight initialization for Keras 3.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, run: Callable, text: str, example: str) -> argparse.ArgumentParser:
        added = commands.add_parser(
            name,
            help=text,
            description=f"{text[0].upper()}{text[1:]}.",
            epilog=f"example:\n  keras-initlab {name} {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        added.set_defaults(run=run)
        return added

    command("list", _commands.list_schemes, "name every scheme and what it does", "")
    show = command("show", _commands.show, "tell all about one scheme", "HeNormal")
    show.add_argument("scheme", metavar="SCHEME")
    text = "tell what weights before an activation are multiplied by"
    command("gain", _commands.gain, text, "gelu").add_argument("activation", metavar="ACTIVATION")
    text = "find weights that cannot train; ends with 1 if there are any"
    _add_lint(command("lint", _commands.lint, text, "model.keras --format github"))
    text = "show the signal in every layer; ends with 1 if it is not healthy"
    _add_diagnose(command("diagnose", _commands.diagnose, text, "model.keras --data batch.npz"))
    text = "draw the weights anew, into another file"
    _add_initialize(command("initialize", _commands.initialize, text, "model.keras -o fresh.keras"))
    text = "train what a script defines, `build_model()` and `data`, under several schemes"
    _add_compare(command("compare", _commands.compare, text, "script.py --seeds 5"))
    text = "print a completion script for bash, or for zsh after `bashcompinit`"
    command("completion", _completion, text, "> ~/.keras_initlab_completion")
    return parser


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL.keras")
    parser.add_argument(
        "--import",
        dest="modules",
        action="append",
        default=[],
        metavar="MODULE",
        help="import this first, for the layers that it registers",
    )
    parser.add_argument(
        "--unsafe", action="store_true", help="run code that the file holds, Lambda layers say"
    )


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data", metavar="X.npz", help="a batch: one array, or one by input; `y` are labels"
    )


def _add_ignore(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--ignore", action="append", default=[], metavar="RULE")


def _add_lint(parser: argparse.ArgumentParser) -> None:
    _add_model(parser)
    _add_ignore(parser)
    parser.add_argument("--format", choices=_commands.FINDING_FORMATS, default="text")


def _add_diagnose(parser: argparse.ArgumentParser) -> None:
    _add_model(parser)
    _add_data(parser)
    _add_ignore(parser)
    parser.add_argument("--loss", metavar="LOSS", help="instead of the one the model has")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    parser.add_argument(
        "-o", "--output", metavar="FILE", help=".json, .html, .txt, .png, .svg or .pdf"
    )


def _add_initialize(parser: argparse.ArgumentParser) -> None:
    _add_model(parser)
    _add_data(parser)
    parser.add_argument("--scheme", default="auto", metavar="SCHEME")
    parser.add_argument("-o", "--output", required=True, metavar="OUT.keras")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--only", action="append", default=[], metavar="PATTERN")
    parser.add_argument("--skip", action="append", default=[], metavar="PATTERN")
    parser.add_argument("--overwrite", action="store_true", help="trained and loaded weights too")
    parser.add_argument("--force", action="store_true", help="replace the file if it exists")


def _add_compare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("script", metavar="SCRIPT.py")
    parser.add_argument("--schemes", nargs="+", metavar="SCHEME")
    parser.add_argument("--seeds", type=int, metavar="COUNT")
    parser.add_argument("--epochs", type=int, metavar="COUNT")
    parser.add_argument("--batch-size", type=int, metavar="COUNT")
    parser.add_argument("--monitor", metavar="METRIC")
    parser.add_argument("--target", type=float, metavar="VALUE")
    parser.add_argument("--directory", metavar="DIR", help="keep runs and logs, and go on there")


def _completion(_: Any) -> int:
    choices = _commands_of(_parser())
    options = [
        f'        *:{name}:*) words="{" ".join(_words_of(parser))}" ;;'
        for name, parser in choices.items()
        if name not in ("show", "gain")
    ]
    schemes = [name for family in _names.families().values() for name in family]
    words: dict[str, Iterable[str]] = {
        "commands": choices,
        "schemes": schemes,
        "rules": _names.rules(),
        "activations": _names.activations(),
    }
    lists = {name: " ".join(listed) for name, listed in words.items()}
    text = _COMPLETION.format(options="\n".join(options), **lists)
    print(text, end="")
    return 0


def _commands_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return action.choices
    return {}


def _words_of(parser: argparse.ArgumentParser) -> list[str]:
    actions = parser._actions
    flags = [flag for action in actions for flag in action.option_strings if flag[:2] == "--"]
    return flags + [str(word) for action in actions for word in action.choices or ()]


if __name__ == "__main__":
    sys.exit(main())
