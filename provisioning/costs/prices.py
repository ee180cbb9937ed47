"""The price table: what each thing costs, since when, and where that stands."""

import functools
import tomllib
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

TABLE = Path(__file__).with_name("prices.toml")
CATEGORIES = ("compute", "storage", "networking", "database")


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """US dollars for so many units in a region; read on a day, from a source at an address."""

    name: str
    region: str
    usd: Decimal
    per: int
    unit: str
    category: str
    read_on: str
    source: str
    url: str


class Table(NamedTuple):
    """Prices by name and region, and the types that cost nothing by themselves."""

    prices: dict[tuple[str, str], Price]
    free: frozenset[str]


@functools.cache
def table() -> Table:
    """The table as it was shipped."""
    with TABLE.open("rb") as file:
        document = tomllib.load(file)
    rows = [{key: value for key, value in row.items() if key != "deploy"} for row in document["price"]]
    prices = [Price(**row | {"usd": Decimal(row["usd"])}) for row in rows]
    return Table({(price.name, price.region): price for price in prices}, frozenset(document["free"]))
