"""Runs the cells of a recurrent layer over all steps, one after another, outside of the loop."""

from collections.abc import Callable, Iterator
from typing import Any

import keras
from keras import ops

from keras_initlab import _backend

__all__ = ["cells_of", "meet_cells", "sums_of_gates"]


def cells_of(cell: Any) -> Iterator[Any]:
    """A cell, or the cells of a `StackedRNNCells` in the order in which they are called.

    A subclass of it may call its cells in another way, so it counts as one cell.
    """
    if type(cell) is keras.layers.StackedRNNCells:
        for inner in cell.cells:
            yield from cells_of(inner)
    else:
        yield cell


def meet_cells(
    layer: Any,
    args: tuple,
    kwargs: dict[str, Any],
    wanted: Callable[[Any], bool],
    meet: Callable[[Any, Any, Any], None],
) -> None:
    """Call `meet(cell, inputs, mask)` for the wanted cells, in the order of their calls.

    A step depends on earlier steps alone. So one cell may run over all steps, and then the next
    cell over its outputs: the result is that of the layer, which runs all cells step by step. Every
    cell runs after its `meet`, in training mode, from a state of zeros. With a state that is given
    or kept, only the first cell is met.

    Args:
        layer: An `RNN`.
        args: Its arguments: sequences `(batch, steps, ...)` first.
        kwargs: The same by name: `sequences`, `initial_state`, `mask`.
        wanted: Whether to meet a cell.
        meet: Takes a cell, its inputs and the mask, both in the order of the loop.
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
            # Named, because Keras counts the layers without a name.
            alone = keras.layers.RNN(cell, return_sequences=True, name=f"{layer.name}_{place}")
            sequences = alone(sequences, mask=mask, training=True)


def sums_of_gates(cell: Any, sequences: Any) -> Any:
    """The sums over the inputs in the gates of a cell, without the state.

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
