"""Reading tensors of a TensorFlow graph without being one more reader of them."""

from collections.abc import Callable
from typing import Any

__all__ = ["lifted"]

# Grappler sums and multiplies chains of these in another order where nobody else reads what lies
# between, and so rounds otherwise. They cost little to compute once more.
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

# Grappler makes one operation of each of these, its bias and its activation, where nobody else
# reads what lies between. What comes out of the last of them it leaves alone.
_PRODUCTS = {"MatMul", "Conv2D", "Conv3D", "DepthwiseConv2dNative"}
_FUSED_ACTIVATIONS = {"Relu", "Relu6", "Elu", "LeakyRelu", "Tanh", "Sigmoid"}

# A sum of several, which Grappler makes of these too, begins with whichever term is in memory that
# nobody else holds: a term that is also read comes in another place, and the sum rounds otherwise.
_SUMS = {"Add", "AddV2", "AddN"}

# The same memory under another name.
_VIEWS = {"Identity", "Reshape", "Squeeze", "ExpandDims", "StopGradient", "PreventGradient"}


def lifted(function: Callable) -> Callable:
    """A function that computes anew what it reads of the graph around it, if that is cheap.

    A tensor that is read is no longer one that only the next operation sees, and Grappler then
    leaves alone what it would have regrouped: the training would round otherwise than without us.
    So the operations that made the tensor are copied into the function, back to products,
    convolutions, sums over axes, variables and whatever else is dear or has a state; these alone
    are read. A product with its bias and activation is read behind the last of these, or Grappler
    would not fuse them, even in the steps that are not looked at. What a sum takes is not read but
    computed anew too, dear or not.

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
    """Whether an operation makes the same of the same inputs, by itself."""
    attributes = op.node_def.attr.values()
    functions = any(each.HasField("func") or each.list.func for each in attributes)
    return op.type != "Placeholder" and not op.op_def.is_stateful and not functions


def _may_be_read(tensor: Any) -> bool:
    """Whether one more reader changes neither what Grappler fuses nor the order of a sum."""
    readers = {op.type for op in _readers_of(tensor)}
    if readers & _SUMS:
        return False
    if tensor.op.type in _PRODUCTS:
        return "BiasAdd" not in readers
    return tensor.op.type != "BiasAdd" or not readers & _FUSED_ACTIVATIONS


def _readers_of(tensor: Any) -> list[Any]:
    """The operations that take a tensor, be it under another name."""
    readers = tensor.consumers()
    views = [op for op in readers if op.type in _VIEWS]
    return [*readers, *(each for view in views for each in _readers_of(view.outputs[0]))]


def _is_fused(op: Any) -> bool:
    """Whether the operation adds a bias to a product, or is the activation of such a sum."""
    if op.type in _FUSED_ACTIVATIONS:
        before = op.inputs[0].op
        return before.type == "BiasAdd" and _is_fused(before)
    if op.type != "BiasAdd":
        return False
    product = op.inputs[0].op
    # A convolution of one dimension is one of two, squeezed.
    product = product.inputs[0].op if product.type == "Squeeze" else product
    return product.type in _PRODUCTS


class _Lift:
    """`FuncGraph.capture` that copies cheap operations instead of capturing what they made.

    Args:
        graph: The graph of the function.
        around: The graph that it reads.
    """

    def __init__(self, graph: Any, around: Any):
        self._graph, self._around = graph, around
        self._capture = graph.capture
        # With the tensor itself, so that its id stays its own.
        self._copies: dict[int, tuple[Any, Any]] = {}

    def __call__(self, tensor: Any, *args: Any, **kwargs: Any) -> Any:
        if getattr(tensor, "graph", None) is not self._around:
            return self._capture(tensor, *args, **kwargs)
        if id(tensor) not in self._copies:
            for op in self._cheap_ops_behind(tensor):
                self._copy(op)
        return self._inside(tensor)

    def _cheap_ops_behind(self, tensor: Any) -> list[Any]:
        """The operations to copy, those first that others need."""
        found: dict[int, Any] = {}
        todo = [tensor.op]
        while todo:
            op = todo.pop()
            if _is_copyable(op) and id(op) not in found and not self._is_copied(op):
                found[id(op)] = op
                todo += [each.op for each in op.inputs]
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
            [self._inside(each) for each in op.inputs],
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
