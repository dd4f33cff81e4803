"""Image models, under every tool."""

from field.promises.every import *  # noqa: F403
from field.promises.sound import *  # noqa: F403
