"""UCI Adult as inputs for a Wide & Deep model."""

import csv
import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np

PATH = Path(__file__).parent / "data" / "adult.csv.gz"

NUMERIC = ("age", "educational-num", "capital-gain", "capital-loss", "hours-per-week")
CATEGORIES = (
    *("workclass", "education", "marital-status", "occupation"),
    *("relationship", "race", "gender", "native-country"),
)
CROSSES = (
    ("education", "occupation"),
    ("marital-status", "relationship"),
    ("gender", "occupation"),
)


@dataclass(frozen=True)
class Adult:
    """Inputs by name and labels, split into train and test, and the size of each vocabulary."""

    train_x: dict[str, np.ndarray]
    train_y: np.ndarray
    test_x: dict[str, np.ndarray]
    test_y: np.ndarray
    vocabulary: dict[str, int]


def load_adult(test_share: float = 0.2, seed: int = 0) -> Adult:
    """Read the rows, encode them by what the training rows hold, and split them.

    Id 0 stands for a value that the training rows do not hold.
    """
    with gzip.open(PATH, "rt", newline="") as file:
        rows = list(csv.DictReader(file))
    order = np.random.default_rng(seed).permutation(len(rows))
    test = np.zeros(len(rows), bool)
    test[order[: round(test_share * len(rows))]] = True

    labels = np.array([row["income"].startswith(">50K") for row in rows], np.float32)[:, None]
    columns = {name: np.array([row[name] for row in rows]) for name in CATEGORIES}
    for first, second in CROSSES:
        pairs = [f"{row[first]}|{row[second]}" for row in rows]
        columns[f"{first}_x_{second}"] = np.array(pairs)
    known = {name: np.unique(values[~test]) for name, values in columns.items()}
    inputs = {name: _ids(values, known[name]) for name, values in columns.items()}
    inputs["numeric"] = _numbers(rows, ~test)
    return Adult(
        {name: values[~test] for name, values in inputs.items()},
        labels[~test],
        {name: values[test] for name, values in inputs.items()},
        labels[test],
        {name: len(values) + 1 for name, values in known.items()},
    )


def _ids(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    place = np.clip(np.searchsorted(known, values), 0, len(known) - 1)
    return np.where(known[place] == values, place + 1, 0).astype(np.int32)[:, None]


def _numbers(rows: list[dict[str, str]], train: np.ndarray) -> np.ndarray:
    numbers = np.array([[float(row[name]) for name in NUMERIC] for row in rows])
    # Capital gains span five orders of magnitude.
    numbers[:, 2:4] = np.log1p(numbers[:, 2:4])
    center, spread = numbers[train].mean(0), numbers[train].std(0)
    return ((numbers - center) / spread).astype(np.float32)
