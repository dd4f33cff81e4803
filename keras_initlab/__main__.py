"""Command line: `keras-initlab`, or `python -m keras_initlab`."""

import argparse
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

from keras_initlab import _commands, _missing
from keras_initlab._completion import script_for
from keras_initlab._finding_formats import FINDING_FORMATS
from keras_initlab._version import __version__
from keras_initlab._words import printable

_EXAMPLES = """\
examples:
  keras-initlab list
  keras-initlab show HeNormal
  keras-initlab lint model.keras --ignore gain --format github
  keras-initlab diagnose model.keras --data batch.npz
  keras-initlab initialize model.keras --scheme auto -o fresh.keras
  keras-initlab carry old.keras new.keras -o out.keras
  keras-initlab compare script.py --schemes "as built" auto he_normal
"""


def main(words: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        words: The arguments, `None` for those of the process.

    Returns:
        0 if all is well, 1 if a model or a run has a problem, 2 if the command could not run.
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
    parser.add_argument("--version", action="version", version=f"keras-initlab {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, run: Callable, text: str, example: str) -> argparse.ArgumentParser:
        added = commands.add_parser(
            name,
            help=text,
            description=f"{text[0].upper()}{text[1:]}.",
            epilog=f"example:\n  keras-initlab {name} {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        added.add_argument(
            "--no-color", action="store_true", help="print without colours, as if NO_COLOR were set"
        )
        added.set_defaults(run=run)
        return added

    command("list", _commands.list_schemes, "list every scheme and what it does", "")
    show = command("show", _commands.show, "show the formula, arguments and source", "HeNormal")
    show.add_argument("scheme", metavar="SCHEME", help="HeNormal, kaiming_normal, ...")
    text = "print the gain: the factor on the standard deviation of the weights"
    gain = command("gain", _commands.gain, text, "gelu")
    gain.add_argument("activation", metavar="ACTIVATION", help="activation that follows: relu, ...")
    text = "find weights that cannot train; exit code 1 if there are any"
    _add_lint(command("lint", _commands.lint, text, "model.keras --format github"))
    text = "show the signal in every layer; exit code 1 if it is not healthy"
    _add_diagnose(command("diagnose", _commands.diagnose, text, "model.keras --data batch.npz"))
    text = "draw new weights, and save the model to another file"
    _add_initialize(command("initialize", _commands.initialize, text, "model.keras -o fresh.keras"))
    text = "carry a trained model over to another vocabulary, into another file"
    _add_carry(command("carry", _commands.carry, text, "old.keras new.keras -o out.keras"))
    text = "train the `build_model()` of a script under several schemes"
    _add_compare(command("compare", _commands.compare, text, "script.py --seeds 5"))
    text = "write the pictures of the Signal tab into one page that needs no server"
    _add_report(command("report", _commands.report, text, "logs -o signal.html"))
    text = "print a completion script for bash, or for zsh after `bashcompinit`"
    command("completion", _completion, text, "> ~/.keras_initlab_completion")
    return parser


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL.keras", help="a saved model, .keras or .h5")
    parser.add_argument(
        "--import",
        dest="modules",
        action="append",
        default=[],
        metavar="MODULE",
        help="import this first, for the layers that it registers; may be repeated",
    )
    parser.add_argument(
        "--unsafe", action="store_true", help="run code in the file, such as Lambda layers"
    )


def _add_data(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument(
        "--data",
        metavar="X.npz",
        help="a batch, a few hundred rows: one array, or one per input; `y` holds the labels "
        f"(default: {default})",
    )


def _add_ignore(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--ignore",
        action="append",
        default=[],
        metavar="RULE",
        help="skip a rule, such as `gain`; may be repeated",
    )


def _add_lint(parser: argparse.ArgumentParser) -> None:
    _add_model(parser)
    _add_ignore(parser)
    parser.add_argument(
        "--format",
        choices=FINDING_FORMATS,
        default="text",
        help="`github` shows findings beside the change (default: text)",
    )


def _add_diagnose(parser: argparse.ArgumentParser) -> None:
    _add_model(parser)
    _add_data(parser, "random inputs")
    _add_ignore(parser)
    parser.add_argument(
        "--loss", metavar="LOSS", help="loss for the gradients, such as mse (default: the model's)"
    )
    parser.add_argument(
        "--format", choices=("text", "json"), default="text", help="(default: text)"
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="write the report to a file: .json, .html, .txt, .png, .svg or .pdf",
    )


def _add_initialize(parser: argparse.ArgumentParser) -> None:
    _add_model(parser)
    _add_data(parser, "none, so weights are not corrected")
    parser.add_argument(
        "--scheme",
        default="auto",
        metavar="SCHEME",
        help="for all kernels, such as HeNormal (default: auto, the right one for each layer)",
    )
    parser.add_argument(
        "-o", "--output", required=True, metavar="OUT.keras", help="the file to write"
    )
    parser.add_argument(
        "--seed", type=int, metavar="INTEGER", help="for repeatable weights (default: fresh ones)"
    )
    for option, verb in (("--only", "draw only"), ("--skip", "keep")):
        parser.add_argument(
            option,
            action="append",
            default=[],
            metavar="PATTERN",
            help=f"{verb} the layers that match, such as `tower_*`; may be repeated",
        )
    parser.add_argument(
        "--overwrite", action="store_true", help="draw trained and loaded weights too"
    )
    parser.add_argument("--force", action="store_true", help="replace OUT.keras if it exists")


def _add_carry(parser: argparse.ArgumentParser) -> None:
    _add_model(parser)
    parser.add_argument("new", metavar="NEW.keras", help="the model with the new vocabulary")
    parser.add_argument(
        "-o", "--output", required=True, metavar="OUT.keras", help="the file to write"
    )
    parser.add_argument(
        "--vocabularies",
        metavar="V.json",
        help="by table: a lookup, or an old and a new one (default: those found in the graph)",
    )
    parser.add_argument(
        "--new-rows",
        default="initializer",
        metavar="RULE",
        help="for new tokens: initializer, oov, mean, zero or a scheme "
        "(default: initializer, the table's own)",
    )
    parser.add_argument("--no-optimizer", action="store_true", help="carry only the weights")
    parser.add_argument("--seed", type=int, metavar="INTEGER", help="(default: fresh rows)")
    parser.add_argument("--force", action="store_true", help="replace OUT.keras if it exists")


def _add_compare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "script",
        metavar="SCRIPT.py",
        help="defines `build_model()` and `data`; options override it",
    )
    parser.add_argument(
        "--schemes",
        nargs="+",
        metavar="SCHEME",
        help='(default: the script\'s, or "as built" auto)',
    )
    parser.add_argument(
        "--seeds", type=int, metavar="COUNT", help="runs of each scheme (default: 3)"
    )
    parser.add_argument(
        "--epochs", type=int, metavar="COUNT", help="passes over the data (default: 10)"
    )
    parser.add_argument(
        "--batch-size",
        type=int,
        metavar="ROWS",
        help="rows per step (default: that of `fit`, 32)",
    )
    parser.add_argument(
        "--monitor",
        metavar="METRIC",
        help="the metric to compare (default: the loss, on validation data if there are any)",
    )
    parser.add_argument(
        "--target",
        type=float,
        metavar="VALUE",
        help="count the steps until the metric reaches this (default: none)",
    )
    parser.add_argument(
        "--directory",
        metavar="DIR",
        help="keep runs and logs there, and resume from them (default: keep nothing)",
    )


def _add_report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("logdir", metavar="LOGDIR", help="as for `tensorboard --logdir`")
    name, text = "signal.html", "the file to write (default: signal.html)"
    parser.add_argument("-o", "--output", metavar="FILE.html", default=name, help=text)


def _completion(_: Any) -> int:
    print(script_for(_parser()), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
