"""S3 and Glue as this function uses them: one client each, few requests, refusals in one line."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, NamedTuple, Self, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from .errors import LostRaceError, StoreError

if TYPE_CHECKING:  # stubs are for development, not in the image
    from types_boto3_glue import GlueClient
    from types_boto3_s3 import S3Client

THREADS = 8  # boto3 holds the interpreter's lock most of the time, so more threads read no faster
ABSENT = ("404", "NoSuchKey")
RACES = ("PreconditionFailed", "ConditionalRequestConflict", *ABSENT)  # a condition on an object that is gone: absent
VERSION = "version"

T = TypeVar("T")
R = TypeVar("R")


class Stored(NamedTuple):
    """An object: its `etag` changes with its content, `version` is what it was written with (0: by somebody else)."""

    body: bytes
    etag: str | None
    version: int


@contextmanager
def refusals(place: str) -> Iterator[None]:
    """Turn AWS errors into a StoreError that names the place."""
    try:
        yield
    except ClientError as error:
        details = error.response.get("Error", {})
        raise StoreError(f"{place}: {details.get('Code')}: {details.get('Message')}") from error
    except BotoCoreError as error:
        raise StoreError(f"{place}: {error}") from error


@cache
def _clients(_endpoint: str | None) -> tuple["S3Client", "GlueClient"]:
    # A client costs more to make than a run's requests, so a warm Lambda keeps them.
    config = Config(max_pool_connections=2 * THREADS)
    return boto3.client("s3", config=config), boto3.client("glue", config=config)


@dataclass(frozen=True)
class Store:
    """The clients of S3 and Glue, and how many requests may be under way. Every method raises StoreError."""

    s3: "S3Client"
    glue: "GlueClient"
    threads: int = THREADS

    @classmethod
    def connect(cls) -> Self:
        """Clients for the endpoint that the environment names now."""
        with refusals("AWS"):
            return cls(*_clients(os.environ.get("AWS_ENDPOINT_URL")))

    def map(self, function: Callable[[T], R], items: Iterable[T], at_once: int = THREADS) -> list[R]:
        """Apply a function that makes requests, several at once; results in the order of `items`."""
        items = list(items)
        workers = min(self.threads, at_once, len(items))
        if workers <= 1:
            return [function(item) for item in items]
        with ThreadPoolExecutor(workers) as pool:
            return list(pool.map(function, items))

    def list(self, bucket: str, prefix: str, after: str) -> list[tuple[str, int]]:
        """Keys under `prefix` and after `after`, in order, with their sizes in bytes; folder markers left out."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, StartAfter=after)
        with refusals(f"s3://{bucket}/{prefix}"):
            entries = [(entry["Key"], entry["Size"]) for page in pages for entry in page.get("Contents", [])]
        return [(key, size) for key, size in entries if not key.endswith("/")]

    def get(self, bucket: str, key: str) -> Stored | None:
        """An object; None if there is none."""
        with refusals(f"s3://{bucket}/{key}"):
            try:
                answer = self.s3.get_object(Bucket=bucket, Key=key)
                return Stored(answer["Body"].read(), answer["ETag"], int(answer["Metadata"].get(VERSION, 0)))
            except self.s3.exceptions.NoSuchKey:
                return None

    def get_many(self, bucket: str, keys: Sequence[str]) -> dict[str, bytes | None]:
        """The bodies of objects by key, in the order of `keys`; None for an object that is gone."""
        bodies = self.map(lambda key: self.get(bucket, key), keys)
        return {key: item and item.body for key, item in zip(keys, bodies, strict=True)}

    def head(self, bucket: str, key: str) -> tuple[str | None, int]:
        """An object's etag and version; None and -1 if there is none."""
        with refusals(f"s3://{bucket}/{key}"):
            try:
                answer = self.s3.head_object(Bucket=bucket, Key=key)
            except ClientError as error:
                if error.response["Error"]["Code"] in ABSENT:
                    return None, -1
                raise
        return answer["ETag"], int(answer["Metadata"].get(VERSION, 0))

    def put(self, bucket: str, key: str, body: bytes) -> None:
        """Write an object, whole or not at all."""
        with refusals(f"s3://{bucket}/{key}"):
            self.s3.put_object(Bucket=bucket, Key=key, Body=body)

    def replace(self, bucket: str, key: str, body: bytes, version: int, etag: str | None) -> str:
        """Write an object if it still has `etag`, or does not exist if that is None; gives its new etag.

        Raises LostRaceError if it was changed meanwhile.
        """
        with refusals(f"s3://{bucket}/{key}"):
            metadata = {VERSION: str(version)}
            try:
                if etag is None:
                    answer = self.s3.put_object(Bucket=bucket, Key=key, Body=body, Metadata=metadata, IfNoneMatch="*")
                else:
                    answer = self.s3.put_object(Bucket=bucket, Key=key, Body=body, Metadata=metadata, IfMatch=etag)
            except ClientError as error:
                if error.response["Error"]["Code"] in RACES:
                    raise LostRaceError(f"s3://{bucket}/{key}") from error
                raise
        return answer["ETag"]
