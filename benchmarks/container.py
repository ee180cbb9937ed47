"""The container of the aggregate function: size on disk, start, one event, memory.

The Dockerfile is carried out on a folder, and its command is run before a Lambda Runtime API and an AWS API on
loopback, a fresh process each time. The first start after an installation also reads the files from the disk.
"""

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import boto3

from benchmarks.aggregate import make_raw
from local_cloud.aws import Aws, environment
from tests.aggregate.image import LAYERS, NATIVE, Image
from tests.aggregate.lambda_runtime import running

MB = 1_000_000
SIZES = (0, 1_000, 100_000)  # samples in one event
STARTS = 5


class Run(NamedTuple):
    """One process: seconds until it asked for an event, seconds of that event, each in all and of CPU; peak in MB."""

    ready_s: float
    ready_cpu_s: float
    event_s: float
    event_cpu_s: float
    peak_mb: float


def run(image: Image, variables: dict[str, str]) -> Run:
    """Start the function and give it one event."""
    with running(image, variables) as function:
        answer = function.invoke({})
        if answer.kind != "response":
            raise SystemExit(f"container: {answer.body}")
        ready = function.ready_s, function.ready_cpu_s
        return Run(*ready, answer.seconds, answer.cpu_seconds, function.peak_bytes() / MB)


def lake(samples: int) -> dict[str, str]:
    """Fill a bucket with raw objects of about so many samples; gives the function's settings."""
    bucket = f"lake-{samples}"
    client = boto3.client("s3")
    client.create_bucket(Bucket=bucket)
    with tempfile.TemporaryDirectory() as folder:
        if samples:
            make_raw(Path(folder), samples)
        for path in sorted(Path(folder).rglob("*.gz")):
            client.upload_file(str(path), bucket, str(path.relative_to(folder)))
    client.close()
    settings = {"SOURCE_BUCKET": bucket, "SOURCE_PREFIX": "raw/", "DEST_BUCKET": bucket, "DEST_PREFIX": "lake/"}
    return {**settings, "GLUE_DATABASE": bucket, "INTERVAL_MINUTES": "15"}


async def measure(image: Image) -> None:
    """Print the table."""
    aws = Aws()
    variables = environment(await aws.start())
    os.environ.update(variables)
    try:
        print(f"size on disk, without the base: {image.bytes() / MB:.0f} MB ({image.architecture})\n")
        print("| samples in the event | start, s | of CPU | event, s | of CPU | peak MB |\n|---|---|---|---|---|---|")
        for samples in SIZES:
            settings = await asyncio.to_thread(lake, samples)
            # An event finds only what is new, so only the empty one can be repeated.
            runs = [await asyncio.to_thread(run, image, variables | settings) for _ in range(1 if samples else STARTS)]
            figures = Run(*(statistics.median(column) for column in zip(*runs, strict=True)))
            print(
                f"| {samples:,} |" + "".join(f" {figure:.2f} |" for figure in figures[:4]) + f" {figures.peak_mb:.0f} |"
            )
    finally:
        await aws.stop()


def main() -> int:
    """Lay out the image and measure it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks container", description=__doc__)
    parser.parse_args()
    LAYERS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=LAYERS) as folder:
        asyncio.run(measure(Image(Path(folder), NATIVE)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
