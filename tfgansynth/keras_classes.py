"""Makes our serializable classes known to Keras without importing TensorFlow.

Keras looks a class of a saved model up among those that are registered, and imports no
module for it. To register a class, its module must be imported, and TensorFlow with it.
So that `import tfgansynth; keras.saving.load_model(FILE)` works and `import tfgansynth`
stays light, stand-ins are registered as soon as Keras is there. A stand-in imports the
module of its class when Keras builds the first object of that class.
"""

import dataclasses
import importlib
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
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
    "DiceError": "tfgansynth.segmentation.losses",
    "Discriminator": "tfgansynth.gan.networks",
    "Generator": "tfgansynth.gan.networks",
    "PixelCrossEntropy": "tfgansynth.segmentation.losses",
    "SpectralConv": "tfgansynth.gan.layers",
    "TransposedConvolution": "tfgansynth.runtime.kernels.convolution",
    "UNet": "tfgansynth.segmentation.unet",
}
"""Each serializable class and its module."""


@dataclasses.dataclass(frozen=True, slots=True)
class _StandIn:
    """What Keras finds in place of a class whose module is not imported yet.

    Attributes:
        name: Of the class.
        module: Which registers the class itself when it is imported.
    """

    name: str
    module: str

    def from_config(self, config: dict[str, Any], **others: Any) -> Any:
        """Build an object of the class, as Keras asks of a class."""
        found = getattr(importlib.import_module(self.module), self.name)
        return found.from_config(config, **others)


def register() -> None:
    """Register stand-ins now if Keras is imported, else when it is."""
    if "keras" in sys.modules:
        _register_stand_ins(sys.modules["keras"])
    else:
        sys.meta_path.insert(0, _KerasFinder())


def _register_stand_ins(keras: ModuleType) -> None:
    known = keras.saving.get_custom_objects()
    for name, module in MODULES.items():
        # A module that was imported earlier has registered the class itself.
        known.setdefault(f"{PACKAGE}>{name}", _StandIn(name, module))


def _register_after(loader: Any) -> None:
    execute = loader.exec_module

    def execute_and_register(keras: ModuleType) -> None:
        execute(keras)
        _register_stand_ins(keras)

    loader.exec_module = execute_and_register


class _KerasFinder(MetaPathFinder):
    """Watches for the import of Keras."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """Find Keras where it is; its loader then registers the stand-ins too."""
        if fullname != "keras":
            return None
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(fullname, path, target)
            if spec and spec.loader:
                _register_after(spec.loader)
                return spec
        return None
