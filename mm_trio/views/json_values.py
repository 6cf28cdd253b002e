"""Frozen values as plain JSON, and back.

Amounts are strings of plain digits, so that no reader rounds them. An unbounded number is the string "inf", because
JSON has none. What one version adds, another one ignores.
"""

from __future__ import annotations

import math
import types
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from decimal import Decimal, InvalidOperation
from enum import Enum
from functools import cache, partial
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

__all__ = ["JsonUnread", "from_json", "to_json"]

_T = TypeVar("_T")
_UNBOUNDED = "inf"


class JsonUnread(ValueError):
    """JSON that is not the value that was asked for."""


def to_json(value: object) -> Any:
    """Return a value as JSON: a dataclass becomes an object, a tuple a list, a Decimal a string."""
    kind = type(value)
    return (_WRITERS.get(kind) or _find_writer(kind))(value)


def _find_writer(kind: type) -> Callable[[Any], Any]:
    """Find how values of a kind are written, and remember it: an account of many markets has thousands of them."""
    if is_dataclass(kind):
        names = tuple(item.name for item in fields(kind))
        writer: Callable[[Any], Any] = partial(_write_object, names)
    elif issubclass(kind, Enum):
        writer = _write_enum
    elif issubclass(kind, str):
        writer = str
    elif issubclass(kind, Mapping):
        writer = _write_mapping
    elif issubclass(kind, list | tuple):
        writer = _write_list
    else:
        raise TypeError(f"a {kind.__name__} cannot be written as JSON")
    _WRITERS[kind] = writer
    return writer


def _write_object(names: tuple[str, ...], value: object) -> dict[str, Any]:
    return {name: to_json(getattr(value, name)) for name in names}


def _write_mapping(value: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(key): to_json(each) for key, each in value.items()}


def _write_list(value: list[Any] | tuple[Any, ...]) -> list[Any]:
    return [to_json(each) for each in value]


def _write_enum(value: Enum) -> Any:
    return value.value


def _write_float(value: float) -> float | str:
    if math.isinf(value):
        return _UNBOUNDED if value > 0 else f"-{_UNBOUNDED}"
    return value


def _write_decimal(value: Decimal) -> str:
    return f"{value:f}"


def _keep(value: Any) -> Any:
    return value


_WRITERS: dict[type, Callable[[Any], Any]] = {
    Decimal: _write_decimal,
    float: _write_float,
    **dict.fromkeys((str, int, bool, type(None)), _keep),
}


def from_json(kind: type[_T], raw: object) -> _T:
    """Read a value of a kind that `to_json` wrote. Errors: JsonUnread, which names the field."""
    value: _T = _read(kind, raw, kind.__name__)
    return value


def _read(kind: Any, raw: object, where: str) -> Any:
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        if raw is None and type(None) in get_args(kind):
            return None
        (kind,) = (each for each in get_args(kind) if each is not type(None))
        return _read(kind, raw, where)
    if origin is Literal:
        return _check(raw, raw in get_args(kind), where, f"one of {', '.join(map(str, get_args(kind)))}")
    if origin is tuple:
        return _read_tuple(get_args(kind), raw, where)
    if is_dataclass(kind):
        return _read_object(kind, raw, where)
    if kind in _READERS:
        return _READERS[kind](raw, where)
    if isinstance(kind, type) and issubclass(kind, Enum):
        try:
            return kind(raw)
        except ValueError:
            raise JsonUnread(f"{where} is {raw!r}, not one of {', '.join(str(each.value) for each in kind)}") from None
    raise TypeError(f"{where}: values of kind {kind} cannot be read from JSON")


def _read_tuple(kinds: tuple[Any, ...], raw: object, where: str) -> tuple[Any, ...]:
    _check(raw, isinstance(raw, list), where, "a list")
    assert isinstance(raw, list)
    assert kinds[1:] == (...,), f"{where}: only tuples of any length are read"
    return tuple(_read(kinds[0], each, f"{where}[{number}]") for number, each in enumerate(raw))


def _read_object(kind: Any, raw: object, where: str) -> Any:
    _check(raw, isinstance(raw, dict), where, "an object")
    assert isinstance(raw, dict)
    given: dict[str, Any] = {}
    for name, of in _find_kinds(kind).items():
        if name not in raw:
            raise JsonUnread(f"{where} has no {name}")
        given[name] = _read(of, raw[name], f"{where}.{name}")
    try:
        return kind(**given)
    except ValueError as error:
        raise JsonUnread(f"{where}: {error}") from error


@cache
def _find_kinds(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {item.name: hints[item.name] for item in fields(kind)}


def _check(raw: object, is_good: bool, where: str, wanted: str) -> Any:
    if not is_good:
        raise JsonUnread(f"{where} is {str(raw)[:60]!r}, not {wanted}")
    return raw


def _read_decimal(raw: object, where: str) -> Decimal:
    try:
        number = Decimal(_check(raw, isinstance(raw, str), where, "a number in a string"))
    except InvalidOperation:
        raise JsonUnread(f"{where} is {raw!r}, not a number") from None
    _check(raw, number.is_finite(), where, "a finite number")
    return number


def _read_float(raw: object, where: str) -> float:
    if raw in (_UNBOUNDED, f"-{_UNBOUNDED}"):
        return float(str(raw))
    is_number = isinstance(raw, int | float) and not isinstance(raw, bool)
    return float(_check(raw, is_number, where, "a number"))


_READERS: Mapping[Any, Callable[[object, str], Any]] = {
    Decimal: _read_decimal,
    float: _read_float,
    str: lambda raw, where: _check(raw, isinstance(raw, str), where, "a string"),
    bool: lambda raw, where: _check(raw, isinstance(raw, bool), where, "true or false"),
    int: lambda raw, where: _check(raw, type(raw) is int, where, "a whole number"),
}
