"""Parts of docstrings that schemes share, written once.

A scheme documents the arguments and the errors that are its own. `completed` adds the shared ones,
so that `help`, the command line and the API reference show all of them.
"""

import inspect
import re
from collections.abc import Iterable, Mapping, Sequence

_SECTIONS = ("Args", "Shape", "Raises", "Source", "Example")

_ARGUMENTS = {
    "distribution": """\
`"normal"`, or `"truncated_normal"` at two standard deviations
        with the variance corrected.""",
    "kind": """\
How the layer uses the kernel: `"dense"` (convolutions too), `"depthwise"`,
        `"transposed"`, `"lookup"`, or a `Kind` with strides, groups or gates.""",
    "seed": "Integer for repeatable weights, `None` for fresh ones at every call.",
    "input_axes": "Axes of the kernel that are summed over; `EinsumDense` fills them in.",
    "output_axes": "Axes of the kernel that remain in the output; `EinsumDense` fills them in.",
}

_ERRORS = {
    "TypeError": "If an argument has the wrong type.",
    "ValueError": "If a value is not allowed; on call, if the shape is not as above.",
}


def completed(docstring: str, arguments: Sequence[str]) -> str:
    """The docstring of a scheme with the entries of `Args` and `Raises` that it leaves out.

    Args:
        docstring: One without a section `Shape` has another form and is returned unchanged.
        arguments: Names of the scheme's arguments, in the order of its signature.

    Example:
        >>> print(completed("Some weights.\\n\\nShape:\\n    Any.", ["seed"]))
        Some weights.
        <BLANKLINE>
        Args:
            seed: Integer for repeatable weights, `None` for fresh ones at every call.
        <BLANKLINE>
        Shape:
            Any.
        <BLANKLINE>
        Raises:
            TypeError: If an argument has the wrong type.
            ValueError: If a value is not allowed; on call, if the shape is not as above.
    """
    heading = rf"^({'|'.join(_SECTIONS)}):\n"
    text, *parts = re.split(heading, inspect.cleandoc(docstring), flags=re.MULTILINE)
    sections = dict(zip(parts[::2], parts[1::2], strict=True))
    if "Shape" not in sections:
        return docstring
    raised = ["TypeError", "ValueError"] if arguments else ["ValueError"]
    sections["Args"] = _entries(sections.get("Args", ""), arguments, _ARGUMENTS) or "    None."
    sections["Raises"] = _entries(sections.get("Raises", ""), raised, _ERRORS)
    written = [f"{name}:\n{sections[name].rstrip()}" for name in _SECTIONS if name in sections]
    return "\n\n".join([text.rstrip(), *written])


def _entries(section: str, names: Iterable[str], shared: Mapping[str, str]) -> str:
    """Entries in the order of their names: those of the section, and shared ones for the rest."""
    _, *parts = re.split(r"^    (\w+): ", section, flags=re.MULTILINE)
    own = dict(zip(parts[::2], parts[1::2], strict=True))
    entries = {**shared, **own}
    ordered = [name for name in dict.fromkeys([*names, *own]) if name in entries]
    return "\n".join(f"    {name}: {entries[name].rstrip()}" for name in ordered)
