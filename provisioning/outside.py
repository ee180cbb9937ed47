"""What a loss left outside a project's state: waited for, looked for again, brought in by a destroy."""

import threading
from collections.abc import Iterable
from typing import Any

from provisioning import states, store
from provisioning.cloud import Cloud
from provisioning.reconcile import Earlier, orphans_of, there
from provisioning.store import Job, Orphan, Store
from provisioning.surroundings import Setup, step

CERTIFICATE = "aws_iot_certificate"
MOST_LOOKS = 20  # after a loss, until two agree


def wait_until_quiet(setup: Setup, job: Job, cloud: Cloud, halt: threading.Event) -> bool:
    """Look until two looks agree; False if the service stops before. Raises CloudError.

    A call that was on its way when its sender was killed is carried out all the same.
    """
    before: set[str] | None = None
    for _ in range(MOST_LOOKS):
        now = there(job, cloud.look(), job.started_at or 0.0)
        if now == before:
            return True
        before = now
        if halt.wait(setup.quiet_s):
            return False
    return True


def known(setup: Setup, store_: Store, job: Job, cloud: Cloud) -> list[Orphan]:
    """What is outside the state, with what has come since a loss: a call may be carried out late, or told of late.

    To be asked for while no child of the project lives. Raises CloudError.
    """
    last = last_loss(store_, job)
    if last is None:
        return store_.orphans(job.project_id)
    state = states.read(setup.place(job.project_id).state)
    earlier = earlier_of(store_, job)
    orphans = orphans_of(job if job.plan else last, earlier, state, cloud.look(), began_at(store_, last, earlier))
    store_.put_orphans(job.project_id, orphans)
    return orphans


def last_loss(store_: Store, job: Job) -> Job | None:
    """The job before this one, if it may have left something outside the state."""
    project = store_.project(job.project_id)
    last = store_.job(project.applied_job) if project.applied_job else None
    if last is None or (last.status == store.COMPLETED and not store_.orphans(project.id)):
        return None
    return last


def earlier_of(store_: Store, job: Job) -> Earlier:
    """What was told before, and what the jobs that left it had planned there."""
    orphans = store_.orphans(job.project_id)
    addresses = {one.address for one in orphans}
    left_by = sorted({one.job_id for one in orphans})
    rows = [row for job_id in left_by for row in store_.job(job_id).plan.get("names", [])]
    return Earlier(orphans, [row for row in rows if row["address"] in addresses])


def began_at(store_: Store, last: Job, earlier: Earlier) -> float:
    """When the first job began that may have left something, in Unix seconds."""
    jobs = [last, *(store_.job(job_id) for job_id in {one.job_id for one in earlier.orphans})]
    return min(one.started_at or 0.0 for one in jobs)


def import_steps(setup: Setup, store_: Store, job: Job) -> list[dict[str, Any]]:
    """A plan to destroy knows no import blocks: what is outside the state is brought in by a command before it."""
    root = setup.place(job.project_id).root(job.id)
    words = ("import", "-input=false", "-no-color")
    return [
        # Where it is in already, or has gone meanwhile, the plan is right without it.
        step(f"import {one.address}", setup.program(), root, *words, one.address, one.import_id, fine=(0, 1))
        for one in store_.orphans(job.project_id)
        if one.address and one.import_id
    ]


def certificates(orphans: Iterable[Orphan], cloud: Cloud, since: float) -> list[str]:
    """Remove those among the orphans that nothing uses; gives the ARNs of what is gone. Raises CloudError."""
    rows = [one.arn for one in orphans if one.type == CERTIFICATE]
    look = cloud.look() if rows else None
    return [arn for arn in rows if look is not None and look.remove_certificate(arn, since)]
