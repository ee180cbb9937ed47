"""Validation, costs of code, and drift: each is made once in a folder of its own, and kept by the digest of its object.

Nothing is written to the project: Terraform gets a copy of the code and of the last snapshot. A check that a kill
interrupts is simply made again; so is a look for drift that gave way to a job.
"""

import json
import logging
import shutil
import signal
import threading
from pathlib import Path
from typing import Any

from provisioning import judges, plans, refresh, states, surroundings
from provisioning.cage import caged
from provisioning.cloud import Cloud
from provisioning.engine import Engine
from provisioning.errors import ProvisioningError
from provisioning.follow import Ending, Follower, Ladder, Message, start
from provisioning.processes import send, session_of
from provisioning.store import Project, Store
from provisioning.surroundings import Setup, step

log = logging.getLogger("provisioning")
RETRY_AFTER_S = 2
DRIFT_HOLDS_S = 300.0  # the cloud may change without us
VALIDATE, PLAN, DRIFT = "validate", "plan", "drift"


class Checks:
    """Answers that take Terraform some seconds."""

    def __init__(self, setup: Setup, store: Store, engine: Engine) -> None:
        self._setup = setup
        self._store = store
        self._engine = engine
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """End what an earlier service's checks left; it is made again when somebody asks."""
        for folder in self._setup.data.glob("projects/*/checks/*/run"):
            send(session_of(folder), signal.SIGKILL)
        self._store.database.run("DELETE FROM checks WHERE answer IS NULL")

    def close(self) -> None:
        """Wait for those under way to notice the end."""
        for thread in self._threads:
            thread.join(10)

    def ask(self, kind: str, project: Project) -> dict[str, Any] | None:
        """The answer, or None as long as it is being made. Raises MissingTerraformError."""
        word = self._word(kind, project)
        query = "SELECT answer, at FROM checks WHERE project_id = ? AND kind = ? AND digest = ?"
        row = self._store.database.one(query, project.id, kind, word)
        is_old = row is not None and kind == DRIFT and self._store.now() - row[1] > DRIFT_HOLDS_S
        if row is not None and (row[0] is None or not is_old):
            return None if row[0] is None else dict(json.loads(row[0]))
        self.make(kind, project)
        return None

    def make(self, kind: str, project: Project) -> None:
        """Make it now, unless it is being made. Raises MissingTerraformError."""
        self._setup.program()
        word = self._word(kind, project)
        if self._begin(kind, project, word):
            thread = threading.Thread(target=self._run, args=(kind, project, word), daemon=True)
            self._threads = [one for one in self._threads if one.is_alive()] + [thread]
            thread.start()

    def is_making(self, kind: str) -> bool:
        """True while one of its kind is at work for any project."""
        query = "SELECT 1 FROM checks WHERE kind = ? AND answer IS NULL"
        return self._store.database.one(query, kind) is not None

    def last_drift(self, project: Project) -> list[str]:
        """What the last look for drift found, until a job has written another state."""
        row = self._store.drift(project.id)
        return row.addresses if row and row.word == self._word(DRIFT, project) else []

    def _begin(self, kind: str, project: Project, word: str) -> bool:
        """Claim the check's folder; False while another one of its kind is at work there."""
        with self._store.transaction():
            query = "SELECT 1 FROM checks WHERE project_id = ? AND kind = ? AND answer IS NULL"
            if self._store.database.one(query, project.id, kind):
                return False
            statement = "INSERT OR REPLACE INTO checks VALUES (?, ?, ?, NULL, ?)"
            self._store.database.run(statement, project.id, kind, word, self._store.now())
            return True

    def _word(self, kind: str, project: Project) -> str:
        """What an answer is of: validation of the code, drift of the last job's state, a plan of both."""
        if kind == VALIDATE:
            return project.code_digest
        if kind == DRIFT:
            return "".join(path.stem for path in states.numbered(self._setup.place(project.id))[-1:])
        state = states.newest(self._setup.place(project.id))
        return f"{project.code_digest} {state['lineage']} {state['serial']}"

    def _run(self, kind: str, project: Project, word: str) -> None:
        answer: dict[str, Any] | None = None
        try:
            with self._engine.slots:
                answer = self._answer(kind, project)
        except (ProvisioningError, OSError, ValueError) as error:
            answer = {"error": str(error)}
        except Exception:  # what nobody thought of ends this thread: the row must not stay for ever
            log.exception("a check of %s", project.id)
            answer = {"error": "the check could not be made; the log says why"}
        finally:
            with self._store.transaction():
                if answer is None or self._engine.halt.is_set():
                    statement = "DELETE FROM checks WHERE project_id = ? AND kind = ? AND digest = ?"
                    self._store.database.run(statement, project.id, kind, word)
                else:
                    statement = "UPDATE checks SET answer = ?, at = ? WHERE project_id = ? AND kind = ? AND digest = ?"
                    words = (json.dumps(answer), self._store.now(), project.id, kind, word)
                    self._store.database.run(statement, *words)
                    if kind == DRIFT:
                        self._store.put_drift(project.id, word, answer.get("addresses"))

    def _answer(self, kind: str, project: Project) -> dict[str, Any] | None:
        place = self._setup.place(project.id)
        folder = place.folder / "checks" / kind
        shutil.rmtree(folder, ignore_errors=True)
        root, run = folder / "root", folder / "run"
        last = place.root(project.applied_job or "none")
        shutil.copytree(last if kind == DRIFT and last.exists() else place.code, root, symlinks=True)
        run.mkdir(mode=0o700)
        variables = root / "terraform.tfvars.json"
        values = json.loads(variables.read_text()) if variables.exists() else {}
        if refusals := judges.judge_code(root, values):
            return {"errors": refusals}
        state = folder / "state" / "terraform.tfstate"
        state.parent.mkdir(mode=0o700)
        if copies := states.numbered(place):
            shutil.copyfile(copies[-1], state)
        surroundings.prepare(self._setup, place, root, surroundings.local_backend(state))
        try:
            return self._judged(kind, project, root, run)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _judged(self, kind: str, project: Project, root: Path, run: Path) -> dict[str, Any] | None:
        messages: list[Message] = []
        variables = surroundings.environment(
            self._setup, project.farm, project.id, run, Cloud(self._setup, project.farm, project.id).variables()
        )
        steps = caged(self._setup, self._setup.place(project.id), self._steps(kind, root, run))
        process = start(run, steps, variables)
        ladder = Ladder(run, (1.0, 1.0))
        halt, gave_way = self._engine.halt, False

        def wants_end() -> bool:
            nonlocal gave_way
            gave_way = gave_way or (kind == DRIFT and self._engine.is_short)
            return gave_way or halt.is_set()

        ending = Follower(run, process, ladder).run(lambda new: messages.extend(one for _, one in new), wants_end, halt)
        if ending is None:
            send(session_of(run), signal.SIGKILL)
        if ending is None or gave_way:
            return None
        return _result(kind, run, ending, messages, self._setup.region)

    def _steps(self, kind: str, root: Path, run: Path) -> list[dict[str, Any]]:
        program, init = self._setup.program(), surroundings.init(self._setup, root)
        plan_file = str(run / "check.tfplan")
        if kind == VALIDATE:
            return [init, step("validate", program, root, "validate", "-json", out="validate.json")]
        there = states.read(run.parent / "state" / "terraform.tfstate")
        of_drift = ["-refresh-only", *refresh.targets(refresh.addresses(there))] if kind == DRIFT else []
        words = ("plan", "-input=false", "-json", f"-out={plan_file}", *of_drift)
        show = step("show", program, root, "show", "-json", plan_file, out="plan.json")
        return [init, step("plan", program, root, *words), show]


def _result(kind: str, run: Path, ending: Ending, messages: list[Message], region: str) -> dict[str, Any]:
    errors = list(plans.complaints(messages))
    if kind == VALIDATE and (run / "validate.json").exists():
        document = json.loads((run / "validate.json").read_text() or "{}")
        rows = document.get("diagnostics", [])
        errors += [plans.sentence(row) for row in rows if row["severity"] == "error"]
    if ending.code and not errors:
        errors = [str(one["@message"]) for one in messages if one.get("@message")][-1:] or ["terraform did not say why"]
    if errors or kind == VALIDATE:
        return {"errors": errors}
    plan = {"resource_changes": [], **json.loads((run / "plan.json").read_text())}
    if kind == DRIFT:
        return {"errors": [], "addresses": plans.drifted(plan)}
    return {"errors": [], **{of: judges.judge_costs(plan, of, region) for of in ("plan", "change")}}
