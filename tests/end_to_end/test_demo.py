"""`make demo` as its user meets it: one seed is one farm, both brokers, Ctrl-C, and clear words for mistakes."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import polars as pl
import psutil
import pytest

from demo.command import main
from tests.end_to_end.conftest import Demo, Play
from tests.protocol.types import events, flaws
from tests.waiting import LAST_RESORT_S, until_true

ROOT = Path(__file__).parents[2]
RARE_EVENTS = {"error", "refusal", "kill", "unproven"}  # on a farm where nothing goes wrong
SAME = ("commands_sent", "commands_done", "litres_delivered", "samples_taken", "lake_sha256")


def told(demo: Demo) -> list[tuple[object, ...]]:
    """The commands of a run without their random ids."""
    names = ("at", "device_id", "zone_id", "action", "duration_s", "max_volume_l", "epoch", "expires_at")
    return [tuple(command[name] for name in names) for command in demo.events("command")]


def moisture_of_the_first_day(demo: Demo) -> list[tuple[object, ...]]:
    """What each sensor measured, by sensor and time."""
    day = min((Path(demo.summary["parquet_dir"]) / "samples").iterdir())
    samples = pl.read_parquet(day / "*.parquet").sort("sensor_id", "seq")
    return samples.select("sensor_id", "measured_at", "vwc").rows()


def test_summary_keeps_its_schema(small: Demo) -> None:
    """summary.json has every promised key, of the promised type, and its paths lead to what stayed."""
    schema = json.loads((ROOT / "docs" / "summary.schema.json").read_text())
    jsonschema.validate(small.summary, schema)
    for name in ("parquet_dir", "events_jsonl", "report"):
        assert Path(small.summary[name]).exists()


SECOND_RUNS = [
    # Chance would part this run, which others look at too, from the first one, just as it would part two alike.
    pytest.param({"broker": "mosquitto"}, id="with mosquitto"),
    pytest.param({"again": 1}, id="the same", marks=pytest.mark.soak),
]


@pytest.mark.parametrize("how", SECOND_RUNS)
def test_the_same_seed_is_the_same_farm(small: Demo, play: Play, how: dict[str, Any]) -> None:
    """A second run gives the same commands, litres and lake."""
    again = play(gateways=2, days=2, **how)
    assert told(again) == told(small)
    assert {name: again.summary[name] for name in SAME} == {name: small.summary[name] for name in SAME}


def test_another_seed_is_another_farm(small: Demo, play: Play) -> None:
    """From its first day on it measures other moisture, and is watered otherwise."""
    other = play(gateways=2, days=1, seed=2)
    assert other.code == 0, other.stderr
    assert moisture_of_the_first_day(other) != moisture_of_the_first_day(small)
    assert told(other) != told(small)[: len(told(other))]


def test_mosquitto_changes_nothing_on_the_farm(small: Demo, play: Play) -> None:
    """With mosquitto behind the gate the farm is watered just the same."""
    other = play(gateways=2, days=2, broker="mosquitto")
    assert other.code == 0, other.stderr
    assert other.summary["broker"] == "mosquitto"
    assert told(other) == told(small)
    assert {name: other.summary[name] for name in SAME} == {name: small.summary[name] for name in SAME}


def test_every_event_is_as_it_is_defined(small: Demo) -> None:
    """Whoever reads events.jsonl finds in each line what protocol/events.pyi says of its kind, and nothing else."""
    shapes = events()
    lines = [json.loads(line) for line in (small.out / "events.jsonl").read_text().splitlines()]
    assert {event["kind"] for event in lines} == set(shapes) - RARE_EVENTS
    wrong = [(event["kind"], flaw) for event in lines for flaw in flaws(event, shapes[event["kind"]])]
    assert wrong[:5] == []


# What is there first when a demonstration has come so far, however fast the machine is.
MOMENTS = {
    "keys are made": "out",
    "gate and broker start": "out/logs/cloud.log",
    "service and gateways start": "out/logs/compute.log",
    "readings come": "tmp/pythoflow-*/spool/readings-*",
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_ctrl_c_leaves_nothing(tmp_path: Path, moment: str) -> None:
    """Ctrl-C at any moment ends with one line and 130; no process, no port, no temporary file stays."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    command = [
        sys.executable,
        "-m",
        "demo",
        "--gateways",
        "2",
        "--days",
        "60",
        "--out",
        str(tmp_path / "out"),
    ]
    environment = {**os.environ, "TMPDIR": str(temporary)}
    with subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        # Not before the first: until then the interpreter has not handed over to us.
        until_true(lambda: any(tmp_path.glob(MOMENTS[moment])) or process.poll() is not None, moment)
        family = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=LAST_RESORT_S)
    assert process.returncode == 130, said.decode()
    assert b"Traceback" not in said
    gone, alive = psutil.wait_procs(family, timeout=LAST_RESORT_S)
    assert not alive
    assert len(gone) == len(family)
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"gateways": 0}, "1 to 200"),
        ({"days": "five"}, "five"),
        ({"broker": "amqtt"}, "amqtt"),
        ({"weather": "nowhere.csv"}, "nowhere.csv"),
        ({"days": 200}, "200"),
        ({"scenario": "hard-saeson"}, "did you mean 'hard-season'?"),
        ({"scenario": "winter"}, "known: drummondville, hard-season, mixed-soils"),
        ({"scenario": "nowhere.yaml"}, "nowhere.yaml: cannot be read"),
        ({"scenario": "hard-season", "gateways": 3}, "leave the number 3 out"),
    ],
)
def test_a_mistake_gets_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: dict[str, object], word: str
) -> None:
    """A wrong option ends at once with rc 2 and a last line that names it."""
    words = [f"--{name}={value}" for name, value in options.items()]
    assert code_of([*words, f"--out={tmp_path / 'out'}"]) == 2
    said = capsys.readouterr().err
    assert word in said.strip().splitlines()[-1]
    assert "Traceback" not in said


def code_of(words: list[str]) -> object:
    """What the command line ends with; argparse ends by itself."""
    try:
        return main(words)
    except SystemExit as end:
        return end.code


def test_a_crop_that_compute_does_not_know_is_one_clear_line(play: Play, tmp_path: Path) -> None:
    """A scenario may have a crop of its own, under a name of compute's tables."""
    text = (ROOT / "gateway_sim" / "scenarios" / "mixed-soils.yaml").read_text()
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace("lettuce", "letuce"))
    demo = play(scenario=path)
    assert demo.code == 2
    assert "did you mean 'lettuce'" in demo.stderr.strip().splitlines()[-1]
    assert "Traceback" not in demo.stderr


def test_a_full_disk_is_one_clear_line(tmp_path: Path) -> None:
    """When nothing more can be written, the demonstration ends with rc 2 and says what to look at."""
    command = ["-m", "demo", "--gateways", "2", "--days", "2", "--out", str(tmp_path)]
    limited = f"ulimit -f 200; exec {sys.executable} {' '.join(command)}"
    done = subprocess.run(
        ["bash", "-c", limited], capture_output=True, text=True, timeout=4 * LAST_RESORT_S, check=False
    )
    assert done.returncode == 2, done.stdout
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("demo: ")
    assert "disk" in last or "space" in last or "too large" in last
    assert "Traceback" not in done.stderr
