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
from typing import Any

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
def unets_traced() -> Iterator[None]:
    """Trace the steps of U-Nets of equal settings once, which takes longer than theirs.

    Inside, only one U-Net of equal settings may be in use at a time.
    """
    from tfgansynth.segmentation import training

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "build_unet", _traced_unet)
        yield


_traced: dict[object, Any] = {}
_MOST_TRACED = 4


def _traced_unet(config: Any, *, seed: int, **shape: int) -> Any:
    """Give an earlier U-Net of these settings the whole state of a new one."""
    import tensorflow as tf

    from tfgansynth.segmentation.unet import build_unet

    new: Any = build_unet(config, seed=seed, **shape)
    new.compile()
    key = repr((config, shape))
    if (unet := _traced.pop(key, None)) is None:
        unet = new
        unet.train_step = tf.function(unet.train_step, autograph=False)
        unet.compile = _nothing  # would let its steps be traced again
    else:
        for variable, fresh in zip(_state(unet), _state(new), strict=True):
            variable.assign(fresh)
        unet.stop_training = False
    _traced[key] = unet
    if len(_traced) > _MOST_TRACED:
        del _traced[next(iter(_traced))]
    return unet


def _nothing() -> None:
    pass


def _state(unet: Any) -> list[Any]:
    measured = (value for metric in unet.metrics for value in metric.variables)
    return [*unet.variables, *unet.optimizer.variables, *measured]
