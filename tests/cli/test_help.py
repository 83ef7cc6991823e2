"""The docstrings under the fields are the help on options."""

import dataclasses

from tfgansynth.cli.help import describe_fields


@dataclasses.dataclass(frozen=True)
class Inner:
    number: int = 1
    """Goes on
    in a second line."""


@dataclasses.dataclass(frozen=True)
class Base:
    shared: int = 2
    """Of the
    base."""


@dataclasses.dataclass(frozen=True)
class Outer(Base):
    inner: Inner = Inner()
    silent: int = 3


def test_help_has_no_line_breaks_of_the_source() -> None:
    describe_fields(Outer)
    helps = {f.name: f.metadata.get("help") for f in dataclasses.fields(Outer)}
    assert helps == {"shared": "Of the base.", "inner": None, "silent": None}
    (number,) = dataclasses.fields(Inner)
    assert number.metadata["help"] == "Goes on in a second line."
