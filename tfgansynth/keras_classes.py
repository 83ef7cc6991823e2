"""Makes Keras ready for our networks, without importing it or TensorFlow.

Keras looks a class of a saved model up among those that are registered, and imports no
module for it. To register a class, its module must be imported, and TensorFlow with it.
So that `import tfgansynth; keras.saving.load_model(FILE)` works and `import tfgansynth`
stays light, stand-ins are registered as soon as Keras is there. A stand-in imports the
module of its class when Keras builds the first object of that class.

Keras is also set to what our networks depend on, whatever the environment and
`keras.json` say.
"""

from __future__ import annotations

import importlib
import os
import sys
import warnings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

PACKAGE = "tfgansynth"
"""Under which the classes are registered: `tfgansynth>Generator`."""

MODULES = {
    "BatchNorm": "tfgansynth.gan.networks",
    "CaffeNesterov": "tfgansynth.segmentation.optimizer",
    "Convolution": "tfgansynth.runtime.kernels.convolution",
    "DCGAN": "tfgansynth.gan.dcgan",
    "DiceCrossEntropy": "tfgansynth.segmentation.losses",
    "DiceError": "tfgansynth.segmentation.losses",
    "Discriminator": "tfgansynth.gan.networks",
    "Generator": "tfgansynth.gan.networks",
    "PixelCrossEntropy": "tfgansynth.segmentation.losses",
    "SpectralConv": "tfgansynth.gan.layers",
    "TransposedConvolution": "tfgansynth.runtime.kernels.convolution",
    "UNet": "tfgansynth.segmentation.unet",
}
"""Each serializable class and its module."""

BACKEND = "tensorflow"
SETTINGS = {
    "floatx": "float32",
    "epsilon": 1e-7,
    "image_data_format": "channels_last",
    "max_epochs": None,
    "max_steps_per_epoch": None,
}
"""What Keras is set to: names and values of `keras.config`."""


class _StandIn:
    """What Keras finds in place of a class whose module is not imported yet.

    Args:
        name: Of the class.
        module: Which registers the class itself when it is imported.
    """

    def __init__(self, name: str, module: str) -> None:
        self.name = name
        self.module = module

    def from_config(self, config: dict[str, Any], **others: Any) -> Any:
        """Build an object of the class, as Keras asks of a class."""
        found = getattr(importlib.import_module(self.module), self.name)
        return found.from_config(config, **others)


def use_backend(name: str) -> None:
    """Let Keras compute with another backend, if it is not imported yet.

    The networks and losses work on each backend of Keras, all else on TensorFlow only.
    """
    global BACKEND
    BACKEND = name


def register() -> None:
    """Register stand-ins and set Keras now if it is imported, else when it is.

    Raises:
        ImportError: Keras is imported already, with another backend.
    """
    if "keras" in sys.modules:
        _make_ready(sys.modules["keras"])
    else:
        sys.meta_path.insert(0, _KerasFinder())


def _make_ready(keras: ModuleType) -> None:
    if keras.config.backend() != BACKEND:
        raise ImportError(
            f"tfgansynth needs Keras with its {BACKEND} backend, and it is imported "
            f"with {keras.config.backend()}: set KERAS_BACKEND={BACKEND}, or import "
            "tfgansynth before keras"
        )
    others = {
        name: value
        for name, value in SETTINGS.items()
        if getattr(keras.config, name)() != value
    }
    for name, value in others.items():
        getattr(keras.config, f"set_{name}")(value)
    if others:
        words = ", ".join(f"{name} {value}" for name, value in others.items())
        warnings.warn(f"tfgansynth has set Keras to {words}", stacklevel=2)
    known = keras.saving.get_custom_objects()
    for name, module in MODULES.items():
        # A module that was imported earlier has registered the class itself.
        known.setdefault(f"{PACKAGE}>{name}", _StandIn(name, module))


def _make_ready_after(loader: Any) -> None:
    execute = loader.exec_module

    def execute_and_make_ready(keras: ModuleType) -> None:
        os.environ["KERAS_BACKEND"] = BACKEND
        execute(keras)
        _make_ready(keras)

    loader.exec_module = execute_and_make_ready


class _KerasFinder:
    """Watches for the import of Keras."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """Find Keras where it is; its loader then makes it ready too."""
        if fullname != "keras":
            return None
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(fullname, path, target)
            if spec and spec.loader:
                _make_ready_after(spec.loader)
                return spec
        return None
