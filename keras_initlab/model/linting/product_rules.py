"""The rules on weights whose signals are multiplied by each other, not by the next weights."""

import math
from collections.abc import Iterator

from keras_initlab import _backend
from keras_initlab.anatomy.wiring import layers_in
from keras_initlab.model.linting.finding import Finding
from keras_initlab.model.linting.subject import Sample, Subject

__all__ = ["attention_logits", "small_product"]

# Variance of attention logits, for inputs of variance 1, from which on the softmax picks one key.
_PICKING = 100.0

# Root mean square of a table whose product with another one is nothing.
_NOTHING = 1e-3


def attention_logits(subject: Subject) -> Iterator[Finding]:
    """Queries and keys whose products are so large that the softmax is one-hot."""
    samples = {id(sample.site.layer): sample for sample in subject.samples}
    for layer in layers_in(subject.model):
        projections = _backend.compared_projections(layer)
        pair = [samples[id(inner)] for inner in projections if id(inner) in samples]
        sizes = [sample.second * fans.fan_in for sample in pair if (fans := sample.site.fans)]
        if len(sizes) != 2:
            continue
        variance = float(sizes[0] * sizes[1])
        if variance > _PICKING:
            evidence = (
                "the weights of query and key are large: for inputs of variance 1 the logits have "
                f"a standard deviation of {math.sqrt(variance):.2g}, so the softmax picks one key "
                "and saturates"
            )
            paths = tuple(sample.site.path for sample in pair)
            fix = 'Use kernel_initializer="glorot_uniform"'
            yield Finding("attention-logits", layer.name, paths, evidence, fix)


def small_product(subject: Subject) -> Iterator[Finding]:
    """Tables that are multiplied by each other and all so small that none has a gradient.

    Optimizers that divide a gradient by its size leave that saddle by themselves, but none leaves
    one where all are exactly zero.
    """
    optimizers = _backend.optimizers_of(subject.model)
    multiplied = [sample for sample in subject.samples if _is_multiplied(sample)]
    small = [sample for sample in multiplied if sample.second < _NOTHING**2]
    if len(small) < 2:
        return
    zero = len(small) == len(multiplied) and all(sample.second == 0 for sample in small)
    if not zero and (not optimizers or _backend.step_rule_of(subject.model).divides):
        return
    for sample in small:
        units = sample.site.variable.shape[-1]
        evidence = (
            "all rows of the table are zero, as are those that they are multiplied by: no gradient "
            "ever reaches either"
            if zero
            else f"the rows of the table are small, root mean square {math.sqrt(sample.second):.2g}"
            ", as are those that they are multiplied by: no gradient reaches either before the "
            f"other has grown, and {type(optimizers[0]).__name__} takes small steps there"
        )
        stddev = 0.5 * units**-0.25
        fix = f"Use embeddings_initializer=keras.initializers.RandomNormal(stddev={stddev:.2g})"
        path = (sample.site.path,)
        yield Finding("small-product", sample.site.layer.name, path, evidence, fix)


def _is_multiplied(sample: Sample) -> bool:
    graph, layer = sample.site.graph, sample.site.layer
    return sample.site.role == "table" and bool(graph.is_dotted(layer) or graph.is_gate(layer))
