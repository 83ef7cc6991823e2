"""Importing TensorFlow without the lines it writes at start-up."""

import os
import sys
import tempfile

from tfgansynth.runtime import signals


def import_tensorflow_quietly() -> None:
    """Import TensorFlow without its start-up lines, which name nothing to act on.

    Its native code writes them past Python and before any log level applies, and takes
    a signal that comes while it starts for a fault of its own: signals wait.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    stderr = os.dup(2)
    with signals.deferred_signals(), tempfile.TemporaryFile() as sink:
        os.dup2(sink.fileno(), 2)
        try:
            import keras  # noqa: F401
            import tensorflow as tf
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
    tf.get_logger().setLevel("ERROR")
