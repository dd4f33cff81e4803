"""Names for the command line, read from the source without heavy imports."""

import ast
from pathlib import Path

from keras_initlab._docstrings import completed


def families() -> dict[str, dict[str, str]]:
    """Docstrings of the schemes by name, grouped by the title of their module."""
    found: dict[str, dict[str, str]] = {}
    paths = sorted((Path(__file__).parent / "initializers").glob("*.py"))
    modules = [ast.parse(path.read_text(encoding="utf-8")) for path in paths]
    classes = {
        node.name: node
        for module in modules
        for node in module.body
        if isinstance(node, ast.ClassDef)
    }
    for module in modules:
        schemes = {
            node.name: completed(ast.get_docstring(node) or "", _arguments_of(node, classes))
            for node in module.body
            if isinstance(node, ast.ClassDef) and _is_scheme(node)
        }
        if schemes:
            found[(ast.get_docstring(module) or "").splitlines()[0]] = schemes
    return found


def rules() -> list[str]:
    """Names of the rules of `lint`."""
    source = Path(__file__).parent / "model" / "linting" / "weight_rules.py"
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


def _arguments_of(node: ast.ClassDef, classes: dict[str, ast.ClassDef]) -> list[str]:
    """Names of the arguments of a class, which may inherit its `__init__`."""
    for method in node.body:
        if isinstance(method, ast.FunctionDef) and method.name == "__init__":
            signature = method.args
            return [argument.arg for argument in (*signature.args[1:], *signature.kwonlyargs)]
    names = [base.id for base in node.bases if isinstance(base, ast.Name)]
    bases = [classes[name] for name in names if name in classes]
    return next((found for base in bases if (found := _arguments_of(base, classes))), [])


def _is_scheme(node: ast.ClassDef) -> bool:
    return any(
        isinstance(decorator, ast.Name) and decorator.id == "scheme"
        for decorator in node.decorator_list
    )
