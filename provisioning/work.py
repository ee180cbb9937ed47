"""One job from its first step to its end; begun anew after a restart, it goes on where the file says that it was.

`plan` (init, plan, show; plan validates first), perhaps `adopt` (with orphans), then `apply` of that very plan.
Whatever ends an apply but success leads to `reconcile`. Each phase is a child of its own, recorded before it starts.
"""

import json
import shutil
from collections.abc import Iterable, Mapping
from typing import Any

from provisioning import judges, outside, plans, refresh, states, store, surroundings
from provisioning.code import ADOPT, digest, write_file
from provisioning.errors import CloudError, ProvisioningError
from provisioning.ownership import claims
from provisioning.reconcile import imports, namings, orphans_of, remedies
from provisioning.remedies import with_remedy
from provisioning.store import Job
from provisioning.surroundings import step
from provisioning.task import PLAN_FILE, HaltedError, Task

STALE = "Saved plan is stale"
DONE_WORDS = {"deploy": "Infrastructure deployed successfully", "destroy": "Infrastructure destroyed successfully"}
NOTHING = "No infrastructure found to destroy"
UNCHANGED = "No changes: the infrastructure is as the code says"
ADOPTS = ("adopt", "adopt-2", "adopt-3", "adopt-4", "adopt-5")  # what comes in shows what belongs to it
BEFORE_APPLY = {"plan", *ADOPTS}
HAS_CHANGES = 2  # of -detailed-exitcode


class Work(Task):
    """The work on a deploy or a destroy."""

    def run(self) -> None:
        """Go on with the job until it ends, holds at its plan, or the service stops (HaltedError)."""
        if self.job.detail != store.CONFIRMED and self.job.phase in {"", *BEFORE_APPLY} and not self._planned():
            return
        if self.job.phase in BEFORE_APPLY and not self._begin_apply():
            return
        if self.job.phase == "apply" and self._applied():
            return
        self._reconcile()

    # planning

    def _planned(self) -> bool:
        """Get to a plan that may be applied at once; False if the job ended, or holds."""
        if not self.job.phase and not self._screened():
            return False
        ending = self._follow()
        if ending.code != 0:
            self._fail_early(ending)
            return False
        path = self._folder() / "plan.json"
        if path.exists():  # else a service before this one has read it
            plan = {"resource_changes": [], **json.loads(path.read_text())}  # which an empty plan leaves out
            self._keep_plan(plan, has_changes=ending.codes.get("plan") == HAS_CHANGES)
            if self.job.kind == "deploy" and (mistakes := claims(plan, self._cloud().tags)):
                self._end(store.FAILED, "refused", error="; ".join(mistakes))
                return False
            if self._adopt(plan):
                return self._planned()
            path.unlink()  # it holds secrets in clear
        return self._may_apply()

    def _screened(self) -> bool:
        """Begin the plan; False if the job ended before."""
        if self.job.kind == "destroy" and not self._has_something():
            return False
        variables = self._root / "terraform.tfvars.json"
        values = json.loads(variables.read_text()) if variables.exists() else {}
        self._prepare()
        # What was applied once can be destroyed, whatever the rules are now; other code than that is judged.
        refusals = [] if self.job.kind == "destroy" and self._was_applied() else judges.judge_code(self._root, values)
        if refusals:
            self._end(store.FAILED, "refused", error="; ".join(refusals))
            return False
        self._store.change_job(self._id, plan={"code": digest(self._root)})
        self._spawn("plan", store.PLANNING, self._plan_steps("plan"))
        return True

    def _has_something(self) -> bool:
        """Take the root that was applied last, and True; if there is nothing, that is the end."""
        project = self._store.project(self.job.project_id)
        source = self._place.root(project.applied_job or "")
        orphans = outside.known(self._setup, self._store, self.job, self._cloud())
        # What is in S3 only Terraform reads, and says so with an empty plan.
        is_empty = self._setup.remote is None and not any(states.instances(states.read(self._place.state)))
        if is_empty and not orphans:
            self._complete(NOTHING)
            return False
        if not self._root.exists():
            shutil.copytree(source if source.exists() else self._place.code, self._root, symlinks=True)
        return True

    def _was_applied(self) -> bool:
        applied = self._store.project(self.job.project_id).applied_job
        return applied is not None and self._place.root(applied).exists()

    def _plan_steps(self, phase: str) -> list[dict[str, Any]]:
        program, file = self._setup.program(), str(self._folder(phase) / PLAN_FILE)
        destroy = ["-destroy"] if self.job.kind == "destroy" else []
        options = ("-input=false", "-json", "-detailed-exitcode", f"-out={file}", *destroy)
        root = self._root
        return [
            *([surroundings.init(self._setup, root), *self._pull_steps()] if phase == "plan" else []),
            *(outside.import_steps(self._setup, self._store, self.job) if destroy else []),
            step("plan", program, root, "plan", *options, fine=(0, HAS_CHANGES)),
            step("show", program, root, "show", "-json", file, out="plan.json"),
        ]

    def _keep_plan(self, plan: Mapping[str, Any], *, has_changes: bool) -> None:
        """Keep what may be kept of a plan's JSON."""
        changes = plans.changes(plan)
        region = self._setup.region
        project = self._store.project(self.job.project_id)
        document = {
            "digest": self._digest(),
            "changes": [{"address": one.address, "actions": one.actions} for one in changes if not one.is_idle],
            "outputs": plans.changed_outputs(plan),
            "lines": {one.address: one.lines for one in changes if one.lines},
            "names": namings(changes),
            "loses": {one.address: one.loses for one in changes if one.loses},
            "costs": judges.judge_costs(plan, "plan", region),
            "changeCosts": judges.judge_costs(plan, "change", region),
            "has_changes": has_changes,
        }
        self._store.change_job(self._id, plan=document, planned_at=self._store.now())
        masks = {**project.masks, **plans.masks(plan)}
        self._store.change_project(project.id, masks=masks)

    def _adopt(self, plan: Mapping[str, Any]) -> bool:
        """Plan once more, with what an earlier job left outside the state brought in; False if there is no more.

        What belongs to something that comes in is asked for with the next plan, which knows its number.
        """
        job, last = self.job, outside.last_loss(self._store, self.job)
        if job.kind == "destroy" or last is None or job.phase == ADOPTS[-1]:
            return False
        outside.known(self._setup, self._store, job, self._cloud())
        since = outside.began_at(self._store, last, outside.earlier_of(self._store, job))
        file = self._root / ADOPT
        blocks = json.loads(file.read_text())["import"] if file.exists() else []
        state = states.read(self._place.state)
        more = imports(plans.changes(plan), state, self._cloud().look(), since)
        if not more:
            return False
        write_file(file, json.dumps({"import": [*blocks, *more]}).encode())
        phase = ADOPTS[ADOPTS.index(job.phase) + 1 if job.phase in ADOPTS else 0]
        self._spawn(phase, store.PLANNING, self._plan_steps(phase))
        return True

    def _may_apply(self) -> bool:
        job = self.job
        if job.cancelled_at:
            self._end(store.FAILED, store.CANCELLED, error="cancelled before anything was changed")
            return False
        if not job.plan["has_changes"]:
            if job.kind == "destroy":
                self._remove_certificates()
            self._complete(NOTHING if job.kind == "destroy" else UNCHANGED)
            return False
        holds = self._holds(job)
        if not holds:
            return True
        self._store.change_job(
            self._id, detail=store.AT_PLAN, plan={**job.plan, "holds": holds}, message="; ".join(holds)
        )
        return False

    def _holds(self, job: Job) -> list[str]:
        """Why this plan waits for somebody's word."""
        project = self._store.project(job.project_id)
        loses = job.plan["loses"]
        names = ", ".join(f"{address} ({what})" for address, what in loses.items())
        holds = ["the plan waits to be approved"] if job.is_asking else []
        if job.kind == "deploy" and loses:
            holds.append(f"it would replace or destroy what keeps data: {names}; confirm it with its digest")
        if job.kind == "destroy" and project.is_protected:
            holds.append(f"the project is protected: {names or 'nothing in it keeps data'}; confirm it with its digest")
        total = (job.plan["costs"] or {}).get("total")
        if job.max_monthly_usd is not None and (total is None or total > job.max_monthly_usd):
            holds.append(f"its costs, {total} USD a month, are not within the key's {job.max_monthly_usd}")
        return holds

    # applying

    def _begin_apply(self) -> bool:
        job, phase = self.job, self._folder()
        if self._digest() != job.plan["digest"]:
            self._end(store.FAILED, store.STALE_PLAN, error="the files of the plan are not those that were planned")
            return False
        detail = store.DESTROYING if job.kind == "destroy" else store.APPLYING
        self._remove_certificates()
        command = ("apply", "-input=false", "-json", str(phase / PLAN_FILE))
        with self._store.transaction():
            self._store.change_project(job.project_id, applied_job=job.id, state_at=self._setup.state)
            self._record("apply", detail)
        self._launch("apply", [step("apply", self._setup.program(), self._root, *command), *self._pull_steps()])
        return True

    def _remove_certificates(self) -> None:
        """Those that a job of ours registered and nobody knows of: Terraform can neither import nor register them."""
        orphans, last = self._store.orphans(self.job.project_id), outside.last_loss(self._store, self.job)
        if last is None:
            return
        since = outside.began_at(self._store, last, outside.earlier_of(self._store, self.job))
        removals = outside.certificates(orphans, self._cloud(), since)
        self._store.put_orphans(self.job.project_id, [one for one in orphans if one.arn not in removals])
        for arn in removals:
            line = f"{arn} was in no state and nothing used it: removed"
            self._store.tell(self._id, "log", {"line": line, "progress": self.job.progress})

    def _applied(self) -> bool:
        """Follow the apply; True if that ended the job."""
        ending = self._follow()
        job = self.job
        if ending.code == 0:
            self._complete(DONE_WORDS[job.kind])
            return True
        complaint = self._complaint(ending)
        if STALE in complaint:
            self._end(store.FAILED, store.STALE_PLAN, error=f"{complaint}; the state has changed since: deploy again")
            return True
        count, total = self._count()
        if ending.code is None:
            fate = store.WORKER_LOST
            complaint = f"worker_lost: nobody saw how the apply ended; its log tells {count} of {total} addresses done"
        else:
            fate = store.CANCELLED if job.cancelled_at else "failed"
            word = "cancelled" if job.cancelled_at else complaint
            complaint = f"{word} ({count} of {total} addresses done)"
        self._store.change_job(self._id, fate=fate, error=complaint)
        return False

    def _count(self) -> tuple[int, int]:
        progress = plans.Progress(self.job.plan["lines"])
        for message in self._messages:
            progress.hear(message)
        return progress.done, progress.total

    # after a loss

    def _reconcile(self) -> None:
        """Reading the cloud alone: make the state true, find what is outside it, and untaint what is whole."""
        notes: list[str] = []
        if self.job.phase == "apply":
            self._store.change_job(self._id, detail=store.RECONCILING)
        if self.job.phase in {"apply", "pull"}:
            is_there = self._is_quiet()
            notes += self._read_again()
            has_something = any(states.instances(states.read(self._place.state)))
            if is_there and has_something:  # Terraform refuses to refresh nothing, and calls in vain for half an hour
                self._refresh(refresh.PHASES[0], refresh.addresses(states.read(self._place.state)))
        if self.job.phase in refresh.PHASES:
            notes += self._refreshed()
            tainted = states.tainted(states.read(self._place.state))
            if tainted and self.job.kind == "deploy":
                self._spawn("mend", store.RECONCILING, self._mend_steps(tainted))
        if self.job.phase == "mend":
            self._taint_again(is_planned=self._follow(can_be_cancelled=False).code == 0)
        elif self.job.phase == "taint":
            self._follow(can_be_cancelled=False)
        self._find_orphans(notes)

    def _read_again(self) -> list[str]:
        """Have the state, as it is after a loss, where we read it; gives what there is to say of that."""
        if self.job.phase == "apply":
            (self._root / ADOPT).unlink(missing_ok=True)
            if self._setup.remote is None:
                return self._mended()
            self._spawn("pull", store.RECONCILING, [*self._push_steps(), *self._pull_steps()])
        is_read = self._follow(can_be_cancelled=False).code == 0
        return [] if is_read else ["the state could not be read; what is said of it is from before"]

    def _push_steps(self) -> list[dict[str, Any]]:
        """What could not be saved in S3 Terraform has left beside the code; an older one than is there it refuses."""
        errored = self._root / states.ERRORED
        push = step("push", self._setup.program(), self._root, "state", "push", str(errored), fine=(0, 1))
        return [push] if errored.exists() else []

    def _is_quiet(self) -> bool:
        """True once the cloud shows the same twice, False if it does not answer. Raises HaltedError."""
        try:
            if not outside.wait_until_quiet(self._setup, self.job, self._cloud(), self._halt):
                raise HaltedError("the service stops")
        except CloudError:
            return False
        return True

    def _refresh(self, phase: str, addresses: Iterable[str]) -> None:
        words = ("apply", "-refresh-only", "-auto-approve", "-input=false", "-json", *refresh.targets(addresses))
        refreshing = step("refresh", self._setup.program(), self._root, *words)
        self._spawn(phase, store.RECONCILING, [refreshing, *self._pull_steps()])

    def _refreshed(self) -> list[str]:
        """Follow the refresh; what cannot be read is left out of another one. Gives what there is to say of that."""
        notes: list[str] = []
        while self._follow(can_be_cancelled=False).code != 0:
            notes += self._mended()
            state = states.read(self._place.state)
            names = refresh.wanted(self._folder(), state)
            unread = refresh.unread(state, self._messages)
            more = refresh.PHASES[refresh.PHASES.index(self.job.phase) + 1 :]
            if not (more and unread & names and names - unread):
                why = next(plans.complaints(self._messages), "nobody saw why")
                return [*notes, f"the state could not be refreshed: {why}"]
            self._refresh(more[0], names - unread)
        notes += self._mended()
        state = states.read(self._place.state)
        unread = refresh.addresses(state) - refresh.wanted(self._folder(), state)
        return [*notes, f"could not be read again: {', '.join(sorted(unread))}"] if unread else notes

    def _mend_steps(self, tainted: list[str]) -> list[dict[str, Any]]:
        program, root = self._setup.program(), self._root
        file = str(self._folder("mend") / PLAN_FILE)
        return [
            *(step(f"untaint {one}", program, root, "untaint", one) for one in tainted),
            step("plan", program, root, "plan", "-input=false", "-json", "-refresh=false", f"-out={file}"),
            step("show", program, root, "show", "-json", file, out="plan.json"),
            *self._pull_steps(),
        ]

    def _taint_again(self, *, is_planned: bool) -> None:
        """What was half made is replaced after all: what the plan would replace, or all if there is none."""
        folder = self._folder()
        names = [one["name"] for one in json.loads((folder / "steps.json").read_text())]
        addresses = {name.removeprefix("untaint ") for name in names if name.startswith("untaint ")}
        if is_planned:
            changes = plans.changes(json.loads((folder / "plan.json").read_text()))
            addresses &= {one.address for one in changes if "delete" in one.actions}
        if addresses:
            program = self._setup.program()
            steps = [step(f"taint {one}", program, self._root, "taint", one) for one in sorted(addresses)]
            self._spawn("taint", store.RECONCILING, [*steps, *self._pull_steps()])
            self._follow(can_be_cancelled=False)

    def _find_orphans(self, notes: list[str]) -> None:
        job = self.job
        state = states.snapshot(self._place, job.seq)
        try:
            look = self._cloud().look()
            earlier = outside.earlier_of(self._store, job)
            orphans = orphans_of(job, earlier, state, look, outside.began_at(self._store, job, earlier))
            self._store.put_orphans(job.project_id, orphans)
        except ProvisioningError as error:
            notes.append(with_remedy(f"what is outside the state could not be looked for: {error}"))
            orphans = self._store.orphans(job.project_id)
        tainted = states.tainted(state)
        notes += remedies(orphans)
        if tainted:
            notes.append(f"half made, to be replaced by the next deploy: {', '.join(tainted)}")
        report = {"orphans": [one.arn for one in orphans], "tainted": tainted}
        self._end(
            store.FAILED, job.fate or store.WORKER_LOST, error="; ".join([job.error or "", *notes]), report=report
        )
