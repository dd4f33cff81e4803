"""Faults of data, under every tool."""

from field.promises.every import *  # noqa: F403
from field.promises.faulty import *  # noqa: F403
