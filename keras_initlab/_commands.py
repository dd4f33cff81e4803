"""The commands of the command line: each calls a room and prints."""

import argparse
import importlib
import importlib.util
import json
import os
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from keras_initlab import _names, _paths, _schemes
from keras_initlab._finding_formats import FINDING_FORMATS
from keras_initlab._words import printable

Words = argparse.Namespace

# --- schemes -----------------------------------------------------------------------------------


def list_schemes(words: Words) -> int:
    """Print the name of every scheme and what it does, family by family."""
    for family, schemes in _names.families().items():
        print(family)
        width = max(map(len, schemes))
        for name, docstring in schemes.items():
            print(f"  {name:{width}}  {docstring.splitlines()[0]}")
    return 0


def show(words: Words) -> int:
    """Print the docstring of a scheme."""
    schemes = {name: text for family in _names.families().values() for name, text in family.items()}
    name = _schemes.spelled(words.scheme, schemes)
    if name is None:
        advice = _schemes.did_you_mean(words.scheme, schemes) or " Try `keras-initlab list`."
        raise ValueError(f"There is no scheme {words.scheme!r}.{advice}")
    aliases = _names.aliases_of(name)
    also = f" (also {', '.join(aliases)})" if aliases else ""
    print(f"keras_initlab.{name}{also}\n\n{schemes[name]}")
    return 0


def gain(words: Words) -> int:
    """Print the gain of an activation."""
    from keras_initlab.theory import gain_of

    print(f"{gain_of(words.activation):.6g}")
    return 0


def report(words: Words) -> int:
    """Write the pictures of the runs in a log directory into one page."""
    from keras_initlab.board.reading import runs_in
    from keras_initlab.board.saved import page_of

    runs = runs_in(words.logdir)
    with open(words.output, "w", encoding="utf-8") as file:
        file.write(page_of(runs, f"Signal: {printable(os.path.basename(words.logdir))}"))
    print(f"{printable(words.output)}: {len(runs)} runs")
    return 0


# --- models ------------------------------------------------------------------------------------


@_paths.elsewhere()
def lint(words: Words) -> int:
    """Print the problems in the weights of a model."""
    model = _loaded(words, with_optimizer=False)
    from keras_initlab.model import lint as find

    findings = find(model, ignore=words.ignore)
    text = FINDING_FORMATS[words.format](words.model, findings)
    if words.format == "text" and not findings:
        count = len({weight.path.rpartition("/")[0] for weight in model.weights})
        text = f"no findings in {count} layer{'' if count == 1 else 's'} with weights"
    if text:
        print(text)
    return 1 if findings else 0


@_paths.elsewhere()
def diagnose(words: Words) -> int:
    """Print the signal in every layer of a model."""
    model, data = _loaded(words, with_optimizer=True), _data_of(words.data)
    _build(model, data)
    from keras_initlab.model import diagnose as look

    report = look(model, data, loss=words.loss, ignore=words.ignore)
    if words.output:
        report.save(words.output)
    elif words.format == "json":
        print(json.dumps(report.to_dict(), indent=1))
    else:
        _print(report, words.no_color)
    return 0 if report.healthy else 1


@_paths.elsewhere()
def initialize(words: Words) -> int:
    """Draw the weights of a model anew, into another file."""
    if os.path.exists(words.output) and not words.force:
        raise FileExistsError(f"{words.output!r} exists. Try another name, or --force.")
    model, data = _loaded(words, with_optimizer=True), _data_of(words.data)
    _build(model, data)
    from keras_initlab.model import initialize as draw

    report = draw(
        model,
        words.scheme,
        data=data,
        seed=words.seed,
        only=words.only or None,
        skip=words.skip or None,
        overwrite=words.overwrite,
    )
    model.save(words.output)
    _print(report, words.no_color)
    return 0


@_paths.elsewhere()
def carry(words: Words) -> int:
    """Carry a trained model over to another vocabulary, into another file."""
    if os.path.exists(words.output) and not words.force:
        raise FileExistsError(f"{words.output!r} exists. Try another name, or --force.")
    old = _loaded(words, with_optimizer=not words.no_optimizer)
    words.model = words.new
    new = _loaded(words, with_optimizer=True)
    from keras_initlab.tables import carry_over
    from keras_initlab.tables.carrying.written import vocabularies_in

    carried = carry_over(
        old,
        new,
        vocabularies=vocabularies_in(words.vocabularies) if words.vocabularies else None,
        new_rows=words.new_rows,
        optimizer=not words.no_optimizer,
        seed=words.seed,
    )
    new.save(words.output)
    _print(carried)
    return 0


def compare(words: Words) -> int:
    """Train the model of a script under several schemes."""
    script = _imported(words.script)
    missing = [name for name in ("build_model", "data") if not hasattr(script, name)]
    if missing:
        raise ValueError(
            f"{words.script!r} must define `build_model()` and `data`. Received: a script without "
            f"{' and '.join(missing)}."
        )
    from keras_initlab.model import compare as train

    options = {}
    for name in ("validation_data", "seeds", "epochs", "batch_size", "monitor", "target"):
        given = getattr(words, name, None)
        options[name] = getattr(script, name, None) if given is None else given
    schemes = words.schemes or getattr(script, "schemes", ["as built", "auto"])
    comparison = train(
        script.build_model,
        schemes,
        script.data,
        **{name: value for name, value in options.items() if value is not None},
        directory=words.directory,
        verbose=int(sys.stderr.isatty()),
    )
    _print(comparison, words.no_color)
    return 1 if any(row.failed for row in comparison.summary()) else 0


def _print(report: Any, plain: bool = False) -> None:
    from rich.console import Console

    # A pipe has no width, and a table must not be cut at 80 columns there.
    width = None if sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdigit() else 150
    Console(width=width, color_system=None if plain else "auto").print(report)


def _build(model: Any, data: Any) -> None:
    """Build a model that was saved without its weights' shapes, by one row of its data."""
    if data is None or model.built:
        return
    import keras

    inputs = data[0] if isinstance(data, tuple) else data
    model(keras.tree.map_structure(lambda array: array[:1], inputs), training=False)


def _data_of(path: str | None) -> Any:
    """Arrays of an `.npz` file: a single one, or one by input name; `y` are labels."""
    if path is None:
        return None
    import numpy as np

    try:
        with open(path, "rb") as file:
            held = np.load(file, allow_pickle=False)
            arrays = {"x": held} if isinstance(held, np.ndarray) else dict(held)
    # A broken file makes NumPy raise errors of any class.
    except Exception as error:
        raise ValueError(f"{path!r} cannot be read as an .npz file of arrays: {error}") from error
    labels = arrays.pop("y", None)
    if not arrays:
        raise ValueError(f"{path!r} must hold the inputs. Received: an .npz file with `y` alone.")
    inputs = next(iter(arrays.values())) if len(arrays) == 1 else arrays
    return inputs if labels is None else (inputs, labels)


def _imported(path: str) -> Any:
    """A script as a module under its own name, so that other processes can import it."""
    if not os.path.isfile(path):
        raise FileNotFoundError(f"There is no script {path!r}.")
    _start_keras()
    name = Path(path).stem
    sys.path.insert(0, str(Path(path).resolve().parent))
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{path!r} is not a Python script. Try a name that ends with .py.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if frame.filename == path]
        place = getattr(error, "lineno", None) or (lines or [None])[-1]
        where = f", line {place}" if place else ""
        raise ValueError(f"{path!r}{where} fails: {type(error).__name__}: {error}") from error
    return module


def _loaded(words: Words, *, with_optimizer: bool) -> Any:
    """A saved model.

    Raises:
        ValueError: If the file cannot be read as a model.
        OSError: If there is no such file.
    """
    path = words.model
    if not os.path.isfile(path):
        raise FileNotFoundError(f"There is no model file {path!r}.")
    _start_keras()
    import keras

    for name in words.modules:
        with _paths.here():
            importlib.import_module(name)
    try:
        with warnings.catch_warnings():
            # The optimizer of a model that was never trained has nothing to load.
            warnings.filterwarnings("ignore", "Skipping variable loading for optimizer")
            return keras.saving.load_model(path, compile=with_optimizer, safe_mode=not words.unsafe)
    # A broken file makes Keras raise errors of any class.
    except Exception as error:
        refused = "enable_unsafe_deserialization" in str(error)
        advice = " Try --unsafe, if you trust the file." if refused else ""
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        if first.startswith("File not found"):
            # Keras says so too of a file that exists and is no archive.
            first = "it is truncated, or not a model file"
        raise ValueError(f"{path!r} cannot be loaded as a Keras model: {first}{advice}") from error


def _start_keras() -> None:
    with _silent_start():
        import keras

        keras.ops.zeros(())


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
