"""What a run costs follows from what is new, not from how much there is."""

import functools
import gzip
import json
from collections import Counter
from typing import Any

import pytest

from tests.aggregate.histories import DAY, T0, History

SENSORS = ("g1.soil", "g1.weather", "g2.soil")
A_DAY = 24


def day_of_lines(day: int) -> list[dict[str, Any]]:
    """A sample each hour from each sensor, a reboot each month."""
    lines = []
    for sensor in SENSORS:
        gateway = sensor.split(".")[0]
        head = {"v": 1, "gateway_id": gateway, "sensor_id": sensor, "zone_id": "a", "client_id": gateway}
        samples = [
            {"seq": day % 30 * A_DAY + n, "measured_at": T0 + day * DAY + n * 3600, "clock": "synced", "vwc": 0.25}
            for n in range(A_DAY)
        ]
        lines.append({**head, "boot_id": f"b{day // 30}", "received_at": T0 + (day + 1) * DAY, "samples": samples})
    return lines


def put(history: History, day: int, lines: list[dict[str, Any]]) -> None:
    key = f"raw/{2024 + day // 300}/{1 + day % 300 // 25:02}/{1 + day % 25:02}/00/{day}.gz"
    body = gzip.compress("\n".join(map(json.dumps, lines)).encode(), 1)
    history.s3.objects[key] = (body, {})


def lived(days: int) -> History:
    """What there is after so many days."""
    history = History(0)
    for day in range(days):
        put(history, day, day_of_lines(day))
        if day >= days - 4 or day % 30 == 29:  # runs leave the same lake however they are cut
            history.run()
    return history


Cost = tuple[Counter[str], Counter[str]]  # requests and bytes, by operation


def cost_of_a_run(history: History, day: int, *more: dict[str, Any]) -> Cost:
    """Of the run that reads one new day, and `more` lines."""
    for client in (history.s3, history.glue):
        client.calls.clear()
    history.s3.bytes.clear()
    put(history, day, [*day_of_lines(day), *more])
    history.run()
    found = history.s3.calls + history.glue.calls, +history.s3.bytes
    history.check()
    return found


@functools.cache  # a long history is most of what this takes
def costs_after(days: int) -> dict[str, Cost]:
    """A day that is only new, and the next one, with which comes late what is known and what has moved."""
    history = lived(days)
    new = cost_of_a_run(history, days)
    late = {**day_of_lines(days - 4)[0], "received_at": T0 + (days + 3) * DAY}
    moved = [{**sample, "measured_at": sample["measured_at"] + 2 * DAY} for sample in late["samples"][:5]]
    return {"new": new, "late and repeated": cost_of_a_run(history, days + 1, late, {**late, "samples": moved})}


@pytest.mark.parametrize("most_days", [66, pytest.param(606, marks=pytest.mark.soak)])
@pytest.mark.parametrize("case", ["new", "late and repeated"])
def test_requests_and_bytes_are_flat(case: str, most_days: int) -> None:
    """At 1, 10 and, in the soak, 100 times the history new data costs the same requests, and bytes within 20 %."""
    costs = {days: costs_after(days)[case] for days in (6, 66, 606) if days <= most_days}
    requests = {days: sum(calls.values()) for days, (calls, _) in costs.items()}
    assert max(requests.values()) <= 1.2 * min(requests.values()), costs
    for operation in ("GetObject", "PutObject"):
        sizes = [counted[operation] for _, counted in costs.values()]
        assert max(sizes) <= 1.2 * min(sizes), costs


def test_a_run_without_news_is_two_requests() -> None:
    """The journal and a listing."""
    history = History(0)
    put(history, 0, day_of_lines(0))
    history.run()
    history.s3.calls.clear()
    history.glue.calls.clear()
    history.run()
    assert history.s3.calls == {"GetObject": 1, "ListObjectsV2": 1}
    assert history.glue.calls == {}


def test_a_small_run_is_few_requests() -> None:
    """Journal, list, raw object, day; journal, catalogue, windows, samples, journal."""
    history = History(0)
    first, *others = day_of_lines(0)
    put(history, 0, [first])
    history.run()
    history.s3.calls.clear()
    history.glue.calls.clear()
    key = "raw/2024/01/01/00/b.gz"
    text = json.dumps(
        {
            **others[0],
            "boot_id": "b0",
            "sensor_id": first["sensor_id"],
            "samples": [{**first["samples"][-1], "seq": A_DAY}],
        }
    )
    history.s3.objects[key] = (gzip.compress(text.encode()), {})
    history.run()
    assert history.s3.calls == {"GetObject": 3, "ListObjectsV2": 1, "HeadObject": 1, "PutObject": 4}
    assert history.glue.calls == {"GetTables": 1}
