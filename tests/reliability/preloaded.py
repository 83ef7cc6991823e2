"""What a warm process has when its script starts: modules, and phantoms drawn."""

import functools
import importlib

from tfgansynth.data.phantoms import phantom

for _name in (
    *("keras", "tensorflow", "cv2", "imagehash", "scipy.interpolate", "tyro"),
    *("tfgansynth.cli.command", "tfgansynth.experiment.studies"),
    *("tfgansynth.experiment.executors", "tfgansynth.reporting.outputs"),
):
    importlib.import_module(_name)

phantom.make_phantom = functools.cache(phantom.make_phantom)
phantom.make_phantoms(30, seed=0)
