"""The local IoT Core put together: broker, gate, registry and topic rule, ready for gateways."""

import logging
import os
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from certs.authority import REVOKED
from local_cloud.broker import Broker
from local_cloud.errors import ConfigError, DeliveryError
from local_cloud.gate import Gate, Record, server_tls
from local_cloud.policy import render
from local_cloud.registry import Registry
from local_cloud.topic_rule import TopicRule
from protocol import farms

log = logging.getLogger(__name__)

_ROLES = ("gateway", "gateway-updates", "compute", "compute-shared")
POLICIES = {f"{farms.DEFAULT}-{role}": f"{role}.json.tftpl" for role in _ROLES}
_POLICY_FOLDER = Path(__file__).parents[1] / "terraform" / "modules" / "iot" / "policies"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, kw_only=True)
class Cloud:
    """A running local IoT Core."""

    port: int
    gate: Gate
    rule: TopicRule
    registry: Registry
    broker: Broker
    things: list[str]
    rules: Mapping[str, TopicRule]  # by farm, the default one's too

    async def flush(self, everything: bool = False) -> None:
        """Put what is due of every farm's rule; as `TopicRule.flush`. At the end raises the first DeliveryError."""
        errors = []
        for rule in self.rules.values():
            try:
                await rule.flush(everything)
            except DeliveryError as error:
                errors.append(error)
        if errors:
            raise errors[0]


@asynccontextmanager
async def serve(  # noqa: PLR0913 - the wiring of one process, each part given by name
    *,
    certs: Path,
    spool: Path,
    bucket: str,
    prefix: str,
    now: Callable[[], int],
    record: Record,
    broker: str | Broker = "embedded",
    host: str = "127.0.0.1",
    port: int = 0,
    register: bool = True,
    updates: Path | None = None,
    buckets: Mapping[str, str] | None = None,
) -> AsyncIterator[Cloud]:
    """Serve the things that have an identity in `certs`, against the AWS API at AWS_ENDPOINT_URL.

    `broker` is the kind of the inner one, or that one itself. Without `register`, nothing is added to that API's
    registry: who may do what is as Terraform has made it. With `updates`, a folder of `python -m updates publish`, jobs
    and file streams are served from it. `buckets`, farm id -> bucket, are of the farms beside the default one; a thing
    of yet another farm is not registered.
    A missing bucket is made. `now` gives Unix seconds of field time; `record` takes every refusal. At the end the
    clients are let go, what the rule still holds is put to S3, and the broker ends. Raises LocalCloudError.
    """
    _check_endpoint()
    tls = server_tls(certs / "localhost", certs / "ca" / "certificate.pem")
    registry = Registry(boto3.client("iot"), certs / REVOKED)
    things = _things(certs)
    if register:
        served = [farms.DEFAULT, *(buckets or {})]
        things = _served(things, served)
        registry.register(things, documents(served))
    else:
        registry.load()
    rules = {farms.DEFAULT: TopicRule(spool, _s3_with(bucket), bucket, prefix, now)}
    for farm, own in (buckets or {}).items():
        rules[farm] = TopicRule(spool / farm, _s3_with(own), own, prefix, now, farm=farm)
    async with AsyncExitStack() as stack:
        for rule in rules.values():
            stack.callback(rule.close)
        inner = Broker(broker) if isinstance(broker, str) else broker
        stack.push_async_callback(inner.stop)
        inner_port = await inner.start()
        to = _each_of(rules)
        gate = Gate(registry=registry, broker_port=inner_port, tls=tls, now=now, record=record, on_publish=to)
        bound = await gate.start(host, port)
        for rule in rules.values():
            stack.push_async_callback(rule.flush, everything=True)
        stack.push_async_callback(gate.stop)
        if updates is not None:
            await stack.enter_async_context(_ota(updates, inner_port, now, gate))
        yield Cloud(
            port=bound,
            gate=gate,
            rule=rules[farms.DEFAULT],
            rules=rules,
            registry=registry,
            broker=inner,
            things=list(things) if register else registry.things(),
        )


def _each_of(rules: Mapping[str, TopicRule]) -> Callable[[str, str, bytes], None]:
    """Each takes what is its farm's."""

    def published(client_id: str, topic: str, payload: bytes) -> None:
        for rule in rules.values():
            rule.publish(client_id, topic, payload)

    return published


def _ota(updates: Path, broker_port: int, now: Callable[[], int], gate: Gate) -> AbstractAsyncContextManager[None]:
    from local_cloud.ota import jobs_and_streams  # noqa: PLC0415 - only who gives updates needs its MQTT client

    return jobs_and_streams(updates, broker_port, now, gate.fail)


def _check_endpoint() -> None:
    endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
    if urlsplit(endpoint).hostname not in _LOOPBACK:
        raise ConfigError(f"AWS_ENDPOINT_URL {endpoint!r}: the local cloud writes to an AWS API on this machine only")


def _things(certs: Path) -> dict[str, Path]:
    folders = (path for path in certs.iterdir() if (path / "thing_name.txt").exists())
    return {folder.name: folder for folder in sorted(folders) if folder.name not in ("ca", "localhost")}


def _served(things: Mapping[str, Path], farm_ids: Collection[str]) -> dict[str, Path]:
    """Without those of other farms, which the log names."""
    others = [thing for thing in things if farms.whose(thing) not in farm_ids]
    if others:
        log.warning("local cloud: %s: of no farm that is served; name its farm with --farms", ", ".join(others))
    return {thing: folder for thing, folder in things.items() if thing not in others}


def documents(farm_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The policies of each farm by their names, rendered for the account that the AWS API says. Raises ConfigError."""
    sts = boto3.client("sts")
    try:
        account = sts.get_caller_identity()["Account"]
    except (BotoCoreError, ClientError) as error:
        raise ConfigError(f"AWS API at {os.environ['AWS_ENDPOINT_URL']}: {error}; is it running?") from error
    return {
        f"{farm}-{role}": render(_POLICY_FOLDER / f"{role}.json.tftpl", sts.meta.region_name, account, farm)
        for farm in farm_ids
        for role in _ROLES
    }


def _s3_with(bucket: str) -> Any:
    s3 = boto3.client("s3")
    try:
        if bucket not in [entry["Name"] for entry in s3.list_buckets()["Buckets"]]:
            s3.create_bucket(Bucket=bucket)
    except (BotoCoreError, ClientError) as error:
        raise ConfigError(f"bucket {bucket}: {error}") from error
    return s3
