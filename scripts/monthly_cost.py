"""What a deployment costs a month on AWS: prints the two tables of docs/deploy.md. `python3 scripts/monthly_cost.py`

Prices are those of provisioning/costs/prices.toml that make these tables: of us-east-1 in US dollars, without tax, free
tier or discounts; quantities follow from the product's own defaults, and from what was measured where the text says so.
Standard library only.
"""

import sys
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

TABLE = Path(__file__).resolve().parent.parent / "provisioning" / "costs" / "prices.toml"
FLEETS = (2, 100, 10_000)

HOURS = 730  # a month
DAYS = Decimal(HOURS) / 24
ZONES = 2  # availability zones with an endpoint
SENSORS = 4  # a gateway's: three probes and a weather station, as the simulator's
RUNS_A_DAY = 3  # irrigations a gateway
WORDS_A_RUN = 4  # a command, and the acks received, started and done
AGGREGATES = HOURS * 4  # runs of the function, one in 15 minutes
GB = 2**30
RECORD = 5 * 1024  # what Firehose counts for a smaller one
KEPT_VERSIONS_DAYS = 7  # replaced day files, outside prod


class Price(NamedTuple):
    """US dollars for so many units, and where that stands."""

    usd: Decimal
    per: int
    unit: str
    source: str


class Measured(NamedTuple):
    """One day of a fleet, measured on the development machine: bytes in S3, and the day's last run of the function."""

    raw_bytes: int
    lake_bytes: int
    run_s: int
    memory_gb: int


def _rows() -> list[dict[str, Any]]:
    with TABLE.open("rb") as file:
        return [row for row in tomllib.load(file)["price"] if row.get("deploy")]


# No price was read from AWS itself: neither its site nor its price list was in reach.
PRICES = {row["name"]: Price(Decimal(row["usd"]), row["per"], row["unit"], row["source"]) for row in _rows()}
READ_ON = max(row["read_on"] for row in _rows())
MEASURED = {  # python -m benchmarks fleet_day; seconds and memory rounded up, for a processor that is shared
    2: Measured(19_720, 51_274, 2, 1),
    100: Measured(459_034, 1_266_294, 2, 1),
    10_000: Measured(42_550_451, 124_854_067, 15, 5),
}


def quantities(gateways: int) -> dict[str, tuple[Decimal, str]]:
    """By name of the price: how much of it a month, and where that comes from. Storage is that after a year."""
    things, day = gateways + 1, MEASURED[gateways]
    readings = Decimal(gateways * SENSORS * HOURS)
    others = gateways * (HOURS + DAYS + RUNS_A_DAY * WORDS_A_RUN * DAYS)
    messages = 3 * (readings + others) + 2 * things * DAYS
    byte_days = 365 * (day.raw_bytes + day.lake_bytes) + KEPT_VERSIONS_DAYS * 96 * day.lake_bytes
    rows: dict[str, tuple[Decimal | int, str]] = {
        "IoT connection": (things * HOURS * 60, "gateways and compute, always connected"),
        "IoT messages": (
            messages,
            "each counted three times: published, delivered, acknowledged by the receiver; a reconnect a day",
        ),
        "IoT rules": (2 * readings, "one rule and one action a reading"),
        "Firehose": (readings * RECORD / GB, "a record a reading"),
        "Interface endpoint": (HOURS * ZONES, f"{ZONES} zones"),
        "Endpoint data": (messages * 1000 / GB, "compute's messages, 1 KB each"),
        "Network load balancer": (HOURS, "one; its traffic adds cents"),
        "Private DNS zone": (1, "the IoT host's name inside the VPC"),
        "Secrets": (things, "a private key a thing"),
        "Lambda time (arm64)": (
            AGGREGATES * day.run_s * day.memory_gb,
            "96 runs a day, each as long as the last of a day",
        ),
        "Lambda requests": (AGGREGATES, "as above"),
        "Scheduler": (AGGREGATES, "as above"),
        "S3 storage": (Decimal(byte_days) / GB, f"after a year, and {KEPT_VERSIONS_DAYS} days of replaced day files"),
        "S3 writes": (
            AGGREGATES * 6 + gateways * DAYS,
            "6 a run with its raw object, one a gateway at the turn of the day",
        ),
        "S3 reads": (AGGREGATES * 5 + gateways * DAYS, "5 a run, one a gateway at the turn of the day"),
        "Glue crawler": (DAYS / 7 * 2 / 6, "one a week: ten minutes at least, 2 DPU"),
        "Alarms": (6, "as in modules/compute"),
        "Metric of our own": (1, "rows in quarantine"),
        "Logs": (Decimal(AGGREGATES * 3000) / GB, "3 KB a run; IoT Core's own at WARN is not counted"),
        "Image storage": (Decimal("0.3"), "ten images that share most layers"),
    }
    return {name: (Decimal(quantity), why) for name, (quantity, why) in rows.items()}


def cost(name: str, quantity: Decimal) -> Decimal:
    """US dollars, to the cent."""
    return (quantity * PRICES[name].usd / PRICES[name].per).quantize(Decimal("0.01"))


def price_table() -> str:
    """Every price with its unit and source."""
    rows = [
        f"| {name} | {price.usd} | {f'{price.per:,} ' if price.per > 1 else ''}{price.unit} | {price.source} |"
        for name, price in PRICES.items()
    ]
    return "\n".join([f"| read on {READ_ON} | USD | per | seen in |", "|---|---|---|---|", *rows])


def cost_table() -> str:
    """Quantity and cost of every price for each fleet, the total, and the total without secrets."""
    columns = [quantities(gateways) for gateways in FLEETS]
    head = "".join(f" {gateways:,} gateways | USD |" for gateways in FLEETS)
    lines = [f"| a month |{head} how much |", "|---|" + "---|---|" * len(FLEETS) + "---|"]
    for name, (_, why) in columns[0].items():
        cells = "".join(f" {_shown(column[name][0])} | {cost(name, column[name][0])} |" for column in columns)
        lines.append(f"| {name} |{cells} {why} |")
    for title, left_out in (("**Total**", ()), ("**Total, keys_in_secrets_manager = false**", ("Secrets",))):
        sums = [sum(cost(name, column[name][0]) for name in column if name not in left_out) for column in columns]
        lines.append(f"| {title} |" + "".join(f" | **{total:,}** |" for total in sums) + " |")
    return "\n".join(lines)


def _shown(quantity: Decimal) -> str:
    return f"{quantity:,.0f}" if quantity >= 100 else f"{quantity.normalize():.3g}"


def main() -> int:
    """Print both tables."""
    print(price_table(), cost_table(), sep="\n\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
