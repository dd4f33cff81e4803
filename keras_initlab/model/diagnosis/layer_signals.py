"""Rows of a report, from the sections of a look."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_initlab._wire import LayerInfo, Problem
from keras_initlab.anatomy.selection import Selection, is_loop
from keras_initlab.anatomy.sites import Site
from keras_initlab.anatomy.wiring import layers_in
from keras_initlab.model.diagnosis.passes import Measured
from keras_initlab.model.diagnosis.signal_report import LayerSignal
from keras_initlab.model.linting.finding import Finding
from keras_initlab.signal.looks import Look, numbers_by_layer
from keras_initlab.signal.prediction import Start

__all__ = ["layer_signals"]

_OF_OUTPUT = (
    *("mean", "variance", "predicted_mean", "predicted_variance", "zero_fraction"),
    *("dead_fraction", "saturated_fraction", "nonfinite_count", "effective_rank", "similarity"),
)


def layer_signals(
    look: Look,
    measured: Measured,
    selection: Selection,
    sites: Sequence[Site],
    complaints: Sequence[Problem | Finding],
    starts: dict[str, Start],
) -> tuple[LayerSignal, ...]:
    """One row for each call, in call order.

    Args:
        look: The look.
        measured: What enters the activations, and the gradients of the outputs.
        selection: The layers.
        sites: Their weights.
        complaints: The problems and the findings.
        starts: The weights before training, also those that are not trained.
    """
    numbers = numbers_by_layer(look)
    layer_of = {name: layer for layer, name in selection.names.items()}
    rows = []
    for place, info in enumerate(look.layers):
        name = info.name.split("#")[0] if info.name not in layer_of else info.name
        site = _main_site(layer_of[name], sites)
        known = {**numbers.get(name, {}), **numbers[info.name]}
        before, backward = measured.before[place], measured.backward[place]
        rules, verdict = _rules_and_verdict(info, site, complaints)
        rows.append(
            LayerSignal(
                **_description(info, site),
                weight_variance=_weight_variance(known, starts.get(name)),
                before_mean=float(before[1]),
                before_variance=_variance(before),
                gradient_variance=_variance(backward),
                weight_gradient_variance=float(known.get("gradient_variance", np.nan)),
                **_output_statistics(known),
                rules=rules,
                verdict=verdict,
            )
        )
    return tuple(rows)


def _description(info: LayerInfo, site: Site | None) -> dict[str, Any]:
    fans = None if site is None else site.fans
    return {
        "name": info.name,
        "kind": info.kind,
        "activation": info.activation,
        "kernel_shape": None if site is None else tuple(site.variable.shape),
        "fan_in": None if fans is None else float(fans.fan_in),
        "fan_out": None if fans is None else float(fans.fan_out),
    }


def _weight_variance(known: Mapping[str, float], start: Start | None) -> float:
    variance = known.get("weight_variance", np.nan)
    if np.isnan(variance) and start is not None:
        variance = start.second - start.mean**2
    return float(variance)


def _output_statistics(known: Mapping[str, float]) -> dict[str, Any]:
    return {statistic: float(known.get(statistic, np.nan)) for statistic in _OF_OUTPUT}


def _main_site(layer: Any, sites: Sequence[Site]) -> Site | None:
    """The largest weight of a layer; of a loop, the largest that its cells apply to inputs."""
    inside = {id(inner) for inner in (layers_in(layer) if is_loop(layer) else [layer])}
    own = [site for site in sites if id(site.layer) in inside]
    return max(own, key=_weightiness, default=None)


def _weightiness(site: Site) -> tuple[bool, int]:
    return site.role != "recurrent", int(np.prod(site.variable.shape))


def _rules_and_verdict(
    info: LayerInfo, site: Site | None, complaints: Sequence[Problem | Finding]
) -> tuple[tuple[str, ...], str]:
    own = [complaint for complaint in complaints if _concerns(complaint, info, site)]
    rules = tuple(dict.fromkeys(complaint.rule for complaint in own))
    words = [
        complaint.text if isinstance(complaint, Problem) else str(complaint) for complaint in own
    ]
    return rules, "; ".join(words) or "healthy"


def _concerns(complaint: Problem | Finding, info: LayerInfo, site: Site | None) -> bool:
    if isinstance(complaint, Problem):
        return info.name in complaint.layers
    return complaint.layer == info.name or (site is not None and site.path in complaint.paths)


def _variance(moments: np.ndarray) -> float:
    """From count, mean and the sum of squared deviations."""
    return float(moments[2] / moments[0]) if moments[0] > 0 else float("nan")
