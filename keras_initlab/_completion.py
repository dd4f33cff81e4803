"""The script that completes commands, options and names in a shell."""

import argparse
from collections.abc import Iterable

from keras_initlab import _names
from keras_initlab._schemes import ALIASES

__all__ = ["commands_of", "script_for"]

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


def script_for(parser: argparse.ArgumentParser) -> str:
    """The script for bash."""
    choices = commands_of(parser)
    options = [
        f'        *:{name}:*) words="{" ".join(_words_of(command))}" ;;'
        for name, command in choices.items()
        if name not in ("show", "gain")
    ]
    schemes = [name for family in _names.families().values() for name in family]
    words: dict[str, Iterable[str]] = {
        "commands": choices,
        "schemes": [*schemes, *ALIASES],
        "rules": _names.rules(),
        "activations": _names.activations(),
    }
    lists = {name: " ".join(listed) for name, listed in words.items()}
    return _COMPLETION.format(options="\n".join(options), **lists)


def commands_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The parser of each command, by its name."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return action.choices
    return {}


def _words_of(parser: argparse.ArgumentParser) -> list[str]:
    actions = parser._actions
    flags = [flag for action in actions for flag in action.option_strings if flag[:2] == "--"]
    return flags + [str(word) for action in actions for word in action.choices or ()]
