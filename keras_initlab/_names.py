"""Names that the command line lists, read from the source: nothing heavy is imported."""

import ast
from pathlib import Path

__all__ = ["activations", "families", "rules"]


def families() -> dict[str, dict[str, str]]:
    """Docstrings of the schemes by name, by what their module says it holds."""
    found: dict[str, dict[str, str]] = {}
    for path in sorted((Path(__file__).parent / "initializers").glob("*.py")):
        module = ast.parse(path.read_text(encoding="utf-8"))
        schemes = {
            node.name: ast.get_docstring(node) or ""
            for node in module.body
            if isinstance(node, ast.ClassDef) and _is_scheme(node)
        }
        if schemes:
            found[(ast.get_docstring(module) or "").splitlines()[0]] = schemes
    return found


def rules() -> list[str]:
    """Names of the rules of `lint`."""
    source = Path(__file__).parent / "model" / "linting" / "rules.py"
    for node in ast.parse(source.read_text(encoding="utf-8")).body:
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.value, ast.Dict):
            continue
        if isinstance(node.target, ast.Name) and node.target.id == "RULES":
            return [str(key.value) for key in node.value.keys if isinstance(key, ast.Constant)]
    return []


def activations() -> list[str]:
    """Names of the activations that have a gain."""
    from keras_initlab.theory import ACTIVATIONS

    return list(ACTIVATIONS)


def _is_scheme(node: ast.ClassDef) -> bool:
    return any(
        isinstance(decorator, ast.Name) and decorator.id == "scheme"
        for decorator in node.decorator_list
    )
