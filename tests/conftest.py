"""What holds for the tests of every room."""

import gc
import os
import tempfile

import pytest
from grids import reseed

BACKEND = os.environ.get("KERAS_BACKEND", "tensorflow")


def pytest_configure(config):
    """JAX compiles a program once in a run, not once for each model: that halves the run."""
    if BACKEND != "jax" or hasattr(config, "workerinput"):
        return
    folder = tempfile.TemporaryDirectory(prefix="compiled-")
    config.add_cleanup(folder.cleanup)
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", folder.name)
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")


def pytest_collection_modifyitems(config, items):
    """Tests that depend on no backend run on one."""
    if BACKEND == "tensorflow":
        return
    left_out = [item for item in items if item.get_closest_marker("once")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if not item.get_closest_marker("once")]


@pytest.fixture(autouse=True)
def _same_numbers_in_every_run(_seeded_module):
    reseed()


@pytest.fixture(autouse=True, scope="module")
def _seeded_module():
    reseed()


@pytest.fixture(autouse=True, scope="module")
def _finished_tests_are_let_go():
    """Linux grants a process 65,530 mapped regions; JAX's compiled programs hold a few each, and
    a long run of tests ends in a segmentation fault in the compiler. What TensorFlow keeps of
    finished models is not walked through again at every collection."""
    yield
    if BACKEND == "jax":
        import jax

        jax.clear_caches()
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish():
    # Plugins that sum up the run look for what refers to what.
    gc.unfreeze()
