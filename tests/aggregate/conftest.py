"""A real AWS API (moto, a process of its own) and a lake in buckets of its own for every test."""

import gzip
import io
import itertools
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import polars as pl
import pytest

from lambda_functions.aggregate import index
from lambda_functions.lake.store import Store
from local_cloud.aws import READY, environment

ROOT = Path(__file__).parents[2]
T0 = 1717200000  # 2024-06-01 00:00 UTC
numbers = itertools.count()


class Lake:
    """Puts raw objects, runs the function, reads what is in the lake."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.s3 = boto3.client("s3")
        self.database = f"lake_{next(numbers)}"
        self.bucket = self.database.replace("_", "-")
        self._monkeypatch = monkeypatch
        self.s3.create_bucket(Bucket=self.bucket)
        self.configure(SOURCE_BUCKET=self.bucket, SOURCE_PREFIX="raw/", DEST_BUCKET=self.bucket, DEST_PREFIX="lake/")
        self.configure(GLUE_DATABASE=self.database, INTERVAL_MINUTES="15")

    def configure(self, **variables: str) -> None:
        for name, value in variables.items():
            self._monkeypatch.setenv(name, value)

    def put(self, key: str, lines: list[Any]) -> None:
        """A raw object; a line that is not bytes is written as JSON."""
        body = b"".join((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n" for line in lines)
        self.put_bytes(key, gzip.compress(body))

    def put_bytes(self, key: str, body: bytes) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=f"raw/{key}", Body=body)

    def run(self) -> dict[str, Any]:
        report = index.handler({}, None)
        assert json.loads(json.dumps(report)) == report
        return report

    def keys(self, prefix: str = "") -> list[str]:
        page = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=f"lake/{prefix}")
        return [entry["Key"].removeprefix("lake/") for entry in page.get("Contents", [])]

    def body(self, key: str) -> bytes:
        return self.s3.get_object(Bucket=self.bucket, Key=f"lake/{key}")["Body"].read()

    def table(self, name: str) -> list[dict[str, Any]]:
        """The rows of a table, oldest day first."""
        bodies = [self.body(key) for key in sorted(self.keys(f"{name}/"))]
        return [row for body in bodies for row in pl.read_parquet(io.BytesIO(body)).rows(named=True)]

    def in_seconds(self, name: str) -> list[dict[str, Any]]:
        """The rows of a table, times in Unix seconds."""
        rows = pl.DataFrame(self.table(name), infer_schema_length=None)
        return rows.with_columns(pl.selectors.datetime().dt.epoch("s")).rows(named=True)

    def quarantine(self) -> list[dict[str, Any]]:
        return [json.loads(line) for key in self.keys("quarantine/") for line in self.body(key).splitlines()]

    def download(self, folder: Path) -> Path:
        for key in self.keys("samples/") + self.keys("windows/"):
            (folder / key).parent.mkdir(parents=True, exist_ok=True)
            (folder / key).write_bytes(self.body(key))
        return folder

    @contextmanager
    def before(self, call: str, do: Callable[[], None]) -> Iterator[None]:
        """Have `do` called before each call of the function's own S3 client, as `GetObject`."""
        events = Store.connect().s3.meta.events
        name, mark = f"before-call.s3.{call}", f"{self.database}-{call}"
        events.register(name, lambda **_: do(), mark)
        try:
            yield
        finally:
            events.unregister(name, unique_id=mark)


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    command = [sys.executable, "-m", "local_cloud.aws"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().removeprefix(READY).strip()
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(120) == 0


@pytest.fixture
def lake(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lake]:
    for name, value in environment(endpoint).items():
        monkeypatch.setenv(name, value)
    lake = Lake(monkeypatch)
    yield lake
    lake.s3.close()


@pytest.fixture
def line() -> Any:
    """Builds a raw line; keyword arguments override its fields."""

    def build(*samples: dict[str, Any], sensor_id: str = "irrigation-gateway-1.soil-a", **more: Any) -> dict[str, Any]:
        gateway_id = sensor_id.split(".", maxsplit=1)[0]
        reading = {"v": 1, "gateway_id": gateway_id, "sensor_id": sensor_id, "zone_id": "plot-1a", "boot_id": "b1"}
        return {**reading, "samples": list(samples), "client_id": gateway_id, "received_at": T0 + 900, **more}

    return build


@pytest.fixture
def sample() -> Any:
    """Builds a sample; keyword arguments override its fields."""

    def build(seq: int = 0, **more: Any) -> dict[str, Any]:
        return {"seq": seq, "measured_at": T0 + 300 * seq, "clock": "synced", "vwc": 0.25, **more}

    return build
