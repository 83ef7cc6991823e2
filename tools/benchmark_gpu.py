"""Training steps on a GPU under JAX and PyTorch, without TensorFlow, in five minutes.

It needs Keras and JAX; see "GPU" in docs/explanation/speed.md.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from tfgansynth.benchmark.gpu.run import main

if __name__ == "__main__":
    main(sys.argv[1:])
