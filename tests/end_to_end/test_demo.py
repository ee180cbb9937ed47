"""`make demo` as its user meets it: one seed is one farm, both brokers, Ctrl-C, and clear words for mistakes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import psutil
import pytest

from demo.command import main
from tests.end_to_end.conftest import Demo, Play
from tests.protocol.types import events, flaws
from tests.waiting import LAST_RESORT_S

ROOT = Path(__file__).parents[2]
RARE_EVENTS = {"error", "refusal", "kill", "unproven"}  # on a farm where nothing goes wrong
SAME = ("commands_sent", "commands_done", "litres_delivered", "samples_taken", "lake_sha256")


def told(demo: Demo) -> list[tuple[object, ...]]:
    """The commands of a run without their random ids."""
    names = ("at", "device_id", "zone_id", "action", "duration_s", "max_volume_l", "epoch", "expires_at")
    return [tuple(command[name] for name in names) for command in demo.events("command")]


def test_summary_keeps_its_schema(small: Demo) -> None:
    """summary.json has every promised key, of the promised type, and its paths lead to what stayed."""
    schema = json.loads((ROOT / "docs" / "summary.schema.json").read_text())
    jsonschema.validate(small.summary, schema)
    for name in ("parquet_dir", "events_jsonl", "report"):
        assert Path(small.summary[name]).exists()


def test_the_same_seed_is_the_same_farm(small: Demo, play: Play) -> None:
    """A second run gives the same commands, litres and lake; another seed does not."""
    again, other = play(again=1, gateways=2, days=2), play(gateways=2, days=2, seed=2)
    assert told(again) == told(small)
    assert {name: again.summary[name] for name in SAME} == {name: small.summary[name] for name in SAME}
    assert other.summary["lake_sha256"] != small.summary["lake_sha256"]
    assert told(other) != told(small)


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


@pytest.mark.parametrize("after_s", [0.0, 1.0, 3.5, 6.5])
def test_ctrl_c_leaves_nothing(tmp_path: Path, after_s: float) -> None:
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
        while not (tmp_path / "out").exists() and process.poll() is None:
            time.sleep(0.01)  # until the interpreter has handed over to us
        time.sleep(after_s)
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
