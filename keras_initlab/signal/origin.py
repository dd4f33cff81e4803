"""Where numbers that are not finite began: the first step that had any."""

from collections.abc import Iterator
from dataclasses import dataclass

from keras_initlab._wire import Problem
from keras_initlab.signal.telling import Cause, told

__all__ = [
    "HUGE",
    "OUT_OF_RANGE",
    "THROUGH_TIME",
    "Counted",
    "Moved",
    "Origin",
    "no_slope",
    "outgrown",
    "problem_of_origin",
]


@dataclass(frozen=True)
class Counted:
    """NaN and infinite numbers in a tensor of the batch, or in a call of a layer.

    Args:
        name: What the tensor is, or the name of the layer.
        kind: The class of the layer, empty for the batch.
        entered: How many entered the layer without coming from another layer.
        wrong: How many the tensor, or the output, has.
        examples: How many examples have any.
        places: The first of these.
        length: Of the first axis.
        largest: The largest size among the finite numbers.
        recurs: Whether it is a layer that goes through time steps.
    """

    name: str
    kind: str
    entered: int
    wrong: int
    examples: int
    places: tuple[int, ...]
    length: int
    largest: float = 0.0
    recurs: bool = False


@dataclass(frozen=True)
class Moved:
    """NaN and infinite numbers in the gradient of a weight, and in its new value.

    Args:
        layer: The name of the layer whose weight it is, empty where that is not known.
        name: The name of the weight.
        gradient: How many the gradient has.
        value: How many the weight has after the update.
    """

    layer: str
    name: str
    gradient: int
    value: int

    @property
    def title(self) -> str:
        """The weight as a reader finds it."""
        return f"{self.layer}/{self.name}" if self.layer else self.name


@dataclass(frozen=True)
class Origin:
    """The first step whose loss or weights were not finite.

    Args:
        step: Updates before this step.
        loss: Whether the loss was not finite.
        data: Of the batch: inputs, labels and sample weights.
        calls: Of the layers' calls in order; empty where they could not be seen.
        weights: Of the weights, in the order of the optimizer.
        length: Examples in the batch, 0 where unknown.
        replica: Which replica had the step.
        grows_since: The step of the first snapshot that showed an exploding signal, if one did.
    """

    step: int
    loss: bool
    data: tuple[Counted, ...]
    calls: tuple[Counted, ...]
    weights: tuple[Moved, ...]
    length: int = 0
    replica: int = 0
    grows_since: int | None = None


def problem_of_origin(origin: Origin) -> Problem:
    """The problem of a bad step: its first cause, without what followed from it."""
    for finder in (_of_forward, _of_labels, _of_backward, _of_update, _of_loss):
        for what, layers, count, seen, cause in finder(origin):
            problem = Problem("nonfinite", what, layers, origin.step, float(count), 0.0, "")
            where = f" on replica {origin.replica}" if origin.replica else ""
            return told(problem, seen, cause, f"step {origin.step}{where}, ")
    raise AssertionError("the loss is the last cause")


_Told = tuple[str, tuple[str, ...], int, str, Cause]

THROUGH_TIME = Cause(
    "recurrent-explosion",
    "its state grows from time step to time step",
    "use orthogonal recurrent weights with a gain of 1, a tanh activation, or a normalized state",
    'recurrent_initializer="orthogonal", activation="tanh"',
)

# The square of a larger number leaves float32.
HUGE = 1e15

OUT_OF_RANGE = Cause(
    "nonfinite-op",
    "a logarithm or a root of 0 or less, a division by 0, or numbers too large for the dtype",
    "keep its inputs in range (keras.ops.maximum, keras.ops.clip)",
)


def no_slope(where: str) -> Cause:
    """The cause where a gradient is not finite behind numbers that are, with its place in words."""
    return Cause(
        "nonfinite-op",
        f"an operation {where} has no finite slope at its input (a root or a norm at 0, a power "
        "below 1, a branch of `where` that is not taken)",
        "add a small number inside the root or the norm, or clip the input",
    )


def _of_forward(origin: Origin) -> Iterator[_Told]:
    """The first call that was not given finite numbers, or did not give any."""
    wrong = [call for call in origin.calls if call.wrong] or [
        # TensorFlow's fused ReLU makes 0 of NaN, so what entered is all that shows it.
        call
        for call in origin.calls
        if call.entered
    ]
    if not wrong:
        return
    first = wrong[0]
    inputs = [tensor for tensor in origin.data if tensor.wrong and tensor.name.startswith("input")]
    if inputs and first.entered:
        tensor = inputs[0]
        yield (
            *("inputs", (first.name,), tensor.wrong),
            f"{first.name}: the batch has {_numbers(tensor.wrong)} in the {tensor.name}"
            f"{_rows_of(tensor, origin)}",
            Cause(
                "input-nonfinite",
                f"they are in the data, and {first.name} reads them",
                "drop these rows, or replace the numbers (numpy.nan_to_num, an imputed mean) "
                "before training",
            ),
        )
    elif first.entered:
        yield (
            *("activations", (first.name,), first.entered),
            f"{first.name}: {_numbers(first.entered)} enter it from an operation between the "
            f"layers{_rows_of(first, origin)}",
            OUT_OF_RANGE,
        )
    else:
        yield (
            *("activations", (first.name,), first.wrong),
            f"{first.name} ({first.kind}): its input is finite, but its output has "
            f"{_numbers(first.wrong)}{_rows_of(first, origin)}",
            THROUGH_TIME if first.recurs else _grown(origin, first) or OUT_OF_RANGE,
        )


def _grown(origin: Origin, until: Counted) -> Cause | None:
    """The cause where the signal has become too large for its numbers."""
    before = origin.calls[: origin.calls.index(until) + 1]
    largest = max(before, key=lambda call: call.largest)
    if largest.largest < HUGE:
        return None
    if not origin.step:
        return outgrown(largest.largest, largest.name)
    size, evidence = _size(largest.largest, largest.name), {"largest": largest.largest}
    if origin.grows_since is not None:
        reason = f"{size}, as already reported at step {origin.grows_since}"
        return Cause("depth-unstable", reason, "apply the fix reported then", evidence=evidence)
    fix = "lower the learning rate, or clip the gradient (clipnorm)"
    return Cause("rate-high", f"{size} in the steps before", fix, evidence=evidence)


def outgrown(largest: float, layer: str) -> Cause:
    """The cause where a signal, this large in a layer, was so before anything was learned."""
    return Cause(
        "depth-unstable",
        f"{_size(largest, layer)}, because the weights or the inputs are too large",
        "initialize for the activation, and scale the inputs",
        evidence={"largest": largest},
    )


def _size(largest: float, layer: str) -> str:
    return f"the signal has grown to {largest:.1g} in {layer}"


def _of_labels(origin: Origin) -> Iterator[_Told]:
    for tensor in origin.data:
        if tensor.wrong and not tensor.name.startswith("input"):
            yield (
                *("labels", _last(origin), tensor.wrong),
                f"the batch has {_numbers(tensor.wrong)} in the {tensor.name}"
                f"{_rows_of(tensor, origin)}",
                Cause(
                    "label-nonfinite",
                    "they are in the data, and the loss reads them",
                    "drop these rows, or replace the numbers and give the rows a sample weight of "
                    "0",
                ),
            )


def _of_backward(origin: Origin) -> Iterator[_Told]:
    """The last weight on the way forward whose gradient is wrong: the way back began there."""
    order = {call.name: place for place, call in enumerate(origin.calls)}
    wrong = [weight for weight in origin.weights if weight.gradient]
    if origin.loss or not wrong:
        return
    last = max(reversed(wrong), key=lambda weight: order.get(weight.layer, -1))
    layers, where = _behind(origin, last.layer, order)
    yield (
        *("gradients", layers, last.gradient),
        f"{last.title}: the loss is finite, but the gradient has {_numbers(last.gradient)}",
        no_slope(where),
    )


def _behind(origin: Origin, layer: str, order: dict[str, int]) -> tuple[tuple[str, ...], str]:
    """The layers between one whose gradient is wrong and the next weight whose gradient is not."""
    if layer not in order:
        return (layer,) if layer else (), "in the model"
    right = {weight.layer for weight in origin.weights if not weight.gradient}
    between = []
    for call in origin.calls[order[layer] + 1 :]:
        if call.name in right:
            break
        between.append(call)
    if not between:
        return (layer,), f"in {layer} or after it"
    return tuple(call.name for call in between), f"in {' or '.join(c.name for c in between[:3])}"


def _of_update(origin: Origin) -> Iterator[_Told]:
    wrong = [weight for weight in origin.weights if weight.value]
    if origin.loss or not wrong:
        return
    first = wrong[0]
    yield (
        *("weights", (first.layer,) if first.layer else (), first.value),
        f"{first.title}: loss and gradient are finite, but the update left {_numbers(first.value)} "
        "in it",
        Cause(
            "rate-high",
            "the step is too large, or a constraint divides by 0",
            "lower the learning rate, clip the gradient (clipnorm), or check the constraint",
        ),
    )


def _of_loss(origin: Origin) -> Iterator[_Told]:
    seen = (
        "the batch and all outputs of layers are finite"
        if origin.calls
        else "nothing more could be seen"
    )
    grown = _grown(origin, origin.calls[-1]) if origin.calls else None
    otherwise = Cause(
        "nonfinite-op",
        "an operation of the loss divides by 0 or takes the logarithm of 0",
        "use a loss of keras.losses with from_logits=True, or add a small number to the divisor",
    )
    yield "loss", _last(origin), 1, f"the loss is not finite; {seen}", grown or otherwise


def _last(origin: Origin) -> tuple[str, ...]:
    """The layer whose output the loss takes."""
    return (origin.calls[-1].name,) if origin.calls else ()


def _numbers(count: int) -> str:
    return f"{count} NaN or infinite number{'' if count == 1 else 's'}"


def _rows_of(tensor: Counted, origin: Origin) -> str:
    """Which examples are concerned, where the first axis counts examples."""
    if not tensor.places or origin.length not in (0, tensor.length):
        return ""
    named = ", ".join(str(place) for place in tensor.places)
    if tensor.examples > len(tensor.places):
        named += f" and {tensor.examples - len(tensor.places)} more"
    return f", in row{'' if tensor.examples == 1 else 's'} {named}"
