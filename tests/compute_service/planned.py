"""A farm with a fallback plan, and what its board says of it."""

from typing import Any

from compute_service.domain.ports import Store
from compute_service.domain.zone import FallbackSettings, Zone
from tests.compute_service.bench import NOON, Bench, zone
from tests.compute_service.people import stop_ack

OTHER = "irrigation-gateway-2"
PLAN = FallbackSettings(run_s=1200, days=5)
ULID = "01JXT22EEAC54GFB1S3AEQ3XZN"


def planned(letter: str = "a", **overrides: Any) -> Zone:
    """A zone whose board may water without the cloud."""
    return zone(letter, **{"fallback": PLAN, **overrides})


def begun(store: Store, *zones: Zone, now: int = NOON) -> Bench:
    bench = Bench(store, zones or (planned(), zone("b")), now=now)
    bench.service.start()
    return bench


def moist(bench: Bench, letter: str = "a", after_s: int = 900) -> list[dict[str, Any]]:
    """A zone that needs nothing is decided about; gives the commands that follow."""
    before = len(bench.commands())
    bench.now += after_s
    bench.hear_reading(letter, vwc=0.27)
    bench.tick(10)
    return bench.commands()[before:]


def dry(bench: Bench, every_s: int = 900) -> dict[str, Any]:
    """A zone dries until the service believes it; gives the command to open."""
    for _ in range(20):
        bench.now += every_s
        bench.hear_reading("a", vwc=0.18)
        bench.tick(10)
        if bench.commands() and bench.commands()[-1]["action"] == "open":
            break
    return bench.commands()[-1]


def plans(bench: Bench) -> list[dict[str, Any]]:
    return [one for one in bench.commands() if one["action"] == "fallback"]


def taken(bench: Bench, **fields: Any) -> dict[str, Any]:
    """A plan that the board has taken."""
    [plan] = moist(bench)
    assert plan["action"] == "fallback"
    stop_ack(bench, plan, code="ok", **fields)
    return plan


def run(plan: dict[str, Any], number: int = 1) -> dict[str, Any]:
    """The command of a run under a plan, as its acks name it."""
    return {**plan, "command_id": f"{plan['command_id']}-{number}"}


def litres(bench: Bench, letter: str = "a") -> float:
    """All water that is booked for a zone."""
    one = next(one for one in bench.zones if one.zone_id == f"plot-1{letter}")
    return round(sum(row.litres or 0.0 for row in bench.store.journal.water(one, 0, 2**40)), 3)
