"""Loads Keras without the lines that TensorFlow writes at its start.

Import it before anything that imports Keras.
"""

import logging
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
logging.getLogger("tensorflow").setLevel("ERROR")

# They go straight to file descriptor 2 before any setting is read.
_stderr = os.dup(2)
with open(os.devnull, "w") as _nowhere:
    os.dup2(_nowhere.fileno(), 2)
try:
    import keras

    keras.ops.zeros(())
finally:
    os.dup2(_stderr, 2)
    os.close(_stderr)
