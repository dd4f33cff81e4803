"""Fresh processes that draw, and the model that they draw."""

import json
import os
import socket
import subprocess
import sys


def ran(code, *words, **environment):
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


def answers_of(*processes):
    """The last line of each process as JSON; none is left running."""
    try:
        told = [process.communicate(timeout=200) for process in processes]
    finally:
        for process in processes:
            process.kill()
    for process, (_, errors) in zip(processes, told, strict=True):
        assert process.returncode == 0, errors
    return [json.loads(out.splitlines()[-1]) for out, _ in told]


def free_port():
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return probe.getsockname()[1]


MODEL = """
import json, os, sys
import keras
import numpy as np
import keras_initlab as lab

def model():
    return keras.Sequential([
        keras.Input((4,), dtype="int32"),
        keras.layers.Embedding(8024, 24, embeddings_initializer=lab.RandomNormal(seed=3)),
        keras.layers.Flatten(),
        keras.layers.Dense(16, "relu", kernel_initializer=lab.HeNormal(seed=1),
                           bias_initializer=lab.Constant(0.5)),
        keras.layers.Dense(8, kernel_initializer=lab.Orthogonal(seed=1), dtype="bfloat16"),
    ])
"""
