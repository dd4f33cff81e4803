"""What the catalogue's page shows of a scheme, read from the scheme itself."""

import ast
import inspect
import json
import re
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import keras
import numpy as np

from keras_initlab.initializers.base import RandomScheme
from keras_initlab.initializers.catalogue import CATALOGUE
from keras_initlab.theory import activation_of

WIDTH, LAYERS, SEEDS, ROWS = 256, 30, 5, 16
ACTIVATIONS = ("relu", "tanh", "gelu")
# Kernels of one matrix, or with a window.
SQUARES = ((WIDTH, WIDTH), (3, WIDTH, WIDTH))
FEW, ENLARGED, MANY = 64, 8, 500


@dataclass(frozen=True)
class Example:
    """A scheme with the arguments and the shape of its docstring's example."""

    cls: type
    arguments: dict[str, Any] = field(default_factory=dict)
    shape: tuple[int, ...] = (512, 256)

    def __str__(self) -> str:
        shown = [f"{name}={json.dumps(value)}" for name, value in self.arguments.items()]
        return f"{self.cls.__name__}({', '.join(shown)})({self.shape})"

    @property
    def scheme(self) -> Any:
        """The scheme, not called yet."""
        return self.cls(**self.arguments)

    def __hash__(self) -> int:
        return hash(str(self))

    @property
    def law(self) -> tuple[str, float, float] | None:
        """Draw, center and spread of independent values; `None` where they hang together."""
        scheme = self.scheme
        return scheme.law_for(self.shape) if isinstance(scheme, RandomScheme) else None

    def but(self, **changes: Any) -> "Example":
        """The same with those arguments changed that the scheme takes."""
        taken = {name: value for name, value in changes.items() if name in parameters(self.cls)}
        return replace(self, arguments={**self.arguments, **taken})


def parameters(cls: type) -> dict[str, inspect.Parameter]:
    """Arguments of a scheme by name."""
    return dict(list(inspect.signature(cls.__init__).parameters.items())[1:])


def numpy_of(tensor: Any) -> np.ndarray:
    """Values of a tensor in float64."""
    return keras.ops.convert_to_numpy(tensor).astype("float64")


@lru_cache(maxsize=SEEDS * LAYERS)
def values_of(example: Example) -> np.ndarray:
    """The example's weights, in float64; kept, for each activation meets the same networks."""
    return numpy_of(example.scheme(example.shape))


def calls_of(cls: type) -> list[ast.Call]:
    """All calls in the docstring's example, in order."""
    code = re.findall(r"^>>> (.*)$", inspect.getdoc(cls).replace("    >>>", ">>>"), re.MULTILINE)
    nodes = [node for line in code for node in ast.walk(ast.parse(line))]
    return [node for node in nodes if isinstance(node, ast.Call)]


def example_of(cls: type) -> Example | None:
    """The example in the docstring, its matrix larger where it is tiny and the scheme allows it.

    `None` where the docstring does not tell the arguments that the scheme needs.
    """
    told = told_example(cls)
    sides = told.shape[-2:]
    tiny = len(sides) == 2 and np.prod(told.shape) < FEW
    larger = replace(told, shape=told.shape[:-2] + tuple(ENLARGED * side for side in sides))
    for example in (larger, told) if tiny else (told,):
        try:
            values_of(example)
        except (TypeError, ValueError):
            continue
        return example
    return None


def told_example(cls: type) -> Example:
    """The example in the docstring, with a seed, and enough values where they are independent."""
    found = Example(cls)
    for call in calls_of(cls):
        if isinstance(call.func, ast.Name) and call.func.id == cls.__name__:
            given = [(word.arg, word.value) for word in call.keywords]
            given = [*zip(parameters(cls), call.args, strict=False), *given]
            found = replace(
                found, arguments={name: ast.literal_eval(value) for name, value in given}
            )
        if isinstance(call.func, ast.Call):
            found = replace(found, shape=ast.literal_eval(call.args[0]))
    if "seed" not in found.arguments:
        found = found.but(seed=0)
    needed = parameters(cls).get("activation")
    if needed and needed.default is needed.empty:
        found = found.but(activation=ACTIVATIONS[-1])
    if issubclass(cls, RandomScheme) and np.prod(found.shape) < MANY:
        found = replace(found, shape=(8 * MANY,))
    return found


def shape_text(cls: type) -> str:
    """The first sentence of the docstring's section on the shape."""
    text = inspect.getdoc(cls).partition("\nShape:\n")[2].partition("\n\n")[0]
    return re.split(r"(?<=\.) (?=[A-Z`])", " ".join(text.split()))[0]


def is_square_kernel(cls: type) -> bool:
    """Whether weights of this scheme can lead from a width to the same width."""
    text = shape_text(cls)
    return text == "Any." or bool(re.search(r"outputs\)|\(units, units\)", text))


def bias_for(cls: type) -> type | None:
    """The scheme of biases that the docstring's first paragraphs ask for."""
    named = re.findall(r"`(\w+Bias)`", inspect.getdoc(cls).partition("\nArgs:")[0])
    return next((CATALOGUE[name] for name in named if name in CATALOGUE), None)


def passed(signal: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Preactivations of rows, which are the places of a ring where the kernel has a window."""
    if kernel.ndim == 2:
        return signal @ kernel
    center = (len(kernel) - 1) // 2
    shifted = (np.roll(signal, center - place, axis=0) for place in range(len(kernel)))
    return sum(rows @ matrix for rows, matrix in zip(shifted, kernel, strict=True))


def squares_of(example: Example, activation: str, seed: int) -> list[float]:
    """Mean square of the preactivations in each layer of one network."""
    frequency = getattr(example.scheme, "omega", 1.0)
    phi = (lambda x: np.sin(frequency * x)) if activation == "sin" else activation_of(activation)
    bias = bias_for(example.cls)
    signal, squares = np.random.default_rng(seed).normal(size=(ROWS, WIDTH)), []
    for layer in range(LAYERS):
        number = 1000 * seed + layer
        position = "hidden" if layer else "first"
        before = passed(signal, values_of(example.but(seed=number, position=position)))
        if bias:
            scheme = bias(activation=activation, seed=number + 500)
            before = before + numpy_of(scheme((WIDTH,)))
        squares.append(float(np.mean(before**2)))
        signal = phi(before)
    return squares


def profiles_of(cls: type) -> dict[str, list[float]]:
    """Depth profiles by activation: the median network of five.

    A scheme that takes an activation is told it, and left out where it refuses it.
    """
    found = {}
    sines = ("sin",) if "omega" in parameters(cls) else ()
    told = example_of(cls)
    for activation in (*ACTIVATIONS, *sines) if told and is_square_kernel(cls) else ():
        for shape in SQUARES:
            example = replace(told.but(activation=activation), shape=shape)
            try:
                runs = [squares_of(example, activation, seed) for seed in range(SEEDS)]
            except ValueError:
                continue
            found[activation] = np.median(runs, axis=0).tolist()
            break
    return found
