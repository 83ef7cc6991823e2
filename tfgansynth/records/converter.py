"""The one converter between records, which are frozen dataclasses, and JSON.

Strict: a file has all fields of its record and no others, each of the type that the
record names, and settings within their ranges. Numbers are not converted, so that a
record that is read and written again gives the same bytes; an integer may stand for a
float, as in JSON.
"""

import dataclasses
import enum
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from cattrs import Converter, transform_error
from cattrs.errors import BaseValidationError
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from tfgansynth.config import Config
from tfgansynth.config_checks import check_ranges
from tfgansynth.errors import InputError
from tfgansynth.ranges import IS_OPTIONAL, JSON_NAME, ONE_ALONE
from tfgansynth.runtime import storage

_Record = TypeVar("_Record")
_NAMES = {int: "an integer", float: "a number", str: "a text", bool: "true or false"}


def to_json(record: Any) -> Any:
    """Turn a record into dictionaries, lists, texts and numbers."""
    return _CONVERTER.unstructure(record)


def from_json(kind: type[_Record], content: Any, path: Path) -> _Record:
    """Make a record of what JSON has read.

    Args:
        kind: The record's class.
        content: As `to_json` gives it.
        path: The file that it was read from, for the message.

    Raises:
        InputError: A field is missing, unknown, of another type or outside its range.
    """
    try:
        return _CONVERTER.structure(content, kind)
    except BaseValidationError as fault:
        found = transform_error(fault, path="", format_exception=_words)
        raise _other_form(path, found[0].replace(" @ .", ": ")) from fault
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as f:
        raise _other_form(path, f"{type(f).__name__}: {f}") from f


def write(path: Path, record: Any) -> None:
    """Write a record as JSON that carries the hash of its own content."""
    storage.write_record(path, to_json(record))


def read(path: Path, kind: type[_Record]) -> _Record:
    """Read a record back.

    Raises:
        InputError: The file is missing, was altered, or has another form.
    """
    return from_json(kind, storage.read_record(path), path)


def _other_form(path: Path, reason: str) -> InputError:
    return InputError(f"{path}: is not of the form that this version writes ({reason})")


def _words(fault: BaseException, _: type | None) -> str:
    name = "" if isinstance(fault, InputError) else f"{type(fault).__name__} "
    return f"{name}{fault}"


def _exactly(*kinds: type) -> Callable[[Any, Any], Any]:
    """Take values of some types as they are, and no others."""

    def check(value: Any, _: Any) -> Any:
        if type(value) not in kinds:
            words = _NAMES[kinds[0]]
            raise TypeError(f"expected {words}, got {type(value).__name__}")
        return value

    return check


def _is_tuple(kind: Any) -> bool:
    return typing.get_origin(kind) is tuple


def _tuple_hook(kind: Any, converter: Converter) -> Callable[[Any, Any], Any]:
    items = typing.get_args(kind)

    def structure(value: Any, _: Any) -> Any:
        # A text is a sequence too, but its letters are no items.
        if not isinstance(value, Sequence) or isinstance(value, str):
            raise TypeError(f"expected a list, got {type(value).__name__}")
        kinds = items
        if len(items) == 2 and items[1] is ...:
            kinds = (items[0],) * len(value)
        pairs = zip(value, kinds, strict=True)
        return tuple(converter.structure(item, each) for item, each in pairs)

    return structure


def _is_number_or_word(kind: Any) -> bool:
    if typing.get_origin(kind) not in (typing.Union, types.UnionType):
        return False
    parts = typing.get_args(kind)
    is_word = [typing.get_origin(part) is typing.Literal for part in parts]
    return len(parts) == 2 and is_word == [True, False] and parts[1] is not type(None)


def _number_or_word_hook(kind: Any, converter: Converter) -> Callable[[Any, Any], Any]:
    words, number = typing.get_args(kind)

    def structure(value: Any, _: Any) -> Any:
        is_word = value in typing.get_args(words)
        return value if is_word else converter.structure(value, number)

    return structure


def _overrides(kind: type, converter: Converter) -> dict[str, Any]:
    def several(value: Any, hint: Any) -> Any:
        return converter.structure([value] if type(value) is int else value, hint)

    def one_alone(value: Sequence[int]) -> Any:
        return value[0] if len(value) == 1 else list(value)

    return {
        field.name: override(
            rename=field.metadata.get(JSON_NAME),
            omit_if_default=IS_OPTIONAL in field.metadata,
            struct_hook=several if field.metadata.get(ONE_ALONE) else None,
            unstruct_hook=one_alone if field.metadata.get(ONE_ALONE) else None,
        )
        for field in dataclasses.fields(kind)
    }


def _record_hook(kind: Any, converter: Converter) -> Callable[[Any, Any], Any]:
    structure = make_dict_structure_fn(
        kind, converter, _cattrs_forbid_extra_keys=True, **_overrides(kind, converter)
    )
    required = {
        field.metadata.get(JSON_NAME, field.name)
        for field in dataclasses.fields(kind)
        if IS_OPTIONAL not in field.metadata
    }
    # What a record's types do not say, it says itself.
    require_whole = getattr(kind, "require_whole", None)

    def checked(value: Any, _: Any) -> Any:
        if not isinstance(value, Mapping):
            raise TypeError(f"expected an object, got {type(value).__name__}")
        missing = sorted(required - value.keys())
        if missing:
            raise LookupError(f"without {', '.join(missing)}")
        made = structure(value, kind)
        if kind.__module__.startswith(Config.__module__):
            check_ranges(made)
        if require_whole:
            require_whole(made)
        return made

    return checked


def _converter() -> Converter:
    made = Converter(unstruct_collection_overrides={tuple: list})
    made.register_structure_hook_factory(dataclasses.is_dataclass, _record_hook)
    made.register_unstructure_hook_factory(
        dataclasses.is_dataclass,
        lambda kind: make_dict_unstructure_fn(kind, made, **_overrides(kind, made)),
    )
    made.register_structure_hook(int, _exactly(int))
    made.register_structure_hook(float, _exactly(float, int))
    made.register_structure_hook(str, _exactly(str))
    made.register_structure_hook(bool, _exactly(bool))
    # Without it they would be taken for texts.
    made.register_structure_hook(enum.StrEnum, lambda value, kind: kind(value))
    made.register_structure_hook_factory(_is_tuple, _tuple_hook)
    made.register_structure_hook_factory(_is_number_or_word, _number_or_word_hook)
    return made


_CONVERTER = _converter()
