"""A hostile but enrolled gateway with a free hand beside honest ones: what it changes for them, and what it costs.

`python -m benchmarks attack [--days N] [--pairs N]` plays a farm of honest gateways, whose soil dries and is watered,
with the hostile one and without it in turn, on the same service and store as on a farm. Whatever the hostile one tries
passes the policies of its certificate or is dropped, as at the broker. It ends with code 1 if a zone of the others got
another water, to the litre, or if a decision about them costs more than the limits.
"""

import argparse
import json
import logging
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from agronomy.units import DAY_S, HOUR_S
from benchmarks.console.table import Ratio, text
from compute_service.adapters.sqlite.store import SqliteStore
from local_cloud.cloud import POLICIES
from local_cloud.policy import Policy, render
from protocol import topics
from tests.compute_service.bench import NOON, Bench, zone
from tests.safety.garbage import GARBAGE, TOPICS, documents

MOST_CPU, MOST_LATENCY = 1.2, 1.5
FARM = tuple(f"irrigation-gateway-{number}" for number in range(1, 5))
HOSTILE = "irrigation-gateway-9"
QUARTER_S = 900
DRYING_A_QUARTER = 0.0004  # of the soil's volume, at noon and at night
TALK, FLOOD = 12, 4000  # messages in a quarter of an hour; in one of FLOOD_EVERY quarters
FLOOD_EVERY = 96
POLICY_FOLDER = Path(__file__).parents[1] / "terraform" / "modules" / "iot" / "policies"


class Cost(NamedTuple):
    """Seconds a decision about the honest zones: of CPU, and from their readings' arrival to its end."""

    cpu_s: float
    latency_s: float


class AttackRun(NamedTuple):
    """What a run gave: each honest zone's water, what decisions cost, and what came of the hostile messages."""

    water: dict[str, list[tuple[int, int, float]]]
    cost: Cost
    counts: Counter[str]
    hostile_s: float


def main() -> int:
    """Play, print, judge."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks attack")
    parser.add_argument("--days", type=int, default=30, help="of the field (%(default)s)")
    parser.add_argument("--pairs", type=int, default=5, help="with and without, in turn (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the hostile gateway's hand (%(default)s)")
    options = parser.parse_args()
    logging.getLogger().addHandler(logging.NullHandler())  # the service is written for one that has a log
    pairs = []
    for number in range(options.pairs):
        seed = options.seed + number
        runs = {is_hostile: play(options.days, seed, is_hostile) for is_hostile in (number % 2 == 0, number % 2 == 1)}
        pairs.append((runs[True], runs[False]))
        print(f"pair {number + 1} of {options.pairs} played", file=sys.stderr, flush=True)
    rows = list(_rows(pairs))
    print(text(rows))
    return 0 if all(row.holds for row in rows) else 1


def _rows(pairs: list[tuple[AttackRun, AttackRun]]) -> Iterator[Ratio]:
    honest_litres = sum(row[2] for _, alone in pairs[:1] for rows in alone.water.values() for row in rows)
    runs = sum(len(rows) for rows in pairs[0][1].water.values())
    changed = sum(beside.water[name] != alone.water[name] for beside, alone in pairs for name in alone.water)
    zones = len(pairs) * len(pairs[0][1].water)
    counts = sum((beside.counts for beside, _ in pairs), Counter[str]())
    tried = ", ".join(f"{count:,} {word}" for word, count in sorted(counts.items()))
    yield Ratio(
        "zones of others with another water", changed, 0, f"of {zones}; a run gives {runs}, {honest_litres:,.0f} l"
    )
    for title, most, cost in (
        ("service's CPU a decision", MOST_CPU, [(one.cost.cpu_s, other.cost.cpu_s) for one, other in pairs]),
        ("its median latency", MOST_LATENCY, [(one.cost.latency_s, other.cost.latency_s) for one, other in pairs]),
    ):
        beside_ms, alone_ms = (1e3 * statistics.median(side) for side in zip(*cost, strict=True))
        ratio = statistics.median(one / other for one, other in cost)
        note = f"{beside_ms:.2f} ms against {alone_ms:.2f} ms, {len(cost)} pairs"
        yield Ratio(f"{title}, with it / without", ratio, most, note)
    each_us = 1e6 * sum(beside.hostile_s for beside, _ in pairs) / counts["passed"]
    yield Ratio(
        "hostile messages that passed, a tried one",
        counts["passed"] / counts["tried"],
        None,
        f"{tried}; {each_us:.0f} us each",
    )


def play(days: int, seed: int, is_hostile: bool) -> AttackRun:
    """One run of so many field days on a store of its own."""
    with tempfile.TemporaryDirectory() as folder, closing(SqliteStore(Path(folder) / "store")) as store:
        farm = MixedFarm(store, seed if is_hostile else None)
        for quarter in range(days * DAY_S // QUARTER_S):
            farm.live(quarter)
        water = {name: plot.water for name, plot in farm.plots.items()}
        cost = Cost(*(statistics.median(column) for column in zip(*farm.costs, strict=True)))
        return AttackRun(water, cost, farm.counts, farm.hostile_s)


@dataclass
class Plot:
    """A honest zone's soil, and the water that its gateway gave: when, for how long, and how much."""

    vwc: float = 0.25
    seq: int = 0
    water: list[tuple[int, int, float]] = field(default_factory=list)


@dataclass
class MixedFarm:
    """The service with four honest gateways of a zone each, and a fifth that is hostile if it has a seed."""

    store: SqliteStore
    seed: int | None
    costs: list[Cost] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    hostile_s: float = 0.0

    def __post_init__(self) -> None:
        self.names = {f"plot-{number}a": name for number, name in enumerate(FARM, 1)}
        settings = {**self.names, "plot-9a": HOSTILE}
        zones = [zone(zone_id=one, gateway_id=name, sensor_id=f"{name}.soil-a") for one, name in settings.items()]
        self.plots = {name: Plot() for name in self.names}
        self.bench = Bench(self.store, tuple(zones), now=NOON - NOON % QUARTER_S)
        self.bench.service.start()
        documents_of_gateway = [
            render(POLICY_FOLDER / POLICIES[name], "r", "1") for name in POLICIES if "gateway" in name
        ]
        self.policy = Policy(documents_of_gateway, HOSTILE, "arn:aws:iot:r:1")
        self.hand = Hand(self.seed, self.names) if self.seed is not None else None

    def live(self, quarter: int) -> None:
        """A quarter of an hour: the hostile one has its say, then the honest ones report and are decided about."""
        bench = self.bench
        if self.hand:
            self._hear_hostile(
                self.hand.messages(bench.now, FLOOD if quarter % FLOOD_EVERY == 50 else TALK, self._ids())
            )
        bench.tick(10)
        waiting = next(iter(self.hand.messages(bench.now, 1, self._ids())), None) if self.hand else None
        begin, cpu_begin = time.perf_counter(), time.thread_time()
        if waiting:  # one of its messages stands before theirs
            self._hear_hostile([waiting])
        for zone_id, plot in self.plots.items():
            self._report(zone_id, plot, quarter)
        bench.tick(10)
        count = len(self.plots)
        self.costs.append(Cost((time.thread_time() - cpu_begin) / count, (time.perf_counter() - begin) / count))
        self._obey()
        bench.now += QUARTER_S - 20

    def _ids(self) -> list[str]:
        return [command["command_id"] for command in self.bench.commands()]

    def _hear_hostile(self, messages: "list[tuple[str, bytes]]") -> None:
        begin = time.thread_time()
        for topic, payload in messages:
            self.counts["tried"] += 1
            if not self.policy.allows("iot:Publish", topic):
                continue
            self.counts["passed"] += 1
            self.bench.service.handle(topic, payload)
        self.hostile_s += time.thread_time() - begin

    def _report(self, zone_id: str, plot: Plot, quarter: int) -> None:
        plot.vwc -= DRYING_A_QUARTER if quarter % 96 < 48 else DRYING_A_QUARTER / 4
        plot.seq += 1
        name = self.names[zone_id]
        sample = {"seq": plot.seq, "measured_at": self.bench.now, "clock": "synced", "vwc": round(plot.vwc, 4)}
        message = {"gateway_id": name, "sensor_id": f"{name}.soil-a", "zone_id": zone_id, "boot_id": "boot-1-00000001"}
        self.bench.hear(topics.data(f"{name}.soil-a"), {**message, "samples": [sample]})

    def _obey(self) -> None:
        """Honest gateways run what they are told, at once; the hostile one does as it likes, and answers nothing."""
        commands, self.bench.published[:] = self.bench.commands(), []
        for command in commands:
            plot = self.plots.get(command["zone_id"])
            if plot is None:
                continue
            zone_of_plot = next(one for one in self.bench.zones if one.zone_id == command["zone_id"])
            litres = round(command["duration_s"] * zone_of_plot.flow_l_min / 60, 1)
            self.bench.hear_ack(command, "started")
            self.bench.hear_ack(command, "done", duration_s=command["duration_s"], volume_l=litres)
            plot.water.append((self.bench.now, command["duration_s"], litres))
            wet_mm = litres / zone_of_plot.area_m2 * zone_of_plot.efficiency
            plot.vwc += wet_mm / 1000 / zone_of_plot.root_depth_m


class Hand:
    """What the hostile gateway tries: in its own name and in others', true, false, absurd and broken, anywhere."""

    def __init__(self, seed: int, names: dict[str, str]) -> None:
        self._random = random.Random(seed)  # noqa: S311 - which of many
        self._names = {**names, "plot-9a": HOSTILE}

    def messages(self, now: int, count: int, command_ids: list[str]) -> list[tuple[str, bytes]]:
        return [self._message(now, command_ids) for _ in range(count)]

    def _message(self, now: int, command_ids: list[str]) -> tuple[str, bytes]:
        pick = self._random.choice
        zone_id, name = pick(list(self._names.items()))
        good = documents(now, pick(command_ids) if command_ids else "c1")
        kind = pick(list(good))
        document = json.loads(
            json.dumps(good[kind])
            .replace("irrigation-gateway-1", name)
            .replace("plot-1a", zone_id)
            .replace("plot-1b", zone_id)
            .replace("soil-b", "soil-a")
        )
        topic = TOPICS[kind].replace("irrigation-gateway-1", pick((HOSTILE, HOSTILE, name))).replace("soil-b", "soil-a")
        if self._random.random() < 0.1:
            topic = pick(topics.UNPROVEN)
        self._exaggerate(document, now)
        if self._random.random() < 0.5:
            return topic, json.dumps(document).encode()
        return topic, self._broken(kind, document)

    def _exaggerate(self, document: dict[str, Any], now: int) -> None:
        """Everything that a message of its own may say, at its worst."""
        pick = self._random.choice
        for sample in document.get("samples", ()):
            claims: tuple[dict[str, Any], ...] = (
                {"vwc": pick((0.0, 0.13, 0.3, 1.0))},
                {"rain_mm": pick((0.0, 30.0, 400.0))},
                {"wind_m_s": 70.0},
                {"air_temperature_c": pick((-60.0, 60.0))},
                {"volume_l": 9e5, "leak_s": 900},
                {"volume_l": 1e6},
            )
            if pick((True, False)):
                del sample["vwc"]
            sample.update(pick(claims))
            sample.update(seq=self._random.randrange(1, 2**31), measured_at=now - self._random.randrange(HOUR_S))
        if "epochs" in document:
            document["epochs"] = {one: self._random.randrange(1, 2**53) for one in self._names}
            document |= {"open_valves": list(self._names), "boot_id": f"boot-{self._random.randrange(1, 10**6)}"}
            document |= {"watered_24h_s": dict.fromkeys(self._names, DAY_S), "state": pick(("online", "offline"))}
        if "command_id" in document:
            document |= {
                "state": pick(("started", "done", "rejected", "failed")),
                "epoch": self._random.randrange(1, 2**53),
            }
            document |= {"duration_s": self._random.randrange(0, DAY_S), "volume_l": 9e5, "held_epoch": 2**53 - 1}
        if "code" in document:
            document |= {"text": self._random.randbytes(20).hex(), "volume_l": 9e5, "duration_s": 900}

    def _broken(self, kind: str, document: dict[str, Any]) -> bytes:
        spoil = GARBAGE[self._random.choice(SPOILERS)]
        spoilt = list(spoil(kind, document))
        if not spoilt:
            return b"{"
        what = self._random.choice(spoilt)[1]
        if isinstance(what, tuple):
            what = what[1]
        return what if isinstance(what, bytes) else json.dumps(what).encode()


BIG = {"too big", "too deep"}  # 128 KB each: of a hundred broken messages two
SPOILERS = [name for name in GARBAGE if name not in BIG] * 8 + sorted(BIG)


if __name__ == "__main__":
    sys.exit(main())
