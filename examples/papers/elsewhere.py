"""Running a trial on another backend, which takes a process of its own."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

__all__ = ["BACKENDS", "on_backend"]

BACKENDS = ("tensorflow", "jax", "torch")

CODE = "import json, sys, {module} as m; print(json.dumps(m.{name}(*json.loads(sys.argv[1]))))"


def on_backend(backend, module, name, *arguments):
    """What a function of a module gives there; None where the backend is not installed."""
    if importlib.util.find_spec(backend) is None:
        return None
    here = Path(__file__).parent
    result = subprocess.run(
        [sys.executable, "-c", CODE.format(module=module, name=name), json.dumps(arguments)],
        env={
            **os.environ,
            "KERAS_BACKEND": backend,
            "PYTHONPATH": os.pathsep.join([str(here), str(here.parent)]),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise RuntimeError(f"{module}.{name} failed on {backend}:\n{result.stderr}")
    return json.loads(result.stdout.splitlines()[-1])
