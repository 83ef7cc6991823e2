"""What a warm process has when its script starts: modules, and phantoms drawn."""

import importlib

import pytest

from tests import once

for _name in (
    *("keras", "tensorflow", "cv2", "imagehash", "scipy.interpolate", "tyro"),
    *("tfgansynth.cli.command", "tfgansynth.experiment.studies"),
    *("tfgansynth.experiment.executors", "tfgansynth.reporting.outputs"),
):
    importlib.import_module(_name)

once.install(pytest.MonkeyPatch())
once.phantoms(30, seed=0)
