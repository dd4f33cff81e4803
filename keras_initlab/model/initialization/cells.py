"""The cells of a recurrent layer one after the other, each over all steps, outside of the loop."""

from collections.abc import Callable, Iterator
from typing import Any

import keras
from keras import ops

from keras_initlab import _backend

__all__ = ["cells_of", "each_cell", "sums_of_gates"]


def cells_of(cell: Any) -> Iterator[Any]:
    """A cell, or the cells of a `StackedRNNCells` in the order in which they are called.

    A subclass may call its cells in another way, so it stands for itself.
    """
    if type(cell) is keras.layers.StackedRNNCells:
        for inner in cell.cells:
            yield from cells_of(inner)
    else:
        yield cell


def each_cell(
    layer: Any,
    args: tuple,
    kwargs: dict[str, Any],
    wanted: Callable[[Any], bool],
    meet: Callable[[Any, Any, Any], None],
) -> None:
    """Call `meet(cell, inputs, mask)` for the cells that are wanted, in the order of their calls.

    A step is known by what came before it alone, so running one cell over all steps, and then the
    next over what the first gives, is what the layer does step by step. Each cell runs after it
    has been met, in training mode, from a state of zeros: with a state that is given, or kept, only
    the first cell is met.

    Args:
        layer: An `RNN`.
        args: What it is called with: sequences `(batch, steps, ...)` first.
        kwargs: The same by name: `sequences`, `initial_state`, `mask`.
        wanted: Whether a cell is to be met.
        meet: Gets a cell, its inputs and the mask, both in the order of the loop.
    """
    given = dict(zip(("sequences", "initial_state", "mask"), args, strict=False)) | kwargs
    sequences, mask = given["sequences"], given.get("mask")
    mask = _backend.mask_of(sequences) if mask is None else mask
    has_state = given.get("initial_state") is not None or layer.stateful
    cells = list(cells_of(layer.cell))[: 1 if has_state else None]
    last = max((place for place, cell in enumerate(cells) if wanted(cell)), default=-1)
    if last > 0 and layer.go_backwards:
        sequences = ops.flip(sequences, axis=1)
        mask = None if mask is None else ops.flip(mask, axis=1)
    for place, cell in enumerate(cells[: last + 1]):
        if wanted(cell):
            meet(cell, sequences, mask)
        if place < last:
            # With a name of its own, for Keras counts the layers that have none.
            alone = keras.layers.RNN(cell, return_sequences=True, name=f"{layer.name}_{place}")
            sequences = alone(sequences, mask=mask, training=True)


def sums_of_gates(cell: Any, sequences: Any) -> Any:
    """What the gates of a cell sum of its inputs, apart from the state.

    Args:
        cell: A cell with a `kernel`.
        sequences: `(batch, steps, features)`, or of images for the cell of a `ConvLSTM`.

    Returns:
        `(batch, steps, gates * units)`, or `(batch, steps, *image, gates * filters)`.
    """
    if len(cell.kernel.shape) == 2:
        return ops.matmul(sequences, cell.kernel)
    batch, steps, *image = ops.shape(sequences)
    sums = ops.conv(
        ops.reshape(sequences, (batch * steps, *image)),
        cell.kernel,
        strides=cell.strides,
        padding=cell.padding,
        data_format=cell.data_format,
        dilation_rate=cell.dilation_rate,
    )
    return ops.reshape(sums, (batch, steps, *ops.shape(sums)[1:]))
