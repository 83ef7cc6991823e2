"""Help on options: the docstring under each field, as running text."""

import ast
import dataclasses
import inspect
import textwrap
import types
import typing
from typing import Any


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
