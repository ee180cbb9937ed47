"""Rows as they are kept on disk: columns by their names, so that no value is known by its place alone."""

from collections.abc import Sequence
from typing import Any, TypeVar

Row = TypeVar("Row")  # a NamedTuple


def columns(rows: Sequence[Any]) -> dict[str, list[Any]]:
    """The columns of NamedTuples of one kind, by the names of their fields; nothing of no rows."""
    return dict(zip(rows[0]._fields, map(list, zip(*rows, strict=True)), strict=True)) if rows else {}


def rows(kind: type[Row], table: Any) -> tuple[Row, ...]:
    """The rows that `columns` was given; or those of older services, which kept lists in the order of the fields.

    A field that was not there yet has its default.
    """
    if isinstance(table, dict):
        names, values = tuple(table), zip(*table.values(), strict=True)
        return tuple(kind(**dict(zip(names, row, strict=True))) for row in values)
    return tuple(kind(*row) for row in table)
