"""Names for the command line, read from the source without heavy imports."""

import ast
from pathlib import Path

from keras_initlab._docstrings import completed
from keras_initlab._schemes import ALIASES, FAMILIES, in_order


def families() -> dict[str, dict[str, str]]:
    """Docstrings of the schemes by name, grouped by the title of their family."""
    found: dict[str, dict[str, str]] = {}
    folder = Path(__file__).parent / "initializers"
    names = in_order(sorted(path.stem for path in folder.glob("*.py")))
    modules = {name: ast.parse((folder / f"{name}.py").read_text("utf-8")) for name in names}
    titles = {module: title for title, held in FAMILIES.items() for module in held}
    classes = {
        node.name: node
        for module in modules.values()
        for node in module.body
        if isinstance(node, ast.ClassDef)
    }
    for name, module in modules.items():
        schemes = {
            node.name: completed(ast.get_docstring(node) or "", _arguments_of(node, classes))
            for node in module.body
            if isinstance(node, ast.ClassDef) and _is_scheme(node)
        }
        if schemes:
            found.setdefault(titles.get(name, "Others"), {}).update(schemes)
    return found


def aliases_of(scheme: str) -> list[str]:
    """Other names of the same class."""
    return [alias for alias, name in ALIASES.items() if name == scheme]


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
