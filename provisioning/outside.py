"""What a loss left outside a project's state: waited for, looked for again, brought in by a destroy."""

import threading
from collections.abc import Mapping
from typing import Any

from provisioning import states, store
from provisioning.cloud import Cloud
from provisioning.reconcile import addressed, orphans_of, there
from provisioning.store import Job, Orphan, Store
from provisioning.surroundings import Setup, step

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
    project = store_.project(job.project_id)
    earlier = store_.orphans(project.id)
    last = store_.job(project.applied_job) if project.applied_job else None
    if last is None or (last.status == store.COMPLETED and not earlier):
        return earlier
    state = states.read(setup.place(project.id).state)
    orphans = orphans_of(job if job.plan else last, state, earlier, cloud.look(), last.started_at or 0.0)
    store_.put_orphans(project.id, orphans)
    return orphans


def import_steps(setup: Setup, store_: Store, job: Job) -> list[dict[str, Any]]:
    """A plan to destroy knows no import blocks: what is outside the state is brought in by a command before it."""
    orphans, root = store_.orphans(job.project_id), setup.place(job.project_id).root(job.id)
    words = ("import", "-input=false", "-no-color")
    return [
        # Where it is in already, or has gone meanwhile, the plan is right without it.
        step(f"import {address}", setup.program(), root, *words, address, one.import_id, fine=(0, 1))
        for one, address in addressed(orphans, _names(store_, orphans))
    ]


def _names(store_: Store, orphans: list[Orphan]) -> list[Mapping[str, Any]]:
    """The names in the plans of the jobs that left them."""
    return [row for job_id in {one.job_id for one in orphans} for row in store_.job(job_id).plan.get("names", [])]
