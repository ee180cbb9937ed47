"""What every process of a demonstration is told, and the names that they share."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

COMPUTE = "irrigation-compute"  # the compute service's thing
ZONE_FILE = "zones.yaml"  # in the output, for the compute service
BUCKET = "pythoflow-demo"
RAW_PREFIX = "raw/"
DAY_S = 86_400


@dataclass(frozen=True, kw_only=True)
class Job:
    """What every process of the demonstration is told. Times are Unix seconds of field time."""

    scenario: str  # its file, and what counts instead of what that says
    gateways: int | None
    seed: int
    weather: str | None
    broker: str
    start: int
    end: int
    work: str  # keys, spool, what the gateways keep: gone at the end
    out: str  # what stays: events, store, lake, report
    kills: int = 0
    clock_port: int = 0
    gate_port: int = 0
    is_live: bool = False  # people look on: the store is asked for their orders, and gateways speak every minute
    now_ms: int = 0  # Unix milliseconds at which this process begins

    def save(self, name: str) -> str:
        """Write the job where the process `name` reads it; gives the path."""
        path = Path(self.work) / f"{name}.job.json"
        path.write_text(json.dumps(asdict(self)))
        return str(path)

    @classmethod
    def load(cls, path: str) -> "Job":
        """Read a job that `save` wrote."""
        return cls(**json.loads(Path(path).read_text()))
