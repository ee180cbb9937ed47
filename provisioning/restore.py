"""Putting a snapshot of a project's state back: read what is there, write the copy above it with its serial raised.

Terraform itself reads and writes, wherever the state is; so a project also moves to another place for states. Nothing
in the cloud is changed, and a look for drift follows.
"""

import json
from typing import Any

from provisioning import states, store, surroundings
from provisioning.code import write_file
from provisioning.follow import Ending
from provisioning.surroundings import PULLED, step
from provisioning.task import PUSHED, Task

RESTORED = "Snapshot restored"


class Restore(Task):
    """The work on one restore: `pull` (init, state pull), then `push`."""

    def run(self) -> None:
        """Go on with it until it ends, or the service stops (HaltedError)."""
        if not self.job.phase:
            self._prepare()
            self._mended()
            init = surroundings.init(self._setup, self._root)
            self._spawn("pull", store.RESTORING, [init, surroundings.pull(self._setup, self._root)])
        if self.job.phase == "pull" and not self._pulled(self._follow()):
            return
        ending = self._follow(can_be_cancelled=False)
        if ending.code == 0:
            self._complete(f"{RESTORED}: {self.job.plan['snapshot']}")
            return
        self._mended()
        lost = "its process was lost; restore again" if ending.code is None else self._complaint(ending)
        self._end(store.FAILED, store.WORKER_LOST if ending.code is None else "failed", error=lost)

    def _pulled(self, ending: Ending) -> bool:
        """Begin to write; False if the job ended before."""
        if self.job.cancelled_at or ending.code != 0:
            self._fail_early(ending)
            return False
        there, copies = self._there(), [states.read(path) for path in states.numbered(self._place)]
        if any(states.instances(there)) and there["lineage"] not in {copy["lineage"] for copy in copies}:
            sentence = "what is there is the state of something else: no snapshot of this project has its lineage"
            self._end(store.FAILED, "refused", error=sentence)
            return False
        copy = states.read(states.of_number(self._place, self.job.plan["snapshot"]))
        fresh = {**copy, "serial": max(copy["serial"], there["serial"]) + 1}
        file = self._folder("push") / PUSHED
        self._record("push", store.RESTORING)
        write_file(file, json.dumps(fresh).encode())
        steps = [step("push", self._setup.program(), self._root, "state", "push", "-force", str(file))]
        self._launch("push", [*steps, *self._pull_steps()])
        return True

    def _there(self) -> dict[str, Any]:
        """The state that is there now."""
        own = self._folder("pull") / PULLED
        if self._setup.remote is not None:
            own = self._place.state  # it was taken there
        return states.read(own) if own.exists() and own.stat().st_size else dict(states.EMPTY)
