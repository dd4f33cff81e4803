"""Small logs that claim to be large, or that are strange in another way."""

import json

from page import write_events
from signal_logs import layers_of
from tensorboard.compat.proto import summary_pb2, types_pb2
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.plugins.histogram import metadata as histogram
from tensorboard.plugins.hparams import api_pb2, plugin_data_pb2
from tensorboard.plugins.hparams import metadata as hparams
from tensorboard.plugins.scalar import metadata as scalar

from keras_initlab._wire import (
    FIRST_SUFFIX,
    LAYERS_SUFFIX,
    PROBLEMS_TAG,
    encode_metadata,
    tag_of,
)
from keras_initlab.monitor.events import _about

MOST_BYTES = 100_000


def tensor(shape, kind="float", **values):
    """A tensor that claims a shape, whatever it holds."""
    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=size) for size in shape])
    dtype = getattr(types_pb2, f"DT_{kind.upper()}")
    return TensorProto(dtype=dtype, tensor_shape=shape, **values)


def value(tag, content, about):
    return summary_pb2.Summary.Value(tag=tag, tensor=content, metadata=about)


def _histograms(count, shape, kind="float", **values):
    about = histogram.create_summary_metadata(display_name=None, description=None)
    small = tensor((1, 3), "double", double_val=[0.0, 1.0, 5.0])
    looks = [(step, value("w", small, about)) for step in range(1, count)]
    return [(0, value("w", tensor(shape, kind, **values), about)), *looks]


def _many_tensors(count):
    """Each tag has a step of its own."""
    about = histogram.create_summary_metadata(display_name=None, description=None)
    small = tensor((1, 3), "double", double_val=[0.0, 1.0, 5.0])
    return [(step, value(f"w{step}", small, about)) for step in range(count)]


def _series(layers, statistics, looks, kind="float", shape=None, **values):
    content = {
        "version": 2,
        "statistics": [""] * statistics,
        "layers": [{"name": "", "kind": "", "activation": "", "depth": 0} for _ in range(layers)],
    }
    tag, about = tag_of("activations"), _about(json.dumps(content).encode())
    claimed = tensor(shape or (layers, statistics), kind, **values)
    rest = [(step, value(tag, claimed, None)) for step in range(1, looks)]
    return [(0, value(tag, claimed, about)), *rest]


def _metadata(text):
    tag, about = tag_of("activations"), _about(text.encode())
    return [
        (0, value(tag, tensor((1, 1), float_val=[1.0]), about)),
        (0, value(tag + FIRST_SUFFIX, tensor((1, 1), float_val=[1.0]), about)),
    ]


def _problems(text):
    content = text.encode() if isinstance(text, str) else text
    tag, names = tag_of("activations"), encode_metadata("activations", layers_of(1))
    return [
        (0, value(tag, tensor((1, 14), float_val=[1.0] * 14), _about(names))),
        (0, value(PROBLEMS_TAG, tensor((), "string", string_val=[content]), _about(b""))),
    ]


def _problem(count=1, **entries):
    held = {"rule": "dead", "what": "", "layers": [], "step": 0, "value": 0, "threshold": 0}
    problems = [{**held, "text": "", "step": step, **entries} for step in range(count)]
    return json.dumps({"version": 2, "problems": problems})


def _strings(tag, shape, strings):
    names = encode_metadata("activations", layers_of(1))
    looks = value(tag_of("activations"), tensor((1, 14), float_val=[1.0] * 14), _about(names))
    claimed = tensor(shape, "string", string_val=strings)
    return [(0, looks), *((step, value(tag, claimed, _about(b""))) for step in range(50))]


def _scalars(shape, kind="float", **values):
    about = scalar.create_summary_metadata(display_name=None, description=None)
    return [
        *_histograms(2, (1, 3), double_val=[1.0] * 3, kind="double"),
        (0, value("loss", tensor(shape, kind, **values), about)),
    ]


def _metrics(count):
    infos = [api_pb2.MetricInfo(name=api_pb2.MetricName(tag=f"m{k}")) for k in range(count)]
    data = plugin_data_pb2.HParamsPluginData(experiment=api_pb2.Experiment(metric_infos=infos))
    about = hparams.create_summary_metadata(data)
    return [
        *_histograms(2, (1, 3), double_val=[1.0] * 3, kind="double"),
        (0, value(hparams.EXPERIMENT_TAG, hparams.NULL_TENSOR, about)),
    ]


_NESTED = "[" * 490 + "]" * 490
_LAYERS = '{"version": 2, "statistics": ["variance"], "layers": %s}'
_EDGES = '{"version": 2, "statistics": ["variance"], "layers": [], "edges": [%s]}'
_DEEP = '{"name": "", "kind": "", "activation": "", "depth": 1000000, "units": 1000000}'
_COLUMNS = {"version": 2, "layers": [], "statistics": [""] * 10_000}
_ACTIVATIONS = tag_of("activations")

# By name, what makes the values of a log.
HOSTILE = {
    "bins": lambda: _histograms(100, (3_000_000, 3), float_val=[1.0]),
    "half_bins": lambda: _histograms(100, (30_000_000, 3), "half", half_val=[1]),
    "true_bins": lambda: _histograms(1_000, (1_000, 3), "half", half_val=[1] * 3_000),
    "too_many_bins": lambda: _histograms(900, (4_000, 3), "half", half_val=[1] * 12_000),
    "many_tensors": lambda: _many_tensors(1_000),
    "looks": lambda: _series(300, 300, 1_000, float_val=[1.0]),
    "complex_looks": lambda: _series(300, 300, 900, "complex128", dcomplex_val=[1.0, 1.0]),
    "wide_look": lambda: _series(1, 20_000, 20, float_val=[1.0]),
    "true_look": lambda: _series(900, 8, 1, float_val=[1.0] * 7_200),
    "overflow": lambda: _series(1, 1, 9, shape=(2**32, 2**32), float_val=[1.0]),
    "negative": lambda: _series(1, 1, 9, shape=(-(2**40), -1), float_val=[1.0]),
    "million_layers": lambda: _metadata(_LAYERS % 1_000_000),
    "edges": lambda: _metadata(_EDGES % ",".join(["[0,1]"] * 7_000)),
    "nested_edges": lambda: _metadata(_EDGES % _NESTED),
    "deep_layers": lambda: _metadata(_LAYERS % f"[{', '.join([_DEEP] * 500)}]"),
    "nested_layers": lambda: _metadata(_LAYERS % _NESTED),
    "empty_lists": lambda: _metadata(_LAYERS % f"[{','.join(['[]'] * 15_000)}]"),
    "columns": lambda: _metadata(json.dumps(_COLUMNS)),
    "nested_problems": lambda: _problems(f'{{"version": 2, "problems": {_NESTED}}}'),
    "deeper_problems": lambda: _problems("[" * 90_000),
    "nested_names": lambda: _problems(_problem(layers=["x"]).replace('"x"', _NESTED)),
    "long_problem": lambda: _problems(_problem(text="x" * 90_000, layers=["y"])),
    "many_problems": lambda: _problems(_problem(900)),
    "large_number": lambda: _problems(_problem(value="x").replace('"x"', "9" * 4_000)),
    "strings": lambda: _strings(PROBLEMS_TAG, (50_000_000,), [b"{}"]),
    "string_looks": lambda: _strings(_ACTIVATIONS, (50_000_000, 2), [b"x"]),
    "string_names": lambda: _strings(_ACTIVATIONS + LAYERS_SUFFIX, (9_000, 9_000), [b"x" * 999]),
    "empty_strings": lambda: _strings(PROBLEMS_TAG, (900,), [b""] * 900),
    "scalar": lambda: _scalars((300_000_000,), float_val=[1.0]),
    "text_scalar": lambda: _scalars((30_000_000,), "string", string_val=[b"x"]),
    "metrics": lambda: _metrics(8_000),
}


def write_log(folder, name):
    """One hostile run, in a folder of its name."""
    write_events(folder / name / "run", *HOSTILE[name]())
    (path,) = (folder / name / "run").iterdir()
    assert path.stat().st_size <= MOST_BYTES, (name, path.stat().st_size)
