"""What the linter finds."""

from collections.abc import Sequence
from dataclasses import dataclass

from keras_initlab._words import printable

__all__ = ["Finding", "by_rule_and_fix"]

_CAUSES = {
    "nonfinite": "weights-nonfinite",
    "equal-units": "weights-equal",
    "equal-rows": "weights-equal",
    "same-weights": "shared-seed",
    "attention-logits": "weights-large",
    "small-product": "weights-small",
    "dead": "bias-dead",
}


@dataclass(frozen=True)
class Finding:
    """A problem with weights.

    Args:
        rule: Its name, as in docs/lint.md.
        layer: Name of the layer, the first one of several.
        paths: Paths of the variables concerned.
        evidence: What was found, with its numbers.
        fix: What to write instead, as code where it can be.
        cause: A name of docs/verdicts.md; by default the one that goes with the rule.
        code: The code of the fix, as arguments of the layer; empty if only words can say it.
    """

    rule: str
    layer: str
    paths: tuple[str, ...]
    evidence: str
    fix: str
    cause: str = ""
    code: str = ""

    def __post_init__(self) -> None:
        if not self.cause:
            object.__setattr__(self, "cause", _CAUSES.get(self.rule, self.rule))
        if not self.code and "_initializer=" in self.fix:
            object.__setattr__(self, "code", self.fix.removeprefix("Use "))

    def __str__(self) -> str:
        return printable(f"{self.rule}, {self.layer}: {self.evidence}. {self.fix}.")


def by_rule_and_fix(findings: Sequence[Finding]) -> list[str]:
    """A line for all layers that break one rule and have one fix, with the first one's numbers."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.rule, finding.fix), []).append(finding)
    return [f"{group[0]}{_more([one.layer for one in group])}" for group in groups.values()]


def _more(layers: Sequence[str]) -> str:
    if len(layers) < 2:
        return ""
    if len(layers) == 2:
        return printable(f" The same in {layers[1]}.")
    return printable(f" The same in {len(layers) - 1} more layers up to {layers[-1]}.")
