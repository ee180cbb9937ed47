"""Looks for drift at times of cron: every project in turn, once for all the times that fell into a downtime."""

import logging
import threading
from contextlib import suppress
from datetime import UTC, datetime

from cronsim import CronSim, CronSimError

from provisioning import states
from provisioning.checks import DRIFT, Checks
from provisioning.errors import MissingTerraformError, ScheduleError
from provisioning.store import Project, Store
from provisioning.surroundings import Setup

log = logging.getLogger("provisioning")
LOOK_S = 1.0


class Rounds:
    """A thread that has a project looked at when that is due; no job waits for it. Raises ScheduleError."""

    def __init__(self, setup: Setup, store: Store, checks: Checks, halt: threading.Event) -> None:
        self._setup = setup
        self._store = store
        self._checks = checks
        self._halt = halt
        self._thread = threading.Thread(target=self._run, name="drift", daemon=True)
        if setup.drift is not None:
            due_after(setup.drift, store.now())

    def start(self) -> None:
        """Begin, if there is a schedule."""
        if self._setup.drift is not None:
            self._thread.start()

    def close(self) -> None:
        """Wait for its end, which `halt` has told it."""
        with suppress(RuntimeError):  # it never started
            self._thread.join(10)

    def look(self) -> None:
        """Have one project looked at that is due, unless one is being looked at."""
        if self._checks.is_making(DRIFT):
            return
        for project in self._store.projects():
            if self._is_due(project):
                log.info("%s: is looked at for drift", project.id)
                self._checks.make(DRIFT, project)
                return

    def _run(self) -> None:
        while not self._halt.wait(LOOK_S):
            try:
                self.look()
            except MissingTerraformError:
                continue
            except Exception:  # whatever it is, the next look may find it gone
                log.exception("drift cannot be looked for")

    def _is_due(self, project: Project) -> bool:
        last = self._store.drift(project.id)
        looked_at = last.at if last else project.created_at
        if due_after(self._setup.drift or "", looked_at) > self._store.now():
            return False
        place = self._setup.place(project.id)
        return self._store.current(project.id) is None and any(states.instances(states.newest(place)))


def due_after(cron: str, at_s: float) -> float:
    """The first time of a cron line after a moment, both in Unix seconds; the line is in UTC. Raises ScheduleError."""
    try:
        return next(CronSim(cron, datetime.fromtimestamp(at_s, UTC))).timestamp()
    except (CronSimError, StopIteration) as error:
        raise ScheduleError(
            f"--drift {cron[:80]!r}: no time of cron ({error}); write five fields: 0 5 * * *"
        ) from error
