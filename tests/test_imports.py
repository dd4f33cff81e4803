import ast
import subprocess
import sys
from pathlib import Path

import pytest

import keras_initlab

PACKAGE = Path(keras_initlab.__file__).parent
TESTS = Path(__file__).parent

# Which of our rooms each room may import (docs/decisions/0001), and what from outside.
OURS = {
    "theory": set(),
    "sampling": set(),
    "initializers": {"theory", "sampling", "_backend", "_docstrings", "_schemes", "_version"},
    "tables": {"theory", "sampling", "initializers", "anatomy", "_backend"},
    "anatomy": {"theory", "initializers", "_wire", "_backend"},
    "signal": {"theory", "anatomy", "_wire", "_words", "_backend"},
    "monitor": {"anatomy", "signal", "board", "_tags", "_wire", "_words", "_backend"},
    "model": {
        *("theory", "sampling", "initializers", "anatomy", "signal", "monitor", "tables"),
        *("_wire", "_words", "_backend"),
    },
    "board": {"_tags", "_wire"},
    "_tags": set(),
    "_wire": set(),
    "_backend": set(),
    "_version": set(),
    "_paths": set(),
    "_words": set(),
    "_registration": {"initializers"},
    "_missing": set(),
    "__main__": {
        *("_commands", "_completion", "_finding_formats", "_missing", "_version", "_words"),
    },
    "_completion": {"_names", "_schemes"},
    "_finding_formats": {"_words"},
    "_commands": {
        *("_finding_formats", "_names", "_paths", "_schemes", "_words"),
        *("board", "model", "tables", "theory"),
    },
    "_docstrings": set(),
    "_schemes": set(),
    "_names": {"_docstrings", "_schemes", "theory"},
    "__init__": {
        "_missing",
        "_registration",
        "_schemes",
        "_version",
        "initializers",
        "model",
        "monitor",
        "tables",
        "theory",
    },
}
OUTSIDE = {
    "theory": {"numpy"},
    "sampling": {"numpy"},
    "initializers": {"keras", "numpy"},
    "tables": {"keras", "numpy", "ml_dtypes", "rich"},
    "anatomy": {"keras", "numpy"},
    # The last two are the user's choice: imported inside functions, where they are asked for.
    "signal": {"keras", "numpy", "rich", "matplotlib", "pandas"},
    "model": {"keras", "numpy", "rich"},
    "_commands": {"keras", "numpy", "rich"},
    # The last two are the user's choice: imported where their sink is made.
    "monitor": {"keras", "numpy", "rich", "mlflow", "wandb"},
    "board": {"numpy", "werkzeug"},
    "_wire": {"numpy"},
    "_backend": {"keras", "numpy", "ml_dtypes", "tensorflow", "jax", "torch"},
}
INTERNALS = ("keras.src", "tensorflow", "jax", "torch")
MONITOR = "keras_initlab.monitor"


def imported_names(source):
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            ours = node.module == "keras_initlab"
            names += [f"{node.module}.{a.name}" for a in node.names] if ours else [node.module]
    return names


def room_of(path):
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def stray_imports(room, module, source):
    """Imports that the room may not make."""
    stray = []
    for name in imported_names(source):
        top, *rest = name.split(".")
        if top == "keras_initlab":
            target = rest[0] if rest else "__init__"
            allowed = target == room or target in OURS[room]
        elif top == "tensorboard":
            allowed = room == "board" or (room == "monitor" and module == "events")
        else:
            allowed = top in sys.stdlib_module_names or top in OUTSIDE.get(room, set())
            allowed = allowed and (room == "_backend" or not name.startswith(INTERNALS))
        if not allowed:
            stray.append(name)
    return stray


@pytest.mark.once
def test_every_import_follows_the_design():
    strays = {
        str(path.relative_to(PACKAGE)): stray
        for path in PACKAGE.rglob("*.py")
        if (stray := stray_imports(room_of(path), path.stem, path.read_text()))
    }

    assert strays == {}


def module_of(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def circles(imports):
    """Modules that import themselves by way of others.

    Args:
        imports: By module, those that it imports.
    """
    left = {module: set(others) & set(imports) for module, others in imports.items()}
    while free := {module for module, others in left.items() if not others}:
        left = {module: others - free for module, others in left.items() if module not in free}
    # What is left imports a circle or is one: take off what nothing of it imports.
    while ends := set(left) - {other for others in left.values() for other in others}:
        left = {module: others for module, others in left.items() if module not in ends}
    return sorted(left)


@pytest.mark.once
def test_no_files_import_each_other_in_a_circle():
    paths = [path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py"]

    assert circles({module_of(path): imported_names(path.read_text()) for path in paths}) == []


@pytest.mark.once
def test_circle_of_files_is_seen():
    imports = {"a": ["b"], "b": ["c", "d"], "c": ["b"], "d": [], "e": ["a"]}

    assert circles(imports) == ["b", "c"]


@pytest.mark.once
def test_model_takes_of_the_callback_what_runs_it_alone():
    sources = [path.read_text() for path in (PACKAGE / "model").rglob("*.py")]
    nodes = [node for source in sources for node in ast.walk(ast.parse(source))]
    taken = [
        alias.name
        for node in nodes
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(MONITOR)
        for alias in node.names
    ]

    assert 0 < len(taken) <= 7


@pytest.mark.once
def test_tab_loads_neither_keras_nor_tensorflow():
    script = """
import sys
from keras_initlab.board import plugin, routes, series, thinning, trials
loaded = {"keras", "tensorflow", "jax", "torch", "rich"} & set(sys.modules)
assert not loaded, loaded
"""
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.once
@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("theory", "import keras"),
        ("theory", "from keras_initlab.sampling import fill"),
        ("sampling", "def f():\n    import tensorflow as tf"),
        ("initializers", "from keras_initlab.monitor import Look"),
        ("initializers", "from keras_initlab import monitor"),
        ("monitor", "from keras.src.backend import config"),
        ("monitor", "from tensorboard.util import tensor_util"),
        ("_wire", "import rich"),
    ],
)
def test_stray_import_is_seen(room, source):
    assert stray_imports(room, "module", source)


@pytest.mark.once
def test_no_file_has_more_than_300_lines():
    ours = (
        path
        for folder in (PACKAGE, TESTS)
        for path in folder.rglob("*")
        if path.suffix in (".py", ".js", ".css")
    )

    assert not [path for path in ours if len(path.read_text().splitlines()) > 300]


def loaded_after(code):
    names = "keras", "tensorflow", "tensorboard", "keras_initlab.initializers"
    ran = subprocess.run(
        [sys.executable, "-c", f"{code}; import sys; print(*[n in sys.modules for n in {names}])"],
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(zip(names, [word == "True" for word in ran.stdout.split()], strict=True))


def test_import_is_light():
    loaded = loaded_after("import keras_initlab")

    assert not any(loaded.values())


@pytest.mark.once
@pytest.mark.parametrize(
    "code",
    [
        "import keras, keras_initlab",
        "import keras_initlab, keras",
        "import keras_initlab.theory, keras",
    ],
)
def test_schemes_register_when_both_packages_are_loaded_in_either_order(code):
    assert loaded_after(code)["keras_initlab.initializers"]


def test_package_loads_no_tensorflow_that_keras_has_not():
    alone = loaded_after("import keras; keras.ops.zeros(())")

    ours = loaded_after(
        "import keras, keras_initlab as kil; keras.ops.zeros(()); kil.HeNormal()((4, 4)); "
        "kil.ActivationVarianceLogger()"
    )

    assert ours["tensorflow"] == alone["tensorflow"]


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'HeAbnormal'"):
        _ = keras_initlab.HeAbnormal


def test_star_import_and_dir_give_the_public_names():
    assert {"HeNormal", "ActivationVarianceLogger", "list_schemes"} <= set(dir(keras_initlab))
    assert set(keras_initlab.__all__) <= set(dir(keras_initlab))
