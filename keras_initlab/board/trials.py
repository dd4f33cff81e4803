"""Hyperparameters and final metrics of the runs, as the HPARAMS dashboard has them."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from tensorboard.data.provider import RunTagFilter
from tensorboard.plugins.hparams import metadata, plugin_data_pb2

from keras_initlab._tags import metric_of_tag
from keras_initlab.board.tensors import as_held

__all__ = ["Trials"]

# Metrics that count as the outcome where no experiment names one, best first.
_USUAL = (
    *("evaluation_loss", "evaluation_loss_vs_iterations", "epoch_val_loss", "val_loss"),
    *("evaluation_auc", "evaluation_auc_vs_iterations", "epoch_val_auc", "val_auc"),
    *("epoch_loss", "loss", "epoch_auc", "auc"),
)


# Metrics of an experiment that are read.
_MOST_METRICS = 100


class Trials:
    """The hyperparameters that were tried, and their results.

    A run finds its trial at itself or at the nearest folder above it.

    Args:
        provider: TensorBoard's data provider.
        ctx: Context of the request.
        experiment: Id of the experiment.
    """

    def __init__(self, provider: Any, ctx: Any, experiment: str):
        self._contents: dict[str, dict[str, bytes]] = {}
        self._scalars: dict[str, dict[str, float]] = {}
        self._read: dict[tuple[str, str], Any] = {}
        try:
            listed = provider.list_tensors(
                ctx, experiment_id=experiment, plugin_name=metadata.PLUGIN_NAME
            )
            self._contents = {
                run: {tag: series.plugin_content for tag, series in tags.items()}
                for run, tags in listed.items()
            }
            with as_held():
                last = provider.read_last_scalars(
                    ctx,
                    experiment_id=experiment,
                    plugin_name="scalars",
                    run_tag_filter=RunTagFilter(tags=list(self._ranks)),
                )
            self._scalars = {
                run: {tag: float(datum.value) for tag, datum in tags.items()}
                for run, tags in last.items()
            }
        except Exception:  # The log may be foreign: unreadable parts are not shown.
            return

    def hparams_of(self, run: str) -> dict[str, Any]:
        """Names and values; empty where none were logged."""
        for folder in _upwards(run):
            start = self._parsed(folder, metadata.SESSION_START_INFO_TAG)
            if start is not None:
                values = start.session_start_info.hparams
                return {name: _plain(value) for name, value in values.items()}
        return {}

    def metric_of(self, run: str) -> tuple[str, float] | None:
        """Name, as in the logs of `fit`, and last value of the outcome; `None` if none was logged.

        The experiment's first metric, or else one of Keras's usual ones.
        """
        for folder in _upwards(run):
            if folder != run and self._parsed(folder, metadata.SESSION_START_INFO_TAG) is None:
                continue
            below = [folder, *(name for name in self._scalars if name.startswith(folder + "/"))]
            found = [
                (self._ranks.get(_meant(name, tag), self._ranks[tag]), name, tag)
                for name in below
                for tag in self._scalars.get(name, {})
            ]
            if found:
                _, name, tag = min(found)
                return metric_of_tag(_meant(name, tag)), self._scalars[name][tag]
        return None

    @cached_property
    def _ranks(self) -> dict[str, int]:
        """The metrics that can be the outcome, the best one 0."""
        for run in self._contents:
            found = self._parsed(run, metadata.EXPERIMENT_TAG)
            if found is not None:
                asked = [info.name.tag for info in found.experiment.metric_infos[:_MOST_METRICS]]
                break
        else:
            asked = []
        return {tag: rank for rank, tag in enumerate(dict.fromkeys([*asked, *_USUAL]))}

    def _parsed(self, run: str, tag: str) -> Any:
        if (run, tag) not in self._read:
            self._read[run, tag] = self._read_content(self._contents.get(run, {}).get(tag))
        return self._read[run, tag]

    def _read_content(self, content: bytes | None) -> Any:
        if content is None:
            return None
        try:
            return plugin_data_pb2.HParamsPluginData.FromString(content)
        except Exception:  # The record is broken.
            return None


def _upwards(run: str) -> Iterator[str]:
    """The run, then the folders above it.

    Example:
        >>> list(_upwards("he/0/train"))
        ['he/0/train', 'he/0', 'he']
    """
    while run:
        yield run
        run = run.rpartition("/")[0]


def _meant(run: str, tag: str) -> str:
    """The tag of a metric; Keras's callback gives both its runs the same ones.

    Example:
        >>> _meant("he/validation", "epoch_loss"), _meant("he/train", "epoch_loss")
        ('evaluation_loss', 'epoch_loss')
    """
    is_validation = run.rpartition("/")[2] == "validation" and tag.startswith("epoch_")
    return f"evaluation_{tag.removeprefix('epoch_')}" if is_validation else tag


def _plain(value: Any) -> Any:
    kind = str(value.WhichOneof("kind"))
    plain: Mapping[str, Any] = {"number_value": float, "string_value": str, "bool_value": bool}
    return plain[kind](getattr(value, kind)) if kind in plain else None
