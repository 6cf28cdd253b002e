"""Entries of the ledger as plain values for JSON, and back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from decimal import Decimal
from operator import attrgetter
from typing import cast, get_args

from mm_trio.model.journal_entries import Accounted, Checkpoint, Entry, Of, Remembered
from mm_trio.model.orders import Quote
from mm_trio.model.replies import FillKey

__all__ = ["decode_entry", "encode_entry", "name_kind"]

# Between the kind of an entry and the coin that it is of, in a journal of several.
_OF = ":"
_KINDS: dict[str, type[Entry]] = {kind.__name__.lower(): kind for kind in get_args(Entry) if kind is not Of}
_NAMES = {kind: name for name, kind in _KINDS.items()}


def _list_columns(kind: type[Entry] | type[Quote]) -> Iterator[tuple[str, bool]]:
    """List (path, is it a Decimal) of each written value.

    A quote is four values in a row.
    """
    for entry_field in fields(kind):
        if entry_field.name == "quote":
            yield from ((f"quote.{name}", is_decimal) for name, is_decimal in _list_columns(Quote))
        else:
            yield entry_field.name, "Decimal" in str(entry_field.type)


_COLUMNS = {name: tuple(_list_columns(kind)) for name, kind in _KINDS.items()}
_READERS = {name: tuple(attrgetter(path) for path, _ in columns) for name, columns in _COLUMNS.items()}
_N_QUOTE = len(fields(Quote))
_QUOTE_AT = {
    name: next((n for n, (path, _) in enumerate(columns) if path.startswith("quote.")), None)
    for name, columns in _COLUMNS.items()
}


def name_kind(kind: type[Entry], *, coin: str | None = None) -> str:
    """Return the name that entries of this kind are stored under; those of a coin in a journal of several."""
    return _NAMES[kind] if coin is None else f"{_NAMES[kind]}{_OF}{coin}"


def encode_entry(entry: Entry) -> tuple[str, list[object]]:
    """Return the entry's kind and its values for JSON.

    A Decimal becomes its exact text.
    """
    if isinstance(entry, Of):
        kind, values = encode_entry(entry.entry)
        return f"{kind}{_OF}{entry.coin}", values
    kind = _NAMES[type(entry)]
    if isinstance(entry, Checkpoint):
        return kind, [list(encode_entry(part)) for part in entry.entries]
    values = [read(entry) for read in _READERS[kind]]
    return kind, [str(value) if isinstance(value, Decimal) else value for value in values]


def decode_entry(kind: str, values: Sequence[object]) -> Entry:
    """Return the entry that `encode_entry` made these values of.

    Errors: ValueError for values that it never makes.
    """
    kind, *coins = kind.split(_OF, 1)
    if coins and kind != "checkpoint":
        return Of(coins[0], decode_entry(kind, values))
    if kind not in _KINDS:
        raise ValueError(
            f"{kind!r} is not a valid kind of entry for this release; a newer mm_trio may have written it, so use that "
            "release"
        )
    try:
        if kind == "checkpoint":
            parts = cast("Sequence[tuple[str, Sequence[object]]]", values)
            return Checkpoint(tuple(decode_entry(part, inner) for part, inner in parts))
        if kind == "remembered":
            after_ms, keys = cast("tuple[int, Sequence[tuple[int, str, int, int]]]", values)
            return Remembered(after_ms, tuple(FillKey(*key) for key in keys))
        if kind == "accounted":
            after_ms, refs, times_ms, *held = cast("tuple[int, Sequence[str], Sequence[int], str, str]", values)
            if not all(isinstance(ref, str) for ref in refs) or not all(isinstance(ms, int) for ms in times_ms):
                raise TypeError(values)
            token, usdc = (None if amount is None else Decimal(amount) for amount in held)
            return Accounted(after_ms, tuple(refs), tuple(times_ms), token, usdc)
        columns = _COLUMNS[kind]
        read: list[object] = [
            Decimal(cast("str", value)) if is_decimal and value is not None else value
            for (_, is_decimal), value in zip(columns, values, strict=True)
        ]
        at = _QUOTE_AT[kind]
        if at is not None:
            make_quote: Callable[..., Quote] = Quote
            read[at : at + _N_QUOTE] = [make_quote(*read[at : at + _N_QUOTE])]
        make: Callable[..., Entry] = _KINDS[kind]
        return make(*read)
    except (KeyError, TypeError, ArithmeticError) as error:
        raise ValueError(f"{kind!r} with these values is not a valid entry") from error
