"""Who takes training steps: this package and its peers."""

import importlib

from tfgansynth.benchmark.results import GAN, UNET
from tfgansynth.benchmark.stepper import Stepper
from tfgansynth.config import Config

OURS, KERAS, TORCH = "tfgansynth", "plain Keras", "PyTorch"

_MODULES = {OURS: "ours", KERAS: "keras_peer", TORCH: "torch_peer"}
_FUNCTIONS = {GAN: "gan", UNET: "unet"}


def build(name: str, network: str, config: Config) -> Stepper:
    """Build one contestant's network on one random mini-batch.

    Args:
        name: `OURS`, `KERAS` or `TORCH`.
        network: `GAN` or `UNET`.
        config: Sizes, mini-batch, optimizer and number format.

    Raises:
        ModuleNotFoundError: The contestant's library is not installed.
    """
    # Imported by name and only here, in a worker: it then holds one library.
    module = importlib.import_module(f"tfgansynth.benchmark.{_MODULES[name]}")
    stepper: Stepper = getattr(module, _FUNCTIONS[network])(config)
    return stepper
