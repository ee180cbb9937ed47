"""What docs/deploy.md says of costs is what the price table and the arithmetic give."""

import re
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path

import pytest

from scripts import monthly_cost
from scripts.monthly_cost import FLEETS, PRICES, READ_ON, cost_table, price_table, quantities

DOCUMENT = Path(__file__).parents[2] / "docs" / "deploy.md"
BETWEEN = re.compile(r"<!-- scripts/monthly_cost\.py -->\n(.*)<!-- end -->", re.DOTALL)


def tables() -> list[list[list[str]]]:
    """The cells of the document's two tables, without heads."""
    [text] = BETWEEN.findall(DOCUMENT.read_text(encoding="utf-8"))
    parts = [part.splitlines()[2:] for part in text.strip().split("\n\n")]
    return [[[cell.strip() for cell in line.strip("|").split("|")] for line in part] for part in parts]


def number(text: str) -> Decimal:
    return Decimal(text.strip("*").replace(",", ""))


def test_the_document_has_the_tables() -> None:
    """Word for word what the script prints."""
    [text] = BETWEEN.findall(DOCUMENT.read_text(encoding="utf-8"))
    assert text == f"{price_table()}\n\n{cost_table()}\n"


def test_every_row_is_quantity_times_price() -> None:
    """From the document alone: each cost is that of the quantity before it, as far as its digits go."""
    prices = {row[0]: number(row[1]) / number((re.findall(r"^[\d,]+", row[2]) or ["1"])[0]) for row in tables()[0]}
    rows = [row for row in tables()[1] if not row[0].startswith("**")]
    assert {row[0] for row in rows} == set(prices)
    for name, *cells in rows:
        for quantity, cost in zip(cells[: 2 * len(FLEETS) : 2], cells[1 : 2 * len(FLEETS) : 2], strict=True):
            told = number(quantity) * prices[name]
            assert abs(told - number(cost)) <= Decimal("0.006") + told / 200, (name, quantity)


def test_the_totals_are_the_sums() -> None:
    """Both totals are what their columns add up to."""
    *rows, total, without = tables()[1]
    for column in range(2, 2 * len(FLEETS) + 1, 2):
        assert number(total[column]) == sum(number(row[column]) for row in rows)
        assert number(without[column]) == sum(number(row[column]) for row in rows if row[0] != "Secrets")


def test_every_price_is_dated_and_says_where_it_was_seen() -> None:
    """A date at the head; a source in each row; none that pretends to come from AWS itself."""
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", READ_ON)
    assert READ_ON in price_table()
    for name, price in PRICES.items():
        assert "cop" in price.source or "guide" in price.source or "not confirmed" in price.source, name


@pytest.mark.parametrize("gateways", FLEETS)
def test_messages_are_counted_one_by_one(gateways: int) -> None:
    """A day of one gateway, written out: readings, status, diagnostics, commands and acks, three times each."""
    a_day = 4 * 24 + 24 + 1 + 3 * (1 + 3)
    month = Decimal(730) / 24
    expected = 3 * a_day * gateways * month + 2 * (gateways + 1) * month
    assert quantities(gateways)["IoT messages"][0].quantize(Decimal(1), ROUND_HALF_EVEN) == round(expected)


def test_the_intervals_are_the_firmwares() -> None:
    """The quantities rest on the gateway's own defaults."""
    source = (DOCUMENT.parents[1] / "firmware/lib/gateway/gateway.py").read_text(encoding="utf-8")
    for name, seconds in (("sample", 900), ("publish", 3600), ("status", 3600), ("diagnostics", 86400)):
        assert f'"{name}_interval_s": {seconds}' in source
    assert monthly_cost.AGGREGATES == 730 * 60 / 15
