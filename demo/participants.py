"""Who takes part in a demonstration: the fleet, the gateways that are processes of their own, and the services."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.job import Job
from gateway.gateway import DEFAULTS

# What the farm's gateways talk to. At one moment of field time the gateways act first, then these in this order; at the
# end each brings home what the next one still needs.
SERVICES = ("compute", "cloud", "schedule")
FLEET = "fleet"


@dataclass(frozen=True)
class Member:
    """A gateway that is a process of its own: its command, and what of its job never changes."""

    command: tuple[str, ...]
    season: dict[str, Any]


@dataclass(frozen=True)
class Participants:
    """Whether there is a fleet, and the gateways beside it by their ids; the services are always there."""

    fleet: bool
    members: Mapping[str, Member]

    @property
    def gateways(self) -> tuple[str, ...]:
        """The participants that are gateways."""
        return ((FLEET,) if self.fleet else ()) + tuple(self.members)

    @property
    def order(self) -> tuple[str, ...]:
        """All participants, in the order in which they act."""
        return self.gateways + SERVICES


def member_job(job: Job, gateway_id: str, member: Member) -> str:
    """Write the job of a gateway that is a process of its own, as docs/field.md describes it; gives the path."""
    work = Path(job.work)
    state = work / "members" / gateway_id
    state.mkdir(parents=True, exist_ok=True)
    document = {
        **member.season,
        "host": "127.0.0.1",
        "port": job.gate_port,
        "server_hostname": "localhost",
        "certs": str(work / "certs" / gateway_id),
        "clock_port": job.clock_port,
        "now_ms": job.now_ms,
        "start": job.start,
        "end": job.end,
        "state": str(state),
        "record": str(work / "events" / f"{gateway_id}.jsonl"),
        "sample_interval_s": DEFAULTS["sample_interval_s"],
        "publish_interval_s": DEFAULTS["publish_interval_s"],
    }
    path = work / f"{gateway_id}.job.json"
    path.write_text(json.dumps(document))
    return str(path)
