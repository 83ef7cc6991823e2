"""What a user sees of options: help, and what is wrong with one that was given."""

import ast
import dataclasses
import functools
import inspect
import itertools
import re
import textwrap
import types
import typing
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from tfgansynth.cli.failures import did_you_mean
from tfgansynth.config import Config
from tfgansynth.presets import DESCRIPTIONS, PRESETS


@dataclasses.dataclass(frozen=True, slots=True)
class _Option:
    """One option as a user sees it.

    Attributes:
        name: `--gan.steps`; of a place, its name in capitals.
        takes: What help shows after the name: `N`, `both|left|right`.
        expected: The same in words: `a whole number`.
        choices: The words that it may have; none where it takes others.
        negated: The same option with `no-`, if it takes nothing.
        text: What it is for.
        value: Its default.
    """

    name: str
    takes: str
    expected: str
    choices: tuple[str, ...]
    negated: str
    text: str
    value: Any


_TAKES: Mapping[Any, tuple[str, str, str]] = {
    bool: ("", "nothing after it", ""),
    int: ("N", "a whole number", "whole numbers"),
    float: ("X", "a number", "numbers"),
    str: ("TEXT", "a text", "texts"),
    Path: ("PATH", "a path", "paths"),
}
"""What help shows, one in words, and several."""
_POSITIONAL = typing.get_args(tyro.conf.Positional[int])[1]
_FIXED = typing.get_args(tyro.conf.Fixed[int])[1]


def option_names(kind: type[Any], default: Any) -> set[str]:
    """Name all options of a dataclass, of nested ones too."""
    return {each.name for each in _list_options(kind, default)}


def _list_options(
    kind: type[Any], default: Any, prefix: str = "--"
) -> Iterator[_Option]:
    """List the options of a dataclass, of nested ones too, with their defaults."""
    hints = typing.get_type_hints(kind, include_extras=True)
    for field in dataclasses.fields(kind):
        hint, value = hints[field.name], getattr(default, field.name)
        marks = typing.get_args(hint)[1:]
        if _FIXED in marks:
            continue
        name = field.name.replace("_", "-")
        if dataclasses.is_dataclass(value):
            inner = prefix if type(value) is Config else f"{prefix}{name}."
            yield from _list_options(type(value), value, inner)
            continue
        is_place = _POSITIONAL in marks
        takes, expected, choices = _values(hint)
        yield _Option(
            name=field.name.upper() if is_place else f"{prefix}{name}",
            takes="" if is_place else takes,
            expected=expected,
            choices=choices,
            negated="" if takes else f"{prefix}no-{name}",
            text=field.metadata.get("help", ""),
            value=value,
        )


def _values(hint: Any) -> tuple[str, str, tuple[str, ...]]:
    """What an option takes, for help and in words, and which words it may have."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return _values(parts[0])
    if origin is Literal:
        return "|".join(parts), f"one of {', '.join(parts)}", parts
    if origin is tuple and typing.get_origin(parts[0]) is Literal:
        each, one_of, choices = _values(parts[0])
        return f"{each} ...", one_of.replace("one of", "some of"), choices
    if origin is tuple:
        shown, _, several = _TAKES[_plain(parts[0])]
        return f"{shown} {shown} ...", several, ()
    if origin in (typing.Union, types.UnionType):
        found = [_values(part) for part in parts if part is not types.NoneType]
        if len(found) == 1:
            return found[0]
        shown, words = "|".join(each[0] for each in found), [each[1] for each in found]
        return shown, " or ".join(w.removeprefix("one of ") for w in words), ()
    return (*_TAKES[hint][:2], ())


def _plain(hint: Any) -> Any:
    return typing.get_args(hint)[0] if typing.get_origin(hint) is Annotated else hint


def given(option: str, arguments: Sequence[str]) -> list[str]:
    """Find what was last given to an option; nothing if it was not."""
    found: list[str] = []
    for index, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name == option:
            rest = itertools.takewhile(
                lambda each: not each.startswith("--"), arguments[index + 1 :]
            )
            found = [value] if equals else list(rest)
    return found


def _one_line(box: str) -> str:
    """Unwrap the parser's boxed complaint and drop its hint at --help."""
    text: list[str] = []
    for line in box.splitlines():
        # A frame, or the title; where the screen has ASCII only, a title is indented.
        if re.fullmatch(r"[╭╰│─╮╯ -]*|╭.*╮| \S.*", line):
            if text:
                break
            continue
        text.append(line.strip("│ "))
    return " ".join(text)


def what_is_wrong(
    box: str,
    arguments: Sequence[str],
    kind: type[Any],
    default: Any,
    of_runs: Collection[str],
) -> str:
    """Put the parser's boxed complaint into the words of a user, in one line.

    Args:
        box: The complaint.
        arguments: Those that it is about.
        kind: The command's options, a dataclass.
        default: Their defaults.
        of_runs: Options that the command takes from its run instead.
    """
    complaint = _one_line(box)
    describe_fields(kind)
    known = {each.name: each for each in _list_options(kind, default)}
    if complaint.startswith("Missing from "):
        missing = [
            f"{each.name} ({_first_sentence(each.text)})"
            for each in known.values()
            if each.value is tyro.MISSING and each.text in complaint
        ]
        return f"missing: {', '.join(missing)}; --help lists the options"
    if unknown := re.match(r"Unrecognized options: ([^\s,=]+)", complaint):
        name = unknown[1]
        if not name.startswith("-"):
            return f"{name}: belongs to no option"
        if name in of_runs:
            return (
                f"{name}: is a setting of the run, which has it already: leave it out"
            )
        names = [*known, *(each.negated for each in known.values() if each.negated)]
        near = did_you_mean(name, names)
        return f"{name}: is no option{near} (--help-all lists all)"
    wrong = re.search(r"(?:parsing|argument) '?(--[\w.-]+)", complaint)
    if wrong is None or wrong[1] not in known:
        return complaint
    name, option = wrong[1], known[wrong[1]]
    value = " ".join(given(name, arguments))
    words = f"{name} {value}".strip()
    return f"{words}: expected {option.expected}{did_you_mean(value, option.choices)}"


_OFTEN = {"--preset", "--reduced", "--seed", "--data.size", "--data", "--out"}
_OFTEN |= {"--dry-run"}
"""Options of many commands that --help shows."""
_WIDTH, _INDENT = 80, 24


def short_help(
    kind: type[Any], default: Any, program: str, rare: Collection[str]
) -> str:
    """Render the options that most people need, and the presets.

    Args:
        kind: The command's options, a dataclass; its docstring describes the command.
        default: Their defaults.
        program: What to call the command.
        rare: Options to leave out, besides those of sections of the settings.
    """
    describe_fields(kind)
    found = sorted(_list_options(kind, default), key=lambda each: each.name[0] == "-")
    shown = [
        each
        for each in found
        if each.name in _OFTEN or not ("." in each.name or each.name in rare)
    ]
    places = [each.name for each in shown if not each.name.startswith("-")]
    lines = [f"usage: {' '.join([program, *places])} [OPTIONS]", ""]
    for paragraph in (inspect.getdoc(kind) or "").split("\n\n"):
        lines += [textwrap.fill(paragraph, _WIDTH), ""]
    for each in shown:
        text = _first_sentence(each.text) + _default_words(each)
        if each.name != "--preset":
            lines += _entry(f"{each.name} {each.takes}".strip(), text)
            continue
        lines += _entry("--preset NAME", re.sub(":.* \\(", " (", text))
        for preset in PRESETS:
            lines += _entry(f"  {preset}", DESCRIPTIONS[preset])
    lines += _entry("--help-all", "Show all options, and where each number is from")
    return "\n".join(lines)


def _entry(name: str, text: str) -> list[str]:
    lines = textwrap.wrap(text, _WIDTH - _INDENT) or [""]
    name = f"  {name}"
    if len(name) >= _INDENT - 1:
        # Choices may be many, with no space between them to break a line at.
        names = textwrap.wrap(
            name.replace("|", "| "), _WIDTH, subsequent_indent=" " * 6
        )
        names = [each.replace("| ", "|") for each in names]
        return [*names, *(" " * _INDENT + line for line in lines)]
    first, *others = lines
    return [f"{name:{_INDENT}}{first}", *(" " * _INDENT + line for line in others)]


def _first_sentence(text: str) -> str:
    """The first sentence without its source, which stands in brackets."""
    return re.split(r"\.(?: |$)| \[", text)[0]


def _default_words(option: _Option) -> str:
    value = option.value
    if value is tyro.MISSING:
        return "" if option.name.isupper() else " (required)"
    if value in (None, False, "", ()):
        return ""
    words = " ".join(map(str, value)) if isinstance(value, tuple) else value
    return f" (default: {words})"


def describe_fields(options_type: type[Any]) -> None:
    """Give each field its docstring as help text, also those of nested dataclasses.

    tyro reads such docstrings itself, but keeps the line breaks of the source. It
    takes a field's metadata first.

    Args:
        options_type: A dataclass.
    """
    for kind in options_type.__mro__:
        if not dataclasses.is_dataclass(kind):
            continue
        texts = _docstrings(kind)
        for field in dataclasses.fields(kind):
            if field.name in texts:
                described = {**field.metadata, "help": texts[field.name]}
                field.metadata = types.MappingProxyType(described)
    for hint in typing.get_type_hints(options_type).values():
        if isinstance(hint, type) and dataclasses.is_dataclass(hint):
            describe_fields(hint)


@functools.cache
def _docstrings(kind: type[Any]) -> dict[str, str]:
    """Read the docstrings of a class's own fields from its source."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    assert isinstance(tree, ast.ClassDef)
    return {
        field.target.id: " ".join(doc.value.value.split())
        for field, doc in zip(tree.body, tree.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(doc, ast.Expr)
        and isinstance(doc.value, ast.Constant)
        and isinstance(doc.value.value, str)
    }
