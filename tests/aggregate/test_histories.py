"""Whatever happens to the function, the lake is what a plain recomputation from raw makes."""

import gzip
import json
import os
import subprocess
import sys
import threading
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from lambda_functions.aggregate import index
from tests.aggregate.fake_aws import BEFORE
from tests.aggregate.histories import Crash, History, check_windows, play_many, recompute

ROOT = Path(__file__).parents[2]
HISTORIES = 60  # each of the six kinds of limits in `histories.play_many` ten times
MANY = 2100
WORKERS = 2
T0 = 1717200000  # 2024-06-01 00:00 UTC
DAY = 86400


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("count", [HISTORIES, pytest.param(MANY, marks=pytest.mark.soak)])
def test_every_history_ends_in_the_recomputation(count: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Duplicates, lateness, re-runs, runs at once and crashes at any call to AWS, in many random histories."""
    command = [sys.executable, "-W", "error", "-m", "tests.aggregate.histories"]
    quick = {**os.environ, "POLARS_MAX_THREADS": "1"}  # for frames of ten rows
    workers = [
        subprocess.Popen(
            [*command, str(first), str(WORKERS), str(count)],
            cwd=ROOT,
            env=quick,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for first in range(WORKERS)
    ]
    done = [(worker.communicate(), worker.returncode) for worker in workers]
    for (_, errors), code in done:
        assert code == 0, errors
    parts = [json.loads(output) for (output, _), _ in done]
    totals = {name: sum(part[name] for part in parts) for name in parts[0]}
    with capsys.disabled():
        sys.stdout.write(f"\n{totals}\n")
    assert totals["histories"] == count
    assert totals["crashes"] > count // 2 < totals["races"] + 1


def moved() -> History:
    """A lake with a day, and raw objects to come that move a sample to another day, add, repeat and refuse."""
    history, first = History(0), first_day()
    history.s3.objects.update(first.s3.objects)
    for name in ("databases", "tables", "partitions"):
        setattr(history.glue, name, deepcopy(getattr(first.glue, name)))
    return history


@cache
def first_day() -> History:
    """Made once, for copies: it is a third of what most of these tests run."""
    history = History(0)
    head = {"v": 1, "gateway_id": "g1", "sensor_id": "g1.soil", "zone_id": "a", "boot_id": "b", "client_id": "g1"}

    def put(key: str, received_at: int, *samples: tuple[int, int, float]) -> None:
        fields = ("seq", "measured_at", "vwc")
        found = [{**dict(zip(fields, sample, strict=True)), "clock": "synced"} for sample in samples]
        text = json.dumps({**head, "received_at": received_at, "samples": found})
        history.s3.objects[f"raw/2024/06/05/00/{key}"] = (gzip.compress(text.encode()), {})

    put("a.gz", T0 + 5 * DAY, (0, T0, 0.1), (1, T0 + DAY, 0.2), (2, T0 + DAY, 0.3))
    history.run()
    put("b.gz", T0 + 4 * DAY, (0, T0 + DAY, 0.5), (1, T0 + 2 * DAY, 0.6), (3, T0, 0.7))
    put("c.gz", T0 + 6 * DAY, (2, T0 + 3 * DAY, 0.3), (4, T0, 35.0))
    return history


def test_a_copy_on_another_day_is_the_same_sample() -> None:
    """Of copies with different times the one received first stays, on its own day, and leaves the other's."""
    history = moved()
    history.run()
    history.check()
    days = {row["seq"]: (row["measured_at"] - T0) // DAY for row in history.rows("samples")}
    assert days == {0: 1, 1: 2, 2: 1, 3: 0}


def test_a_crash_at_every_call_is_repaired() -> None:
    """A run that moves samples between days may die at any call, before or after it took effect."""
    calls = 0
    while True:
        history, left = moved(), calls

        def watch(when: str, operation: str) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise Crash

        try:
            history.run(watch)
        except Crash:
            history.run()
            history.check()
            calls += 1
            continue
        break
    assert calls > 2 * 15


def test_a_lost_answer_is_no_lost_race() -> None:
    """A commit whose answer is lost, and which the client repeats, is recognised; nothing is counted twice."""
    history = moved()
    client: Any = history.s3
    put, repeated = client.put_object, []

    def put_twice(**arguments: Any) -> Any:
        if arguments["Key"].endswith("_state/journal"):
            repeated.append(put(**arguments))
        return put(**arguments)

    def with_watch(_watch: Any) -> Any:
        client.put_object = put_twice
        return client

    client.with_watch = with_watch
    history.run()
    history.check()
    assert len(repeated) == 2


@pytest.mark.parametrize("sleeps_at", range(8, 30))
def test_a_run_that_sleeps_through_others_changes_nothing(sleeps_at: int) -> None:
    """A run that falls asleep at any call and wakes when others have finished its work, and more, spoils nothing."""
    history = moved()
    asleep, woken = threading.Event(), threading.Event()
    left = sleeps_at

    def watch(when: str, operation: str) -> None:
        nonlocal left
        left -= when == BEFORE
        if left == 0 and when == BEFORE:
            asleep.set()
            woken.wait(120)

    sleeper = threading.Thread(target=history.run, args=(watch,))
    sleeper.start()
    while sleeper.is_alive() and not asleep.is_set():
        asleep.wait(0.01)
    if asleep.is_set():
        history.run()
        history.put()
        history.run()
    woken.set()
    sleeper.join()
    history.run()
    history.check()


def test_small_limits_are_the_default_again() -> None:
    """The histories above set limits in processes of their own; here they are the function's."""
    assert index.BATCH_BYTES > 1
    assert play_many(0, 1, 0) == {"histories": 0, "runs": 0, "crashes": 0, "races": 0}


@pytest.mark.parametrize("seed", range(4))
def test_runs_at_once_on_a_real_api(lake: Any, seed: int) -> None:
    """Four runs in threads against the AWS API, while raw objects arrive, end in the same lake."""
    history = History(seed)
    for _ in range(3):
        for _ in range(4):
            history.put()
        for key, (body, _) in history.s3.objects.items():
            lake.put_bytes(key.removeprefix("raw/"), body)
        troubles: list[BaseException] = []

        def run(troubles: list[BaseException] = troubles) -> None:
            try:
                index.handler({}, None)
            except BaseException as error:
                troubles.append(error)

        threads = [threading.Thread(target=run) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert troubles == []
    samples, quarantine = recompute(history.s3.objects)
    rows = lake.in_seconds("samples")
    assert sorted(rows, key=lambda row: (row["sensor_id"], row["boot_id"], row["seq"])) == samples
    check_windows(lake.in_seconds("windows"), samples, 15 * 60)
    found = [(entry["object"], entry["line"] or 0) for entry in lake.quarantine()]
    assert sorted(found) == sorted((key, line) for key, line, _ in quarantine)
