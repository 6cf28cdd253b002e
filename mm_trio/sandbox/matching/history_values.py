"""Exact conversion of frozen values to JSON and back.

Converts dataclasses, tuples, Decimals, strings, integers, booleans and None. A field's annotation says which values
it may hold, so a value of the wrong type is found here and not later.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin

__all__ = ["Undecodable", "decode", "encode"]

_KIND = "is"  # Key of a dataclass's name.
_NUMBER = "$"  # Key of a Decimal's text.
_PLAIN = (int, str, bool, type(None))


class Undecodable(Exception):
    """Value of the wrong type.

    The text says where it stands and what is wrong.
    """


def encode(value: object) -> object:
    """Convert a value to JSON.

    A field is left out if it holds its default and that is None or False.
    """
    if isinstance(value, Decimal):
        return {_NUMBER: str(value)}
    if isinstance(value, tuple | list):
        return [encode(each) for each in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        row: dict[str, object] = {_KIND: type(value).__name__}
        for field in dataclasses.fields(value):
            held = getattr(value, field.name)
            if not (held in (None, False) and held is field.default):
                row[field.name] = encode(held)
        return row
    assert isinstance(value, _PLAIN), value
    return value


def decode(wanted: Any, value: object, *, path: str = "") -> Any:
    """Convert JSON from `encode` back to a value.

    `wanted` is the annotation that the value must match. Errors: Undecodable.
    """
    options = get_args(wanted) if get_origin(wanted) in (Union, types.UnionType) else (wanted,)
    kind = value.get(_KIND) if isinstance(value, dict) else None
    for option in options:
        if dataclasses.is_dataclass(option):
            if isinstance(option, type) and option.__name__ == kind:
                return _decode_fields(option, typing.cast("dict[str, object]", value), path)
        elif option is Decimal and isinstance(value, dict) and set(value) == {_NUMBER}:
            return _decode_number(value[_NUMBER], path)
        elif get_origin(option) is tuple and isinstance(value, list):
            return _decode_items(get_args(option), value, path)
        elif _is_plain(option, value):
            return value
    raise Undecodable(f"{path or 'value'}: {_shorten(value)} is not allowed here")


def _is_plain(option: Any, value: object) -> bool:
    if get_origin(option) is Literal:
        return type(value) is str and value in get_args(option)
    return option in _PLAIN and type(value) is option


def _decode_number(text: object, path: str) -> Decimal:
    try:
        number = Decimal(text) if isinstance(text, str) else Decimal("NaN")
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise Undecodable(f"{path or 'value'}: {_shorten(text)} is not a valid number")
    return number


def _decode_items(wanted: tuple[Any, ...], values: list[object], path: str) -> tuple[object, ...]:
    each = [wanted[0]] * len(values) if wanted[-1] is Ellipsis else list(wanted)
    if len(each) != len(values):
        raise Undecodable(f"{path or 'value'}: expected {len(each)} values, found {len(values)}")
    paths = (f"{path}[{i}]" for i in range(len(each)))
    return tuple(decode(want, value, path=where) for want, value, where in zip(each, values, paths, strict=True))


def _decode_fields(kind: Any, row: dict[str, object], path: str) -> object:
    wanted, required = _fields_of(kind)
    given = {name: value for name, value in row.items() if name != _KIND}
    prefix = f"{path}." if path else ""
    for name in given:
        if name not in wanted:
            raise Undecodable(f"{prefix}{name}: unknown field of {kind.__name__}")
    for name in required:
        if name not in given:
            raise Undecodable(f"{prefix}{name}: missing field of {kind.__name__}")
    return kind(**{name: decode(wanted[name], value, path=prefix + name) for name, value in given.items()})


@cache
def _fields_of(kind: type[Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return a class's annotations and required fields."""
    hints = typing.get_type_hints(kind)
    fields = dataclasses.fields(kind)
    required = tuple(field.name for field in fields if field.default is dataclasses.MISSING)
    return {field.name: hints[field.name] for field in fields}, required


def _shorten(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
