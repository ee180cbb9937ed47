"""A bundle becomes a job: its files lie where the service reads them, its boards stand in their stages."""

import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from protocol import farms
from updates.bundle import Bundle
from updates.errors import FleetError, JobError, StoreError
from updates.rollout import share_of, stages_of
from updates.service import BUNDLES
from updates.store import PENDING, RUNNING, Job, Store

NO_FARMS = ("ca", "localhost")
JOB_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Who gets a bundle and in which stages, as a person says it: `5` boards, or a share as `10%`.

    `first` lead the first stage; a stage may fail or be silent with `failures` of it within `limit_s`.
    """

    things: Sequence[str]
    first: Sequence[str] = ()
    sizes: Sequence[str] = ("1", "10%")
    failures: str = "10%"
    limit_s: int = 3600


def fleet(certs: Path, farm: str = farms.DEFAULT) -> list[str]:
    """The farm's boards that have an identity in a folder of `python -m certs`. Raises FleetError if there is none.

    Those of the default farm may be called anything but what is another farm's.
    """
    things = sorted(path.parent.name for path in certs.glob("*/thing_name.txt"))
    ours = [thing for thing in things if thing not in NO_FARMS and farms.whose(thing) == farm]
    boards = [thing for thing in ours if not farms.is_service(thing)]
    if not boards:
        raise FleetError(
            f"{certs}: no board of the farm {farm} has an identity there; "
            "name the folder with --certs, or boards with --things"
        )
    return boards


def publish(store: Store, folder: Path, bundle: Bundle, plan: Plan, job: str, now: int) -> Job:  # noqa: PLR0913, PLR0917 - what goes where
    """Write a job and its files down; the service begins the first stage. Raises what names the mistake."""
    if not JOB_ID.fullmatch(job):
        raise JobError(f"--job {job!r}: want 1 to 64 of a-z, A-Z, 0-9, _ and -")
    stages = stages_of(plan.things, plan.first, plan.sizes)
    new = Job(
        id=job,
        version=bundle.version,
        document=bundle.document(job),
        created_at=now,
        limit_s=plan.limit_s,
        tolerances=tuple(share_of(plan.failures, len(stage)) for stage in stages),
    )
    store.check_new(job)
    bundles = folder / BUNDLES
    try:
        copy = _copy(bundle, bundles / f".{job}")  # not within the transaction: the service would wait for it
        with store.transaction():
            store.add(new, stages)
            shutil.rmtree(bundles / job, ignore_errors=True)  # of a publish that was killed
            copy.rename(bundles / job)
            _sync(bundles)
        _drop_old(store, bundles)
    except OSError as error:
        raise StoreError(f"{bundles}: {error.strerror}; make room, or choose another --data") from error
    return new


def _copy(bundle: Bundle, folder: Path) -> Path:
    """The files by their numbers in the stream, on the disk before the job is."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for number, source in enumerate((bundle.manifest, *bundle.files)):
        with (folder / str(number)).open("xb") as file:
            file.write(source.read_bytes())
            file.flush()
            os.fsync(file.fileno())
    return folder


def _sync(folder: Path) -> None:
    """A folder's names are on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _drop_old(store: Store, bundles: Path) -> None:
    """The files of jobs that no board can ask for any more."""
    for job in store.jobs():
        if job.state != RUNNING and all(one.status not in PENDING for one in store.executions(job.id)):
            shutil.rmtree(bundles / job.id, ignore_errors=True)
