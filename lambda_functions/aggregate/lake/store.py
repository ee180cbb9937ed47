"""S3 and Glue as this function uses them: one client each, few requests, refusals in one line."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Self

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from .errors import StoreError

if TYPE_CHECKING:  # stubs are for development, not in the image
    from types_boto3_glue import GlueClient
    from types_boto3_s3 import S3Client

THREADS = 8  # boto3 holds the interpreter's lock most of the time, so more threads read no faster


@contextmanager
def refusals(place: str) -> Iterator[None]:
    """Turn AWS errors into a StoreError that names the place."""
    try:
        yield
    except ClientError as error:
        told = error.response.get("Error", {})
        raise StoreError(f"{place}: {told.get('Code')}: {told.get('Message')}") from error
    except BotoCoreError as error:
        raise StoreError(f"{place}: {error}") from error


@cache
def _clients(_endpoint: str | None) -> tuple["S3Client", "GlueClient"]:
    # A client costs more to make than a run's requests, so a warm Lambda keeps them.
    config = Config(max_pool_connections=2 * THREADS)
    return boto3.client("s3", config=config), boto3.client("glue", config=config)


@dataclass(frozen=True)
class Store:
    """The clients of S3 and Glue. Every method raises StoreError."""

    s3: "S3Client"
    glue: "GlueClient"

    @classmethod
    def connect(cls) -> Self:
        """Clients for the endpoint that the environment names now."""
        with refusals("AWS"):
            return cls(*_clients(os.environ.get("AWS_ENDPOINT_URL")))

    def list(self, bucket: str, prefix: str, after: str) -> list[tuple[str, int]]:
        """Keys under `prefix` and after `after`, in order, with their sizes in bytes; folder markers left out."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, StartAfter=after)
        with refusals(f"s3://{bucket}/{prefix}"):
            found = [(entry["Key"], entry["Size"]) for page in pages for entry in page.get("Contents", [])]
        return [(key, size) for key, size in found if not key.endswith("/")]

    def get(self, bucket: str, key: str) -> bytes | None:
        """The body of an object; None if there is none."""
        with refusals(f"s3://{bucket}/{key}"):
            try:
                return self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
            except self.s3.exceptions.NoSuchKey:
                return None

    def get_many(self, bucket: str, keys: Sequence[str]) -> dict[str, bytes]:
        """The bodies of objects by key, in the order of `keys`; an object that is gone is left out."""
        with ThreadPoolExecutor(THREADS) as pool:
            bodies = pool.map(lambda key: self.get(bucket, key), keys)
            return {key: body for key, body in zip(keys, bodies, strict=True) if body is not None}

    def put(self, bucket: str, key: str, body: bytes) -> None:
        """Write an object, whole or not at all."""
        with refusals(f"s3://{bucket}/{key}"):
            self.s3.put_object(Bucket=bucket, Key=key, Body=body)
