"""The estimate: rows of one price each, as in docs/deploy.md, their sums by category, and all that has no price.

Rounding: the quantities of a price are added up over all resources; quantity times price is rounded to the cent once,
half to even; every sum is the sum of such rows.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from provisioning.costs.errors import UnpricedError
from provisioning.costs.prices import CATEGORIES, Price, table
from provisioning.costs.resources import Resource
from provisioning.costs.rules import RULES, Item, Line
from provisioning.costs.usage import BEDROCK, Usage, checked

CENT = Decimal("0.01")
LARGEST = 3
REGION = "us-east-1"
_ROUNDING = "each price is rounded to the cent once, for all that uses it, half to even; sums are of such rows"
_LEFT_OUT = "tax, free tier, discounts and data out to the internet are not counted"


@dataclass(slots=True)
class _Row:
    """All that is used of one price."""

    price: Price
    quantity: Decimal = Decimal(0)
    addresses: list[str] = field(default_factory=list)

    @property
    def usd(self) -> Decimal:
        return (self.quantity * self.price.usd / self.price.per).quantize(CENT)


def estimate(
    resources: Sequence[Resource], usage: Mapping[str, Any] | None = None, region: str = REGION
) -> dict[str, Any]:
    """US dollars a month by category, and what stands behind them; `region` is for resources that do not say theirs.

    Every resource is in a row, free or unpriced. Raises CostsError if the usage is not understood.
    """
    amounts = checked(usage, resources)
    rows: dict[tuple[str, str], _Row] = {}
    unpriced: list[dict[str, str]] = []
    free: Counter[str] = Counter()
    for each in resources:
        before = set(amounts.assumptions)
        try:
            lines = _lines(each, resources, amounts)
            prices = [(_price(name, each.region or region), quantity) for name, quantity in lines]
        except UnpricedError as error:
            amounts.assumptions = before  # nothing was assumed for what is not counted
            unpriced.append({"address": each.address, "type": each.type, "why": str(error)})
            continue
        free[each.type] += not prices
        for price, quantity in prices:
            _add(rows, price, each.sign * quantity, each.address)
    _add_tokens(rows, amounts, region)
    return _answer(rows, resources) | {
        "unpriced": unpriced,
        "free": sorted(kind for kind, count in free.items() if count),
        "pricesOf": _prices_of(rows),
        "assumptions": [_ROUNDING, _LEFT_OUT, *sorted(amounts.assumptions), *_of_region(resources, region)],
    }


def _lines(resource: Resource, others: Sequence[Resource], usage: Usage) -> list[Line]:
    """What a resource takes; nothing if it is free. Raises UnpricedError."""
    if resource.type in table().free:
        return []
    if resource.type.startswith("google_"):
        raise UnpricedError("no prices of Google Cloud are kept here")
    if resource.type not in RULES:
        raise UnpricedError("no price with a source is known for this type")
    try:
        return RULES[resource.type](Item(resource, others, usage))
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:  # of a state made by hand
        raise UnpricedError("its values are of kinds that the provider does not have") from error


def _price(name: str, region: str) -> Price:
    price = table().prices.get((name, region))
    if price is None:
        raise UnpricedError(f"no price with a source is known for {name} in {region}")
    return price


def _add(rows: dict[tuple[str, str], _Row], price: Price, quantity: Decimal, address: str) -> None:
    row = rows.setdefault((price.name, price.region), _Row(price))
    row.quantity += quantity
    row.addresses.append(address)


def _add_tokens(rows: dict[tuple[str, str], _Row], usage: Usage, region: str) -> None:
    """Tokens of Bedrock, which no resource stands for."""
    for name, price in (("input_tokens", "Bedrock Nova Lite, read"), ("output_tokens", "Bedrock Nova Lite, written")):
        quantity = usage.of(BEDROCK, BEDROCK, name)
        rate = table().prices.get((price, region))
        if quantity and rate:
            _add(rows, rate, quantity, BEDROCK)
        elif quantity:
            usage.assumptions.add(f"bedrock: no price with a source is known in {region}; {name} are not counted")


def _answer(rows: Mapping[tuple[str, str], _Row], resources: Sequence[Resource]) -> dict[str, Any]:
    sums = {
        category: sum((row.usd for row in rows.values() if row.price.category == category), Decimal(0))
        for category in CATEGORIES
    }
    counts: Counter[str] = Counter()
    for each in resources:
        counts[each.type] += each.sign
    largest = sorted(rows.values(), key=lambda row: (-abs(row.usd), row.price.name))[:LARGEST]
    return {
        **{category: _number(total) for category, total in sums.items()},
        "total": _number(sum(sums.values(), Decimal(0))),
        "resourceCounts": dict(sorted(counts.items())),
        "currency": "USD",
        "period": "monthly",
        "largest": [_shown(row) for row in largest if row.usd],
    }


def _shown(row: _Row) -> dict[str, Any]:
    return {
        "name": row.price.name,
        "region": row.price.region,
        "category": row.price.category,
        "usd": _number(row.usd),
        "quantity": float(row.quantity),
        "unit": row.price.unit,
        "addresses": sorted(set(row.addresses)),
    }


def _prices_of(rows: Mapping[tuple[str, str], _Row]) -> list[dict[str, Any]]:
    """Every price that was taken, with its day and source."""
    return [
        {
            "name": row.price.name,
            "region": row.price.region,
            "usd": float(row.price.usd),
            "per": f"{row.price.per:,} {row.price.unit}" if row.price.per > 1 else row.price.unit,
            "readOn": row.price.read_on,
            "source": row.price.source,
            "url": row.price.url,
        }
        for _, row in sorted(rows.items())
    ]


def _of_region(resources: Sequence[Resource], region: str) -> list[str]:
    if all(each.region for each in resources):
        return []
    return [f"{region}, where nothing says the region"]


def _number(value: Decimal) -> int | float:
    """As JSON has numbers: whole dollars without a point."""
    return int(value) if value == value.to_integral_value() else float(value)
