"""Random histories of a lake, and the plain recomputation from raw that they must all end in.

A history puts raw objects (samples that come twice, late, with another time or content, from the wrong publisher, or
are no samples at all) and runs the function: once, again, two or three at once interleaved at every call to AWS, and
dying at any call, before or after it took effect. It ends with a run that nothing disturbs.
"""

import gzip
import io
import json
import math
import random
import statistics
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import polars as pl

from lambda_functions.aggregate import index
from lambda_functions.lake import spans
from lambda_functions.lake.settings import Settings
from lambda_functions.lake.store import Store
from lambda_functions.lake.tables import TABLES
from protocol.messages import QUANTITIES
from tests.aggregate.fake_aws import AFTER, S3, Glue

T0 = 1717200000  # 2024-06-01 00:00 UTC
DAY = 86400
MEASURED = ("vwc", "volume_l", "flow_l_min", "rain_mm")
SETTINGS = Settings(
    source_bucket="bucket",
    source_prefix="raw/",
    dest_bucket="bucket",
    dest_prefix="lake/",
    glue_database="lake",
    interval_minutes=60,
)
SENSORS = ("g1.soil", "g1.flow", "g10.soil")


NO_GZIP = b"no gzip"
NO_READING = ("{", "[1]", '{"v": 1}', "nonsense", '{"v": 1, "samples": []}')
TOO_WET = 35.0  # percent for a fraction


class Crash(Exception):  # noqa: N818  # it is one
    """The process dies here."""


class Raw:
    """Makes raw lines, and remembers what is right and what is wrong with each."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._sent: list[dict[str, Any]] = []

    def lines(self) -> list[str]:
        return [self._line() for _ in range(self._chance.randrange(1, 4))]

    def _line(self) -> str:
        chance = self._chance
        if chance.random() < 0.08:
            return chance.choice(NO_READING)
        if self._sent and chance.random() < 0.4:
            reading = self._again(chance.choice(self._sent))
        else:
            reading = self._reading()
            self._sent.append(reading)
        return json.dumps(reading)

    def _reading(self) -> dict[str, Any]:
        chance = self._chance
        sensor = chance.choice(SENSORS)
        gateway = sensor.split(".")[0]
        reading = {"v": 1, "gateway_id": gateway, "sensor_id": sensor, "zone_id": chance.choice(["a", "b", None])}
        more = {"boot_id": chance.choice(["b1", "b2"]), "client_id": gateway, "received_at": self._time(5)}
        if chance.random() < 0.07:
            more["client_id"] = "g2"
        first = chance.randrange(12)
        samples = [self._sample(first + step) for step in range(chance.randrange(1, 5))]
        return {**reading, **more, "samples": samples}

    def _sample(self, seq: int) -> dict[str, Any]:
        chance = self._chance
        values: dict[str, Any] = {
            name: chance.choice([None, 0.0, -0.0, 0.25, round(chance.random(), 3)])
            for name in chance.sample(MEASURED, chance.randrange(3))
        }
        if chance.random() < 0.04:
            values["vwc"] = TOO_WET
        return {"seq": seq, "measured_at": self._time(3), "clock": chance.choice(["synced", "estimated"]), **values}

    def _again(self, reading: dict[str, Any]) -> dict[str, Any]:
        chance = self._chance
        again = {**reading, "received_at": self._time(5)}
        if chance.random() < 0.3:
            again["zone_id"] = chance.choice(["a", "b", None])
        if chance.random() < 0.5:
            again["samples"] = [{**sample, "measured_at": self._time(3)} for sample in reading["samples"]]
        return again

    def _time(self, days: int) -> int:
        return T0 + self._chance.randrange(days) * DAY + self._chance.choice([0, 60, 3599, 3600, DAY - 1])


class Turns:
    """Lets one of several runs go on at a time, from one call to AWS to its next, in an order drawn by `chance`."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._waiting: dict[int, threading.Semaphore] = {}
        self._stopped = threading.Semaphore(0)

    def play(self, runs: list[Callable[[Callable[[], None]], None]]) -> None:
        """Each run is called with what it must call before anything that others could notice."""
        threads = [threading.Thread(target=self._run, args=(number, run)) for number, run in enumerate(runs)]
        self._waiting = {number: threading.Semaphore(0) for number in range(len(runs))}
        for thread in threads:
            thread.start()
        while self._waiting:
            self._waiting[self._chance.choice(list(self._waiting))].release()
            self._stopped.acquire()
        for thread in threads:
            thread.join()

    def _run(self, number: int, run: Callable[[Callable[[], None]], None]) -> None:
        def pause() -> None:
            self._stopped.release()
            self._waiting[number].acquire()

        self._waiting[number].acquire()
        try:
            run(pause)
        finally:
            del self._waiting[number]
            self._stopped.release()


class History:
    """One lake and what happens to it; everything follows from `seed`."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.s3, self.glue = S3(), Glue()
        self.raw = Raw(self.chance)
        self.crashes = self.races = self.runs = 0
        self.troubles: list[BaseException] = []

    def play(self) -> None:
        for _ in range(self.chance.randrange(1, 3)):
            for _ in range(self.chance.randrange(1, 3)):
                self.put()
            self.run_some()
        self.run()

    def put(self) -> None:
        key = f"raw/2024/06/06/{self.chance.randrange(24):02}/{self.chance.randrange(10**9)}.gz"
        body = gzip.compress("\n".join(self.raw.lines()).encode(), 1)
        self.s3.objects[key] = (NO_GZIP if self.chance.random() < 0.03 else body, {})

    def run_some(self) -> None:
        at_once = self.chance.choice([1, 1, 2, 2, 2, 3])
        if at_once == 1:
            self._may_die(lambda: None)
            return
        self.races += 1
        Turns(self.chance).play([self._may_die] * at_once)

    def run(self, watch: Callable[[str, str], None] = lambda when, operation: None) -> None:
        """One run of the function; raises what it raises."""
        self.runs += 1
        s3: Any = self.s3.with_watch(watch)
        glue: Any = self.glue.with_watch(watch)
        store = Store(s3, glue, threads=1)
        index.aggregate(SETTINGS, store)

    def _may_die(self, pause: Callable[[], None]) -> None:
        calls_left = self.chance.choice([10**9, self.chance.randrange(30)])

        def watch(when: str, operation: str) -> None:
            nonlocal calls_left
            calls_left -= 1
            if calls_left < 0:
                raise Crash
            if when != AFTER:
                pause()

        try:
            self.run(watch)
        except Crash:
            self.crashes += 1
        except BaseException as error:  # in a thread; raised again by `check`
            self.troubles.append(error)

    def check(self) -> None:
        """Raise AssertionError unless the lake is what a plain recomputation from raw makes."""
        if self.troubles:
            raise self.troubles[0]
        samples, quarantine = recompute(self.s3.objects)
        assert self.table("samples") == [tuple(row.values()) for row in samples]
        check_windows(self.rows("windows"), samples, SETTINGS.interval_minutes * 60)
        assert sorted(self.quarantine()) == sorted(quarantine)
        days = {
            (table, time.strftime("%Y-%m-%d", time.gmtime(row["measured_at"]))) for table in TABLES for row in samples
        }
        assert self.glue.partitions >= days

    def rows(self, table: str) -> list[dict[str, Any]]:
        """A table's rows, times in Unix seconds, as a reader of all its files has them."""
        bodies = [body for key, (body, _) in sorted(self.s3.objects.items()) if key.startswith(f"lake/{table}/")]
        frames = [pl.read_parquet(io.BytesIO(body)) for body in bodies]
        if not frames:
            return []
        return pl.concat(frames).with_columns(pl.selectors.datetime().dt.epoch("s")).rows(named=True)

    def table(self, name: str) -> list[tuple[Any, ...]]:
        return sorted((tuple(row.values()) for row in self.rows(name)), key=_identity_of_tuple)

    def quarantine(self) -> list[tuple[Any, ...]]:
        bodies = [body for key, (body, _) in self.s3.objects.items() if key.startswith("lake/quarantine/")]
        entries = [json.loads(line) for body in bodies for line in body.splitlines()]
        assert all(entry["reason"] for entry in entries)
        places = ((entry["object"], entry["line"], entry["sample"]) for entry in entries)
        return [(key, line or 0, -1 if sample is None else sample) for key, line, sample in places]


def recompute(objects: dict[str, tuple[bytes, dict[str, str]]]) -> tuple[list[dict[str, Any]], list[tuple[Any, ...]]]:
    """Samples by identity, and quarantine as (object, line, sample), of all raw objects; as plainly as can be."""
    copies: dict[tuple[str, str, int], list[dict[str, Any]]] = defaultdict(list)
    bad: list[tuple[Any, ...]] = []
    for key in (key for key in objects if key.startswith("raw/")):
        body = objects[key][0]
        if body == NO_GZIP:
            bad.append((key, 0, -1))
            continue
        for number, text in enumerate(gzip.decompress(body).decode().split("\n"), 1):
            reading = {} if text in NO_READING else json.loads(text)
            if not reading or reading["client_id"] != reading["gateway_id"]:
                bad.append((key, number, -1))
                continue
            for place, sample in enumerate(reading["samples"]):
                if sample.get("vwc") == TOO_WET:
                    bad.append((key, number, place))
                else:
                    row = _row(reading, sample)
                    copies[row["sensor_id"], row["boot_id"], row["seq"]].append(row)
    return [min(copies[identity], key=_rank) for identity in sorted(copies)], bad


def _row(reading: dict[str, Any], sample: dict[str, Any]) -> dict[str, Any]:
    flat = {**reading, **sample}
    names = ("sensor_id", "gateway_id", "zone_id", "boot_id", "seq", "measured_at", "clock", "received_at", *QUANTITIES)
    return {name: flat.get(name) for name in names}


def _rank(row: dict[str, Any]) -> list[Any]:
    """Received first, then measured first, then the other columns in their order, nothing before something."""
    rest = [row[name] for name in row if name not in ("received_at", "measured_at")]
    return [row["received_at"], row["measured_at"], *((False, 0) if value is None else (True, value) for value in rest)]


def _identity_of_tuple(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return row[0], row[3], row[4]


def check_windows(found: list[dict[str, Any]], samples: list[dict[str, Any]], length_s: int) -> None:
    """Hold a table of windows against the statistics of samples."""
    values = defaultdict(list)
    for row in sorted(samples, key=lambda row: (row["measured_at"], row["boot_id"], row["seq"])):
        for name in QUANTITIES:
            if row[name] is not None:
                values[row["sensor_id"], row["zone_id"], name, row["measured_at"] // length_s * length_s].append(
                    row[name]
                )
    by_place = {(w["sensor_id"], w["zone_id"], w["quantity"], w["window_start"]): w for w in found}
    assert len(by_place) == len(found)
    assert by_place.keys() == values.keys()
    for place, numbers in values.items():
        _check_window(by_place[place], place[2], numbers, length_s / 60)


def _check_window(window: dict[str, Any], quantity: str, numbers: list[float], minutes: float) -> None:
    assert (window["count"], window["min"], window["max"]) == (len(numbers), min(numbers), max(numbers))
    assert (window["first"], window["last"]) == (numbers[0], numbers[-1])
    assert window["interval_minutes"] == minutes
    mean = statistics.fmean(numbers)
    volume = {"volume_l": math.fsum(numbers), "flow_l_min": mean * minutes}.get(quantity)
    spread = statistics.stdev(numbers) if len(numbers) > 1 else None
    for name, wanted in (("mean", mean), ("std", spread), ("volume_l", volume)):
        got = window[name]
        assert (got is None) == (wanted is None), (name, got, wanted)
        assert wanted is None or math.isclose(got, wanted, rel_tol=1e-9, abs_tol=1e-12), (name, got, wanted)


def play_many(first: int, step: int, count: int) -> dict[str, int]:
    """Play and check histories, every second with limits so small that each boot's spans go to its file at once."""
    totals = dict.fromkeys(("histories", "runs", "crashes", "races"), 0)
    for seed in range(first, count, step):
        small = seed // step % 2
        spans.BLOCK, spans.BOOTS_ALIVE, spans.DAYS_ALIVE = (4, 1, 1) if small else (1 << 16, 3, 2)
        index.BATCH_BYTES = 1 if seed % 3 == 0 else 1 << 19
        history = History(seed)
        try:
            history.play()
            history.check()
        except BaseException as error:
            error.add_note(f"in the history of seed {seed}")
            raise
        found = {"histories": 1, "runs": history.runs, "crashes": history.crashes, "races": history.races}
        totals = {name: totals[name] + found[name] for name in totals}
    return totals


if __name__ == "__main__":
    sys.stdout.write(json.dumps(play_many(*map(int, sys.argv[1:]))))
