"""The entry point of TensorBoard: an import that fails here stops TensorBoard itself."""

from typing import Any

from tensorboard.plugins import base_plugin

from keras_initlab._wire import PLUGIN_NAME

__all__ = ["Loader"]

# TensorBoard keeps a random 100 records of a series, or 10, and can lose the ones that matter.
# 2,000 looks at a hundred layers are 11 MB.
_SAMPLES = 2000


class Loader(base_plugin.TBLoader):
    """Makes the tab, and asks TensorBoard to keep enough snapshots of a run."""

    def fix_flags(self, flags: Any) -> None:
        """Keep 2,000 snapshots per run, unless `--samples_per_plugin` names the plugin."""
        samples = getattr(flags, "samples_per_plugin", None)
        if isinstance(samples, dict):
            samples.setdefault(PLUGIN_NAME, _SAMPLES)

    def load(self, context: Any) -> base_plugin.TBPlugin:
        """The tab."""
        from keras_initlab.board.routes import SignalPlugin

        return SignalPlugin(context)
