"""Plans from which scheme every variable of a model is drawn, and which are left alone."""

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import keras

from keras_initlab import _backend
from keras_initlab.anatomy.anatomy import Anatomy
from keras_initlab.anatomy.selection import Filter
from keras_initlab.anatomy.sites import Site
from keras_initlab.anatomy.traits import traits_of
from keras_initlab.anatomy.uses import argument_of
from keras_initlab.anatomy.wiring import layers_in
from keras_initlab.initializers.catalogue import scheme_of
from keras_initlab.initializers.seeds import seeded
from keras_initlab.model.choices import SchemeChoice
from keras_initlab.model.initialization.auto import (
    Advice,
    Surroundings,
    advice_for,
    bias_advice_for,
)
from keras_initlab.model.initialization.fresh import is_fresh, starting_at_zero
from keras_initlab.model.initialization.weight_seeds import paths_of, seed_for
from keras_initlab.model.priors import Prior, priors_of

__all__ = ["PlanEntry", "Request", "plan_of"]

_AUTO = "auto"

# Why a kernel of zeros stays, beside the bias that it gets.
_AT_ZERO = "starts at zero on purpose: an output, the end of a branch, or beside a bias"


@dataclass(frozen=True)
class Request:
    """The arguments of `initialize`, checked.

    Args:
        scheme: `"auto"`, a scheme, its name, or a mapping from patterns to these.
        seed: An integer, or `None` for fresh weights.
        labels: Labels of the training set, `None` if they are not known.
        only: Which layers to draw, `None` for all.
        skip: Which layers to leave alone, `None` for none.
        overwrite: Whether to draw trained and loaded weights anew too.
        width_base: Width of the model that the learning rate was tuned on, or `None`.
    """

    scheme: SchemeChoice
    seed: int | None
    labels: Any
    only: Filter | None
    skip: Filter | None
    overwrite: bool
    width_base: int | None


@dataclass(frozen=True)
class PlanEntry:
    """The decision on one variable.

    Args:
        layer: The layer that owns it.
        variable: The Keras variable.
        site: Its site, or the site of the kernel that it is the bias of; `None` for neither.
        advice: The scheme to draw it from, and the target of the correction.
    """

    layer: Any
    variable: Any
    site: Site | None
    advice: Advice

    def values(self) -> Any:
        """The weights, a tensor.

        Raises:
            ValueError: If the scheme does not fit, with the name of the layer.
        """
        shape, dtype = tuple(self.variable.shape), self.variable.dtype
        try:
            return self.advice.scheme(shape, dtype=dtype)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"The scheme does not fit the weight {self.variable.path!r} of the layer "
                f"{self.layer.name!r}, shape {shape}: {error} Try `skip={self.layer.name!r}`."
            ) from error


def plan_of(anatomy: Anatomy, request: Request) -> list[PlanEntry]:
    """A decision on every weight of a model, in the order of its layers.

    Args:
        anatomy: Of a built Keras model.
        request: The arguments of `initialize`.

    Raises:
        ValueError: If a pattern of the mapping matches nothing.
    """
    model, sites = anatomy.model, anatomy.all_sites
    request = _by_holders(model, request)
    paths, planned = paths_of(model), []
    trained = not request.overwrite and _backend.updates_done(model) > 0
    chosen = _Chosen(request)
    tables = any(site.role == "table" and not site.is_of_positions for site in sites)
    sequences = tables and any(map(_goes_through_time, layers_in(model)))
    priors = {id(prior.layer): prior for prior in priors_of(anatomy, request.labels)}
    # Labels that are all the same have no spread to go by.
    spreads = {key: prior.spread for key, prior in priors.items() if prior.spread > 0}
    known = request.labels is not None
    around = Surroundings(known, request.width_base, tables, sequences, spreads)
    fresh = {id(site.layer): is_fresh(site.layer, sites) for site in sites}
    zeros = starting_at_zero(sites) if request.scheme == _AUTO else set()
    for site in sites:
        stale = not request.overwrite and not fresh[id(site.layer)]
        advice = _refusal(site, request, trained, stale)
        if advice is None and id(site) in zeros:
            advice = Advice(None, reason=_AT_ZERO)
        advice = advice or chosen.advice(site, around)
        planned.append(
            PlanEntry(site.layer, site.variable, site, _with_seed(advice, site, paths, request))
        )
    chosen.check()
    _check_matches(sites, request)
    drawn = [
        entry
        for entry in planned
        if entry.advice.scheme is not None or entry.advice.reason == _AT_ZERO
    ]
    planned += _biases(drawn, paths, request, priors)
    return planned + (_restarts(model, planned, paths, request) if request.overwrite else [])


def _by_holders(model: Any, request: Request) -> Request:
    """The request, in which `only` and `skip` choose what is inside a chosen layer too."""
    holders: dict[int, list[Any]] = {}
    waiting = [(child, [child]) for child in _backend.own_sublayers(model)]
    while waiting:
        layer, held = waiting.pop()
        holders.setdefault(id(layer), []).extend(held)
        waiting += [(child, [child, *held]) for child in _backend.own_sublayers(layer)]

    def wider(chosen: Filter | None) -> Filter | None:
        if chosen is None:
            return None
        return lambda layer: any(chosen(holder) for holder in holders.get(id(layer), [layer]))

    return replace(request, only=wider(request.only), skip=wider(request.skip))


def _goes_through_time(layer: Any) -> bool:
    """Whether it is a recurrent or an attention layer."""
    return traits_of(layer).loops or bool(_backend.compared_projections(layer))


def _refusal(site: Site, request: Request, trained: bool, stale: bool) -> Advice | None:
    """Why a weight is left alone."""
    reasons = {
        "not trained": not site.variable.trainable,
        "not chosen": request.only is not None and not request.only(site.layer),
        "skipped": request.skip is not None and request.skip(site.layer),
        "the model has been trained": trained,
        "its layer's weights are not from a known scheme: loaded, trained, or custom": stale,
    }
    reason = next((reason for reason, holds in reasons.items() if holds), "")
    return Advice(None, reason=reason) if reason else None


class _Chosen:
    """The scheme that the user has chosen for a weight."""

    def __init__(self, request: Request):
        scheme = request.scheme
        self._mapping = dict(scheme) if isinstance(scheme, Mapping) else None
        self._one = scheme
        self._matched: set[str] = set()

    def advice(self, site: Site, around: Surroundings) -> Advice:
        """The scheme for a weight."""
        scheme = self._one if self._mapping is None else self._matching(site)
        if scheme is None:
            return Advice(None, reason="no pattern matches")
        if isinstance(scheme, str) and scheme == _AUTO:
            return advice_for(site, around)
        if self._mapping is None and site.role != "kernel":
            reason = f"one scheme for all is for kernels only, and this is a {site.role}"
            return Advice(None, reason=reason)
        return Advice(_fitted(_initializer(scheme), site))

    def _matching(self, site: Site) -> Any:
        names = {site.layer.name, site.layer.path or "", site.path}
        for pattern, scheme in (self._mapping or {}).items():
            if any(fnmatch.fnmatchcase(name, pattern) for name in names):
                self._matched.add(pattern)
                return scheme
        return None

    def check(self) -> None:
        """Refuse patterns that match nothing, because they are typing errors."""
        known = {"*", *self._matched}
        unmatched = [pattern for pattern in self._mapping or {} if pattern not in known]
        if unmatched:
            raise ValueError(
                "`scheme` maps patterns of layer names to schemes, and every pattern must match a "
                f"layer. Received: patterns {unmatched}, which match none."
            )


def _initializer(scheme: Any) -> Any:
    try:
        return scheme_of(scheme)
    except ValueError as error:
        raise ValueError(
            "`scheme` must be 'auto', an initializer, the name of one, or a mapping from patterns "
            f"to these. Received: scheme={scheme!r}. Try `keras-initlab list`."
        ) from error


def _fitted(initializer: Any, site: Site) -> Any:
    """A copy of the initializer with the kind of the kernel, which the shape does not show."""
    twin = seeded(initializer, getattr(initializer, "seed", None))
    if getattr(twin, "kind", None) == "dense" and site.use.kind is not None:
        twin.kind = site.use.kind
    return twin


def _check_matches(sites: list[Site], request: Request) -> None:
    for name, filter_of in (("only", request.only), ("skip", request.skip)):
        if filter_of is not None and not any(filter_of(site.layer) for site in sites):
            names = list(dict.fromkeys(site.layer.name for site in sites))
            raise ValueError(f"`{name}` matches no layer with weights. Received: layers {names}.")


def _with_seed(advice: Advice, site: Site, paths: dict[int, str], request: Request) -> Advice:
    if advice.scheme is None:
        return advice
    path = paths[id(site.variable)]
    own = getattr(advice.scheme, "seed", None)
    seed = seed_for(own if request.seed is None and isinstance(own, int) else request.seed, path)
    scheme = seeded(advice.scheme, seed)
    axes = site.use.axes if isinstance(scheme, keras.initializers.VarianceScaling) else None
    if axes and scheme.input_axes is None:
        scheme.input_axes, scheme.output_axes = axes.values()
    return replace(advice, scheme=scheme)


def _biases(
    drawn: list[PlanEntry], paths: dict[int, str], request: Request, priors: dict[int, Prior]
) -> list[PlanEntry]:
    """The biases of weights that `"auto"` draws."""
    if request.scheme != _AUTO:
        return []
    found: dict[int, PlanEntry] = {}
    for entry in drawn:
        bias = getattr(entry.layer, "bias", None)
        own = any(bias is weight for weight in _backend.own_weights(entry.layer))
        if entry.site is None or bias is None or not own:
            continue
        prior = priors.get(id(entry.layer))
        suggested = None if prior is None else prior.bias
        advice = bias_advice_for(entry.site) if suggested is None else Advice(suggested)
        if advice is not None and bias.trainable and id(bias) not in found:
            seed = seed_for(request.seed, paths[id(bias)])
            advice = replace(advice, scheme=seeded(advice.scheme, seed))
            found[id(bias)] = PlanEntry(entry.layer, bias, entry.site, advice)
    return list(found.values())


def _restarts(
    model: Any, planned: list[PlanEntry], paths: dict[int, str], request: Request
) -> list[PlanEntry]:
    """Other variables that training moves, biases and statistics, by their own initializers."""
    chosen = request.only or (lambda layer: True)
    skipped = request.skip or (lambda layer: False)
    known = {id(entry.variable) for entry in planned}
    left = {id(entry.layer) for entry in planned if entry.advice.scheme is None}
    drawn = {id(entry.layer) for entry in planned} - left
    # Patterns name the layers to draw; the rest of the model, perhaps trained, stays.
    named = isinstance(request.scheme, Mapping)
    found = {}
    for layer in layers_in(model):
        if not layer.trainable or not chosen(layer) or skipped(layer):
            continue
        if id(layer) in left or (named and id(layer) not in drawn):
            continue
        for variable in _backend.own_weights(layer):
            own = getattr(layer, argument_of(layer, variable), None)
            if isinstance(own, keras.initializers.Initializer) and id(variable) not in known:
                advice = Advice(seeded(own, seed_for(request.seed, paths[id(variable)])))
                found[id(variable)] = PlanEntry(layer, variable, None, advice)
    return list(found.values())
