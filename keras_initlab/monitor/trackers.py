"""Sinks for experiment trackers: the snapshots as metrics of a run."""

import math
from typing import Any

from keras_initlab.signal.looks import Look, numbers_by_layer

__all__ = ["MLflowSink", "WandbSink"]

_CHOSEN = ("variance", "dead_fraction", "gradient_norm", "update_ratio")


def _metrics_of(look: Look) -> dict[str, float]:
    """Finite numbers by name: `signal/variance/hidden_1`."""
    return {
        f"signal/{statistic}/{layer}": numbers[statistic]
        for layer, numbers in numbers_by_layer(look).items()
        for statistic in _CHOSEN
        if math.isfinite(numbers.get(statistic, math.nan))
    }


class WandbSink:
    """Logs variance, dead units, gradient and update of each layer to a Weights & Biases run.

    The metrics are `signal/<statistic>/<layer>`, against `signal/step`, which counts optimizer
    updates: the run's own step stays free for other metrics.

    Args:
        run: What `wandb.init` returns; `None` uses the active run.

    Raises:
        ImportError: If `run` is `None` and wandb is not installed.
        RuntimeError: If `run` is `None` and no run is active.
    """

    def __init__(self, run: Any = None):
        if run is None:
            import wandb

            run = wandb.run
        if run is None:
            raise RuntimeError("No Weights & Biases run is active. Try `wandb.init()` first.")
        self.run = run
        run.define_metric("signal/step", hidden=True)
        run.define_metric("signal/*", step_metric="signal/step")

    def append(self, look: Look) -> None:
        """Log a snapshot."""
        self.run.log({**_metrics_of(look), "signal/step": look.step})


class MLflowSink:
    """Logs variance, dead units, gradient and update of each layer to an MLflow run.

    The metrics are `signal/<statistic>/<layer>` at the step that counts optimizer updates.

    Args:
        run_id: The run; `None` uses the active run, or starts one.

    Raises:
        ImportError: If mlflow is not installed.
    """

    def __init__(self, run_id: str | None = None):
        import mlflow

        if run_id is None:
            run_id = (mlflow.active_run() or mlflow.start_run()).info.run_id
        self.run_id = run_id

    def append(self, look: Look) -> None:
        """Log a snapshot; characters that MLflow does not allow in names become `_`."""
        import mlflow

        numbers = {_mlflow_name(name): value for name, value in _metrics_of(look).items()}
        mlflow.log_metrics(numbers, step=look.step, run_id=self.run_id)


def _mlflow_name(name: str) -> str:
    return "".join(c if c.isalnum() or c in "_-./ :" else "_" for c in name)
