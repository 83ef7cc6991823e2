"""What many tests would do again and again: done once in a process.

All are functions of their arguments alone. Their own tests call the originals.
"""

import contextlib
import dataclasses
import functools
import hashlib
import importlib
import pickle
from collections.abc import Callable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tyro._parsers import ParserSpecification

from tfgansynth.arrays import FloatArray
from tfgansynth.data import loading
from tfgansynth.data.checks import report
from tfgansynth.data.copies.duplicates import DuplicatePair, find_duplicates
from tfgansynth.data.dataset import RawCase
from tfgansynth.data.lungs import Lungs
from tfgansynth.data.phantoms.phantom import SIDE, make_phantom
from tfgansynth.experiment import experiment_data

_found: dict[object, tuple[DuplicatePair, ...]] = {}
_described: dict[object, ParserSpecification] = {}
_describe: Any = ParserSpecification.from_callable_or_type


@functools.cache
def _phantom(index: int, seed: int, lungs: Lungs, size: int) -> RawCase:
    case = make_phantom(index, seed, lungs, size)
    for array in (case.image, case.mask):
        array.flags.writeable = False  # no test changes what others get
    return case


def phantoms(
    count: int = 247, *, seed: int, lungs: Lungs = "both", size: int = SIDE
) -> tuple[RawCase, ...]:
    """Stand for `make_phantoms`."""
    return tuple(_phantom(index, seed, lungs, size) for index in range(count))


def duplicates(images: Mapping[str, FloatArray]) -> tuple[DuplicatePair, ...]:
    """Stand for `find_duplicates`."""
    key = tuple(
        (name, image.shape, image.dtype.str, hashlib.sha256(image.tobytes()).digest())
        for name, image in images.items()
    )
    if key not in _found:
        _found[key] = find_duplicates(images)
    return _found[key]


def description(kind: Any, **given: Any) -> ParserSpecification:
    """Stand for what tyro makes of a dataclass with options, and takes longest for."""
    if given["extern_prefix"] or not dataclasses.is_dataclass(kind):
        described: ParserSpecification = _describe(kind, **given)
        return described
    helped = tuple("help" in field.metadata for field in dataclasses.fields(kind))
    # Equal values of other types are shown, and read, in another way.
    key = kind, repr(given), helped
    if key not in _described:
        _described[key] = _describe(kind, **given)
    return _described[key]


_HTML = "tfgansynth.reporting.html"
MADE_ONCE = {
    f"{_HTML}.page": ("agreement", "learning_curve", "nearest"),
    f"{_HTML}.results": ("boxes", "forest", "thumbnail"),
    f"{_HTML}.synthetic": ("beside_reference", "thumbnail"),
    f"{_HTML}.training": ("series", "validation_errors"),
    "tfgansynth.records.assessments": ("compare_features",),
}
"""Functions that take long, by the modules that call them: a report is often made twice
of the same results, by its writer and by its verification."""

_made: dict[tuple[str, bytes], bytes] = {}


def kept(function: Callable[..., Any]) -> Callable[..., Any]:
    """Stand for a function of values that can be pickled, or of iterators of them."""

    @functools.wraps(function)
    def stand_in(*given: Any, **named: Any) -> Any:
        values = [list(v) if isinstance(v, Iterator) else v for v in given]
        content = hashlib.sha256(pickle.dumps((values, named))).digest()
        key = function.__qualname__, content
        if key not in _made:
            _made[key] = pickle.dumps(function(*values, **named))
        return pickle.loads(_made[key])

    return stand_in


def install(patch: pytest.MonkeyPatch) -> None:
    """Let the product use them."""
    for name, functions in MADE_ONCE.items():
        for function in functions:
            caller = importlib.import_module(name)
            patch.setattr(caller, function, kept(getattr(caller, function)))
    patch.setattr(loading, "make_phantoms", phantoms)
    for module in (experiment_data, report):
        patch.setattr(module, "find_duplicates", duplicates)
    patch.setattr(
        ParserSpecification, "from_callable_or_type", staticmethod(description)
    )


@contextlib.contextmanager
def networks_traced() -> Iterator[None]:
    """Build networks, and trace their steps, once for equal settings.

    Both take longer than a tiny training. Inside, only one network of equal settings
    may be in use at a time.
    """
    from tfgansynth.gan import callbacks as gan_callbacks
    from tfgansynth.gan import training as gan_training
    from tfgansynth.segmentation import callbacks, training, unet

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gan_training, "DCGAN", _traced_gan)
        patch.setattr(gan_callbacks, "compile_step", _traced_step)
        patch.setattr(training, "build_unet", _traced_unet)
        copy = functools.partial(_copied, unet.standard_layer_copy)
        patch.setattr(unet, "standard_layer_copy", copy)
        # All that this module has of TensorFlow.
        patch.setattr(callbacks, "tf", SimpleNamespace(function=_traced_step))
        yield


_traced: dict[str, tuple[Any, list[Any]]] = {}
"""Networks and the state that each has before its training."""
_MOST_TRACED = 6
_copies: dict[str, Any] = {}
_weights: dict[str, list[Any]] = {}
"""First weights of U-Nets, by settings and seed."""

_BESIDE_A_STEP: dict[str, Any] = {
    **{"stop_window": 1, "go_on_while_falling": False, "min_steps": 0},
    **{"max_epochs": 1, "keep": "last", "steps_an_epoch": 0, "real_share": 0.0},
    **{"pretraining_steps": 0, "augment": "none", "validation_error": "dice"},
}
"""Settings of a U-Net's training that no step depends on."""
_BESIDE_A_GANS_STEP: dict[str, Any] = {
    **{"steps": 1, "sample_every": 1, "log_every": 1, "saturation_loss": 0.0},
    **{"saturation_steps": 1, "mode_collapse_share": 0.0},
}
"""The same of a GAN's."""


def _kept(key: str, build: Callable[[], Any]) -> Any:
    """Give a network its first state back, or build and compile it."""
    if key in _traced:
        network, first = _traced.pop(key)
        for variable, value in zip(_state(network), first, strict=True):
            variable.assign(value)
        network.stop_training = False
    else:
        network = build()
        network.compile()
        network.compile = _nothing  # would let its steps be traced again
        first = [np.array(variable) for variable in _state(network)]
    _traced[key] = network, first
    if len(_traced) > _MOST_TRACED:
        del _traced[next(iter(_traced))]
    return network


def _traced_unet(config: Any, *, seed: int, **shape: int) -> Any:
    """Stand for `build_unet`."""
    from tfgansynth.segmentation.unet import build_unet

    def build() -> Any:
        return build_unet(config, seed=seed, **shape)

    key = repr(("U-Net", _of_a_step(config), shape))
    is_new = key not in _traced
    unet = _kept(key, build)
    unet.config = config
    seeded = f"{key} {seed}"
    if seeded not in _weights:
        _weights[seeded] = (unet if is_new else build()).get_weights()
    unet.set_weights(_weights[seeded])
    return unet


def _of_a_step(config: Any) -> Any:
    step = dataclasses.replace(config, **_BESIDE_A_STEP)
    # Of the others, no rate depends on the number of steps.
    is_modern = config.architecture == "modern"
    return step if is_modern else dataclasses.replace(step, fixed_steps=0)


def _copied(make: Callable[[Any, Any], Any], unet: Any, config: Any) -> Any:
    """Stand for `standard_layer_copy`, whose copies are written at once."""
    key = repr((_of_a_step(config), unet.input_shape, unet.output_shape))
    if key not in _copies:
        _copies[key] = make(unet, config)
    _copies[key].set_weights(unet.get_weights())
    return _copies[key]


def _traced_gan(config: Any, **given: Any) -> Any:
    """Stand for `DCGAN`, whose step depends on its seed too."""
    from tfgansynth.gan.dcgan import DCGAN

    step = dataclasses.replace(config, **_BESIDE_A_GANS_STEP)
    key = repr(("GAN", step, sorted(given.items())))
    gan = _kept(key, lambda: DCGAN(config, **given))
    for network in (gan, gan.generator, gan.discriminator):
        network.config = config
    return gan


def _traced_step(step: Any, **options: Any) -> Any:
    """Stand for `compile_step`, or with options for `tf.function`."""
    import tensorflow as tf

    from tfgansynth.runtime.devices import compile_step

    steps = vars(step.__self__).setdefault("steps_of_tests", {})
    key = repr(options)
    if key not in steps:
        steps[key] = tf.function(step, **options) if options else compile_step(step)
    return steps[key]


def _nothing() -> None:
    pass


def _state(network: Any) -> list[Any]:
    """All variables, also any that a checkpoint would lack."""
    names = "optimizer", "g_optimizer", "d_optimizer"
    optimizers = [getattr(network, name, None) for name in names]
    parts = [network, *filter(None, optimizers), *network.metrics]
    return [variable for part in parts for variable in part.variables]
