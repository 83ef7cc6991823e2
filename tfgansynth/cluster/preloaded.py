"""What a worker imports once, in a process that computes nothing itself.

Each stage runs in a fork of that process: it starts at once, and its memory and threads
end with it.
"""

from tfgansynth.runtime.devices import import_tensorflow_quietly

import_tensorflow_quietly()

from tfgansynth.experiment.stages import compute  # noqa: E402, F401
