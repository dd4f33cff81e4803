"""What names a cause: the attribute of a problem, or words where it has none."""

import re

_DATA = r"\b(data|inputs?|features?|columns?|pixels?|rows?|examples?)\b"
_LABELS = r"\b(labels?|targets?)\b"
_WEIGHTS = r"\b(weights?|kernels?|tables?|filters?|units?)\b"
_RATE = r"\b(learning rate|rate|updates?)\b"
_SCALE = r"scale|standardi|normali|divide|units of|range|huge|too large"
_NOT_FINITE = r"\bnan\b|finite|\binf\b|missing"

# Subject and what is wrong with it, both in one clause.
_WORDS = {
    "input-scale": (_DATA, _SCALE),
    "input-offset": (_DATA, r"\bmean\b|offset|cent(er|re)|subtract|standardi"),
    "input-nonfinite": (_DATA, _NOT_FINITE),
    "label-scale": (_LABELS, _SCALE),
    "weights-small": (_WEIGHTS, r"small|tiny|of variance (0\.|\S+e-)"),
    "weights-large": (_WEIGHTS, r"large|big\b|of variance ([2-9]|\d\d|\S+e\+)"),
    "weights-equal": (_WEIGHTS, r"\bequal|identical|all (are )?zeros?\b|alike"),
    "weights-mean": (_WEIGHTS, r"\bmean\b(?! square)|\bsigns?\b|positive|negative|cent(er|re)"),
    "bias-dead": (r"\bbias(es)?\b", ""),
    "saturating": (r"saturat|\bflat\b", ""),
    "rate-high": (_RATE, r"lower|too high|too large|reduce|warm"),
    "rate-zero": (_RATE, r"\bzero\b|\b0\b|small|tiny|raise|higher"),
    "depth-unstable": (r"depth|\bdeep|per layer|layer to layer", ""),
    "residual-growth": (r"residual|\bskips?\b|\bbranch|shortcut", ""),
    "recurrent-explosion": (r"recurren|through time|time steps?", ""),
    "wrong-fan": (r"\bfans?\b|\bfan_(in|out)\b", r"wrong|really|sums|counts|seems|kind"),
    "shared-seed": (r"\bseeds?\b|same (weights|numbers)", ""),
    "zero-gradient": (r"gradient", r"\bzero\b|\b0\b|vanish|nothing|\bno gradient"),
    "nonfinite-op": (_NOT_FINITE, ""),
    "head-loss-mismatch": (
        r"\b(outputs?|head|softmax|sigmoid|relu|activation|logits)\b",
        r"\bloss\b|cross.?entropy|from_logits",
    ),
}


def names_cause(entry, said):
    """Whether a problem or finding gives the cause of a fault."""
    causes = (entry.cause, *entry.also)
    cause = getattr(said, "cause", None)
    if cause is not None:
        return cause in causes
    return any(_in_words(each, text_of(said)) for each in causes)


def text_of(said):
    """A problem, a finding or a refusal in words."""
    return getattr(said, "text", None) or str(said)


def _in_words(cause, text):
    return any(
        all(re.search(words, clause, re.IGNORECASE) for words in _WORDS[cause])
        for clause in re.split(r"[.;:]\s", text)
    )


def names_place(entry, said):
    """Whether a problem or finding points at a layer where the fault sits."""
    layers = getattr(said, "layers", None) or (getattr(said, "layer", ""),)
    named = {part for layer in layers for part in layer.split("/")}
    return (
        not entry.where or not named.isdisjoint(entry.where) or _in_text(entry.where, text_of(said))
    )


def _in_text(names, text):
    return any(re.search(rf"\b{re.escape(name)}\b", text) for name in names)
