"""Comparisons in other processes and threads."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest
from comparisons import DATA, ONE, OPTIONS, built

from keras_initlab.model.comparing.compare import compare

pytestmark = pytest.mark.slow


SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture(scope="module")
def here():
    return compare(built, ["he_normal"], DATA, **OPTIONS).runs


def check_same(runs, here):
    assert [(run.scheme, run.seed) for run in runs] == [("he_normal", 0), ("he_normal", 1)]
    for run, other in zip(runs, here, strict=True):
        assert run.status == "finished"
        np.testing.assert_allclose(run.history["loss"], other.history["loss"], rtol=1e-5)


def test_runs_may_go_to_processes(here):
    with ProcessPoolExecutor(2, mp_context=SPAWN) as executor:
        runs = compare(built, ["he_normal"], DATA, executor=executor, **OPTIONS).runs

    check_same(runs, here)


def test_runs_may_go_to_threads(here):
    with ThreadPoolExecutor(2) as executor:
        runs = compare(lambda: built(), ["he_normal"], DATA, executor=executor, **OPTIONS).runs

    check_same(runs, here)


def test_runs_may_go_to_dask(here):
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": None}

    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
        runs = compare(built, ["he_normal"], DATA, executor=client.get_executor(), **OPTIONS).runs

    check_same(runs, here)


def test_function_that_cannot_be_pickled_is_refused_with_the_fix():
    told = pytest.raises(TypeError, match="define it at the top level")
    with ProcessPoolExecutor(1, mp_context=SPAWN) as executor, told as caught:
        compare(lambda: built(), [None], DATA, executor=executor, **ONE)

    assert caught.value.__cause__ is not None


def test_executor_that_forks_is_refused_with_the_fix():
    fork = multiprocessing.get_context("fork")
    told = pytest.raises(ValueError, match="must not fork")
    with ProcessPoolExecutor(1, mp_context=fork) as executor, told:
        compare(built, [None], DATA, executor=executor, **ONE)


def fails():
    raise OSError("no memory")


def test_death_of_a_worker_is_told(caplog):
    told = pytest.raises(RuntimeError, match="A process of the executor has died")
    with ThreadPoolExecutor(1, initializer=fails) as executor, told:
        compare(built, [None], DATA, executor=executor, **ONE)
