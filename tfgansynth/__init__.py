"""Learn to generate (medical image, mask) pairs, and test whether they help.

The names below are the public Python API. They are loaded when they are first used:
`import tfgansynth` imports neither TensorFlow nor Keras.

    import tfgansynth as tgs

    config = tgs.PRESETS["smoke"]
    fold = tgs.split_cases(tgs.load_cases(config), config)[0]
    gan = tgs.DCGAN(config.gan, size=config.data.size, seed=0)
    gan.compile()
    pairs = tgs.real_pairs(fold.training, config)
    gan.fit(tgs.pair_batches(pairs, batch=16), steps_per_epoch=config.gan.steps)
    synthetic = tgs.draw_set(gan, config, fold)

`import tfgansynth` also makes our Keras classes known, so that
`keras.saving.load_model(FILE)` loads models that were saved here.
"""

from __future__ import annotations

import importlib
import os

from tfgansynth import keras_classes
from tfgansynth.systems import unsupported

# `typing` takes as long to import as everything else until signals are handled.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tfgansynth.api import (
        draw_set,
        evaluate,
        load_cases,
        pair_batches,
        real_pairs,
        split_cases,
        unet_arrays,
    )
    from tfgansynth.config import Config
    from tfgansynth.evaluation.comparisons import compare
    from tfgansynth.gan.dcgan import DCGAN
    from tfgansynth.pictures import pairs_sheet
    from tfgansynth.presets import PRESETS, at_size, with_modern_unet
    from tfgansynth.reporting.html.page import write_report
    from tfgansynth.segmentation.callbacks import StopOnRisingAverage
    from tfgansynth.segmentation.unet import build_unet, predict_masks

__version__ = "0.1.0"

__all__ = [
    "DCGAN",
    "PRESETS",
    "Config",
    "StopOnRisingAverage",
    "__version__",
    "at_size",
    "build_unet",
    "compare",
    "draw_set",
    "evaluate",
    "load_cases",
    "pair_batches",
    "pairs_sheet",
    "predict_masks",
    "real_pairs",
    "split_cases",
    "unet_arrays",
    "with_modern_unet",
    "write_report",
]

_MODULES = {
    "DCGAN": "gan.dcgan",
    "PRESETS": "presets",
    "Config": "config",
    "StopOnRisingAverage": "segmentation.callbacks",
    "at_size": "presets",
    "build_unet": "segmentation.unet",
    "compare": "evaluation.comparisons",
    "draw_set": "api",
    "evaluate": "api",
    "load_cases": "api",
    "pair_batches": "api",
    "pairs_sheet": "pictures",
    "predict_masks": "segmentation.unet",
    "real_pairs": "api",
    "split_cases": "api",
    "unet_arrays": "api",
    "with_modern_unet": "presets",
    "write_report": "reporting.html.page",
}
"""Each public name and the module that defines it."""


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if why := unsupported():
        raise ImportError(why)
    value = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted({*globals(), *__all__})


# TensorFlow reads this once, when it is imported. By itself it leaves oneDNN off on
# processors without AVX512-VNNI, although a training step is faster with it there too.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
keras_classes.register()
