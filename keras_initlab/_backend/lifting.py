"""Reading tensors of a TensorFlow graph without adding a reader to them."""

from collections.abc import Callable
from typing import Any

# Grappler reorders chains of these where nothing else reads the values in between. That changes the
# rounding. They are cheap to compute twice.
_CHEAP = {
    *("Add", "AddV2", "Sub", "Mul", "RealDiv", "Div", "DivNoNan", "MulNoNan", "Neg", "Pow"),
    *("BiasAdd", "Relu", "Relu6", "LeakyRelu", "Elu", "Selu", "Tanh", "Sigmoid", "Softplus", "Erf"),
    *("Square", "SquaredDifference", "Sqrt", "Rsqrt", "Reciprocal", "Inv", "Exp", "Log", "Abs"),
    *("Maximum", "Minimum", "Select", "SelectV2", "Cast", "Identity", "StopGradient", "Const"),
    *("PreventGradient", "Snapshot", "ZerosLike", "OnesLike", "Reshape", "ExpandDims", "Squeeze"),
    *("Greater", "GreaterEqual", "Less", "LessEqual", "Equal", "NotEqual", "LogicalAnd", "Sign"),
    *("LogicalNot", "LogicalOr", "ReluGrad", "LeakyReluGrad", "EluGrad", "SeluGrad", "TanhGrad"),
    *("SigmoidGrad", "RsqrtGrad", "SqrtGrad", "SoftplusGrad", "Relu6Grad", "Shape", "BroadcastTo"),
}

# Grappler fuses each of these with its bias and its activation where nothing else reads the values
# in between. The output of the last one may have other readers.
_PRODUCTS = {"MatMul", "Conv2D", "Conv3D", "DepthwiseConv2dNative"}
_FUSED_ACTIVATIONS = {"Relu", "Relu6", "Elu", "LeakyRelu", "Tanh", "Sigmoid"}

# Grappler merges these into a sum of several terms. It starts with a term whose memory nothing else
# holds, so another reader of a term changes the order, and with it the rounding.
_SUMS = {"Add", "AddV2", "AddN"}

# The same memory under another name.
_VIEWS = {"Identity", "Reshape", "Squeeze", "ExpandDims", "StopGradient", "PreventGradient"}


def lifted(function: Callable) -> Callable:
    """The function, with cheap operations of the surrounding graph copied into it.

    Grappler regroups operations only where a single operation reads their result. Another reader
    stops that, and training then rounds differently than without us. So the operations that made a
    tensor are copied into the function, back to those that are expensive or have a state (products,
    convolutions, sums over axes, variables). Only the results of these are read. A product with
    bias and activation is read after the last of the three; otherwise Grappler does not fuse them,
    even in steps without a snapshot. The terms of a sum are always copied.

    Args:
        function: Called without arguments while `tf.function` traces it.
    """
    import tensorflow as tf

    around = tf.compat.v1.get_default_graph()
    if tf.executing_eagerly() or hasattr(around, "_initlab_lifts"):
        return function

    def body() -> Any:
        graph = tf.compat.v1.get_default_graph()
        graph._initlab_lifts = True
        graph.capture = _Lift(graph, around)
        return function()

    return body


def _is_copyable(op: Any) -> bool:
    if op.type in _CHEAP and not _is_fused(op):
        return True
    return _has_no_state(op) and not all(map(_may_be_read, op.outputs))


def _has_no_state(op: Any) -> bool:
    """Whether equal inputs always give equal outputs."""
    attributes = op.node_def.attr.values()
    functions = any(value.HasField("func") or value.list.func for value in attributes)
    return op.type != "Placeholder" and not op.op_def.is_stateful and not functions


def _may_be_read(tensor: Any) -> bool:
    """Whether another reader leaves the fusions of Grappler and the order of its sums unchanged."""
    readers = {op.type for op in _readers_of(tensor)}
    if readers & _SUMS:
        return False
    if tensor.op.type in _PRODUCTS:
        return "BiasAdd" not in readers
    return tensor.op.type != "BiasAdd" or not readers & _FUSED_ACTIVATIONS


def _readers_of(tensor: Any) -> list[Any]:
    """The operations that read a tensor, also through views of it."""
    readers = tensor.consumers()
    views = [op for op in readers if op.type in _VIEWS]
    return [*readers, *(reader for view in views for reader in _readers_of(view.outputs[0]))]


def _is_fused(op: Any) -> bool:
    """Whether the operation adds a bias to a product, or is the activation of such a sum."""
    if op.type in _FUSED_ACTIVATIONS:
        before = op.inputs[0].op
        return before.type == "BiasAdd" and _is_fused(before)
    if op.type != "BiasAdd":
        return False
    product = op.inputs[0].op
    # A one-dimensional convolution is a squeezed two-dimensional one.
    product = product.inputs[0].op if product.type == "Squeeze" else product
    return product.type in _PRODUCTS


class _Lift:
    """A `FuncGraph.capture` that copies cheap operations instead of capturing their outputs.

    Args:
        graph: The graph of the function.
        around: The graph that it reads.
    """

    def __init__(self, graph: Any, around: Any):
        self._graph, self._around = graph, around
        self._capture = graph.capture
        # With the tensor itself, so that its id is not reused.
        self._copies: dict[int, tuple[Any, Any]] = {}

    def __call__(self, tensor: Any, *args: Any, **kwargs: Any) -> Any:
        if getattr(tensor, "graph", None) is not self._around:
            return self._capture(tensor, *args, **kwargs)
        if id(tensor) not in self._copies:
            for op in self._cheap_ops_behind(tensor):
                self._copy(op)
        return self._inside(tensor)

    def _cheap_ops_behind(self, tensor: Any) -> list[Any]:
        """The operations to copy, in the order in which they depend on one another."""
        found: dict[int, Any] = {}
        todo = [tensor.op]
        while todo:
            op = todo.pop()
            if _is_copyable(op) and id(op) not in found and not self._is_copied(op):
                found[id(op)] = op
                todo += [source.op for source in op.inputs]
        return sorted(found.values(), key=lambda op: op._id_value)

    def _is_copied(self, op: Any) -> bool:
        return all(id(output) in self._copies for output in op.outputs)

    def _inside(self, tensor: Any) -> Any:
        if id(tensor) not in self._copies:
            self._copies[id(tensor)] = tensor, self._capture(tensor)
        return self._copies[id(tensor)][1]

    def _copy(self, op: Any) -> None:
        attributes = {name: op.node_def.attr[name] for name in op.node_def.attr if name[0] != "_"}
        made = self._graph.create_op(
            op.type,
            [self._inside(source) for source in op.inputs],
            [output.dtype for output in op.outputs],
            attrs=attributes,
            op_def=op.op_def,
            name=op.name.rsplit("/", 1)[-1],
        )
        for output, copy in zip(op.outputs, made.outputs, strict=True):
            copy.set_shape(output.shape)
            mask = getattr(output, "_keras_mask", None)
            if mask is not None:
                copy._keras_mask = mask
            self._copies[id(output)] = output, copy
