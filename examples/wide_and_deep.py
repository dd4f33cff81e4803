"""Train a Wide & Deep recommender on UCI Adult under several initialization schemes.

The callback watches every layer; the table at the end shows where the signal died.
"""

# isort: off
import quiet  # noqa: F401

# isort: on
import argparse
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from adult import CATEGORIES, CROSSES, Adult, load_adult
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

import keras_initlab as kil

SCHEMES = {
    "Zeros": lambda: kil.Zeros(),
    "RandomNormal": lambda: kil.RandomNormal(stddev=0.01),
    "XavierUniform": lambda: kil.XavierUniform(),
    "HeNormal": lambda: kil.HeNormal(),
    "HalfXavierUniform": lambda: kil.HalfXavierUniform(),
}
TOWER = (256, 256, 128, 128, 64)
BATCH_SIZE = 256


@dataclass(frozen=True)
class Run:
    scheme: str
    looks: list
    problems: tuple
    auc: float
    log_loss: float
    seconds: float

    @property
    def ends(self) -> tuple:
        """The first snapshot and the last one."""
        return self.looks[0], self.looks[-1]


def build(scheme, vocabulary: dict[str, int]) -> keras.Model:
    """Wide & Deep (Cheng et al. 2016): crossed ids beside embeddings and a ReLU tower."""
    inputs = {name: keras.Input((1,), dtype="int32", name=name) for name in vocabulary}
    inputs["numeric"] = keras.Input((5,), name="numeric")
    embedded = [
        keras.layers.Flatten()(
            keras.layers.Embedding(vocabulary[name], 8, name=f"embed_{name}")(inputs[name])
        )
        for name in CATEGORIES
    ]
    deep = keras.layers.Concatenate()([*embedded, inputs["numeric"]])
    for number, units in enumerate(TOWER, 1):
        dense = keras.layers.Dense(
            units, "relu", kernel_initializer=scheme(), name=f"deep_{number}"
        )
        deep = dense(deep)
    deep = keras.layers.Dense(1, kernel_initializer=scheme(), name="deep_out")(deep)
    # The wide part is a logistic regression, for which zeros are right.
    crosses = [f"{first}_x_{second}" for first, second in CROSSES]
    wide = [
        keras.layers.Flatten()(
            keras.layers.Embedding(
                vocabulary[name], 1, embeddings_initializer=kil.Zeros(), name=f"wide_{name}"
            )(inputs[name])
        )
        for name in crosses
    ]
    logit = keras.layers.Add(name="logit")([deep, *wide])
    return keras.Model(inputs, keras.layers.Activation("sigmoid", name="click")(logit))


class Bar(keras.callbacks.Callback):
    def __init__(self, progress: Progress, task):
        super().__init__()
        self.progress, self.task = progress, task

    def on_train_batch_end(self, batch, logs=None):
        self.progress.advance(self.task)


def train(name: str, data: Adult, epochs: int, out: Path, progress: Progress) -> Run:
    progress.console.print(f"[bold]{name}[/bold]")
    keras.utils.set_random_seed(0)
    model = build(SCHEMES[name], data.vocabulary)
    # Plain SGD: Adam would rescale vanished gradients and hide what the scheme does.
    model.compile(
        keras.optimizers.SGD(0.1, momentum=0.9),
        keras.losses.BinaryCrossentropy(),
        metrics=[keras.metrics.AUC(name="auc")],
    )
    task = progress.add_task(name, total=epochs * -(-len(data.train_y) // BATCH_SIZE))
    logger = kil.ActivationVarianceLogger(out / name, update_freq=20)
    begin = time.perf_counter()
    model.fit(
        data.train_x,
        data.train_y,
        batch_size=BATCH_SIZE,
        epochs=epochs,
        verbose=0,
        callbacks=[logger, Bar(progress, task)],
    )
    seconds = time.perf_counter() - begin
    scores = model.evaluate(data.test_x, data.test_y, batch_size=4096, verbose=0, return_dict=True)
    model.save(out / name / "model.keras")
    np.save(out / name / "predictions.npy", model.predict(data.test_x, 4096, verbose=0))
    problems = logger.report.problems
    return Run(name, logger.looks, problems, scores["auc"], scores["loss"], seconds)


def reload_differences(names: list[str], out: Path) -> dict[str, float]:
    """Largest difference of the predictions of each saved model in a fresh process."""
    arguments = [sys.executable, __file__, "--check", *names, "--out", str(out)]
    answer = subprocess.run(arguments, capture_output=True, text=True, check=True).stdout
    return {line.split()[0]: float(line.split()[1]) for line in answer.splitlines()}


def check(names: list[str], out: Path) -> None:
    data = load_adult()
    for name in names:
        model = keras.models.load_model(out / name / "model.keras")
        predictions = model.predict(data.test_x, 4096, verbose=0)
        print(name, np.abs(predictions - np.load(out / name / "predictions.npy")).max())


BARS = "▁▂▃▄▅▆▇█"
LEAST = 1e-16


def sparkline(values: list[float], top: float) -> str:
    """A bar for each value, on a log scale from `LEAST` to `top`."""
    parts = [np.log10(max(value, LEAST) / LEAST) / np.log10(top / LEAST) for value in values]
    return "".join(BARS[round(part * (len(BARS) - 1))] for part in parts)


def cause_of(run: Run) -> str:
    """The cause of the first problem, in three words at most."""
    if not run.problems:
        return "healthy"
    first = run.problems[0]
    return (first.cause or first.rule).replace("-", " ")


def table_of(runs: list[Run], differences: dict[str, float]) -> Table:
    names = [*(f"deep_{number}" for number in range(1, len(TOWER) + 1)), "deep_out"]
    depths = [
        [look.by_layer("variance")[name] for name in names] for run in runs for look in run.ends
    ]
    top = max(map(max, depths))
    table = Table(
        title="Schemes by AUC; variance through the six layers of the tower, log scale",
        box=SIMPLE_HEAD,
        pad_edge=False,
    )
    for title in (
        "scheme",
        "AUC",
        "log loss",
        "step 0",
        "trained",
        "cause",
        "s",
        "reloaded",
    ):
        justify = "left" if title in ("scheme", "step 0", "trained", "cause") else "right"
        table.add_column(title, justify=justify, no_wrap=True)
    for run in sorted(runs, key=lambda run: -run.auc):
        bars = [
            sparkline([look.by_layer("variance")[name] for name in names], top) for look in run.ends
        ]
        difference = differences[run.scheme]
        table.add_row(
            run.scheme,
            f"{run.auc:.4f}",
            f"{run.log_loss:.4f}",
            *bars,
            cause_of(run),
            f"{run.seconds:.0f}",
            "equal" if difference <= 1e-6 else f"{difference:.0e} off",
        )
    return table


def draw(runs: list[Run], path: Path) -> None:
    """The picture of the README: variance through depth, at step 0."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    names = [f"deep_{number}" for number in range(1, len(TOWER) + 1)] + ["deep_out"]
    figure, axes = plt.subplots(1, 2, figsize=(11, 3.6), sharey=True, layout="constrained")
    for axis, place, title in zip(axes, (0, -1), ("untrained", "trained"), strict=True):
        for run in runs:
            variance = run.looks[place].by_layer("variance")
            values = [max(variance[name], 1e-16) for name in names]
            axis.plot(names, values, marker="o", label=f"{run.scheme}, AUC {run.auc:.3f}")
        axis.set(yscale="log", title=title)
        axis.tick_params(axis="x", rotation=30)
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("activation variance (0 drawn at 1e-16)")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right upper", fontsize=8)
    figure.savefig(path, dpi=110)


def arguments_of(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=3, help="passes over the data (default 3)")
    parser.add_argument(
        "--schemes", nargs="+", default=list(SCHEMES), choices=list(SCHEMES), help="default: all"
    )
    parser.add_argument("--out", type=Path, default=Path("logs"), help="default: logs")
    parser.add_argument("--picture", type=Path, help="draw the depth profile (needs matplotlib)")
    parser.add_argument("--check", nargs="+", help=argparse.SUPPRESS)
    return parser.parse_args(words)


def main() -> None:
    options = arguments_of()
    if options.check:
        return check(options.check, options.out)
    data, console = load_adult(), Console()
    rows = len(data.train_y) + len(data.test_y)
    console.print(f"UCI Adult: {rows:,} rows, {data.train_y.mean():.1%} earn over 50K.")
    with Progress(console=console, transient=True) as progress:
        runs = [
            train(name, data, options.epochs, options.out, progress) for name in options.schemes
        ]
    table = table_of(runs, reload_differences(options.schemes, options.out))
    Console(width=max(console.width, 100)).print(table)
    if options.picture:
        draw(runs, options.picture)
    console.print(f"See it: [bold]tensorboard --logdir {options.out}[/bold]")
    return None


if __name__ == "__main__":
    main()
