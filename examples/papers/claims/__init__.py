"""The claims, in the order of the table."""

import importlib

from claim import Claim

__all__ = ["CLAIMS"]

MODULES = (
    "article",
    "glorot",
    "he",
    "isometry",
    "meanfield",
    "criticality",
    "lsuv",
    "residual",
    "chrono",
    "mup",
)

CLAIMS = [
    value
    for name in MODULES
    for value in vars(importlib.import_module(f"claims.{name}")).values()
    if isinstance(value, Claim)
]
