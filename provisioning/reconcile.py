"""What exists in the cloud and is in no state: found after a loss, named in the job, brought in by the next deploy."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from provisioning import states
from provisioning.cloud import Look
from provisioning.identities import IDENTITIES, NUMBERED, telling
from provisioning.plans import Change
from provisioning.store import Job, Orphan

# Ids of something else, without which there may be another one of the same name.
PARENTS = {"vpc_id", "peer_vpc_id", "security_group_id", "zone_id", "route_table_id", "subnet_id", "load_balancer_arn"}
NUMBER = re.compile(r"[a-z]+-[0-9a-f]{8,}")  # an id that nothing else has


class Claim(NamedTuple):
    """A planned address, and what is there of it."""

    address: str
    type: str
    arn: str
    import_id: str | None
    is_sure: bool  # whatever it belongs to is known as well

    @property
    def is_adoptable(self) -> bool:
        """True if an import block brings it in."""
        return self.is_sure and bool(self.import_id)


def namings(changes: Sequence[Change]) -> list[dict[str, Any]]:
    """Address, type and names of what a plan would create, bring in or destroy: enough to find it again, no more."""
    return [
        {"address": one.address, "type": one.type, "values": telling(one.type, one.values)}
        for one in changes
        if (one.lines or one.is_import) and (one.type in IDENTITIES or one.type in NUMBERED)
    ]


def claims(names: Iterable[Mapping[str, Any]], look: Look, since: float, is_inside: "Inside") -> list[Claim]:
    """What is there of what the names of a plan tell, and in no state; only where one address and one thing agree."""
    matches = []
    for naming in names:
        type_, facts = naming["type"], naming["values"]
        things = [one for one in look.things(type_, facts, since) if not is_inside(one.arn)]
        if len(things) == 1:
            is_sure = all(name in facts for name in NUMBERED.get(type_, ()) if name in PARENTS)
            matches.append(Claim(naming["address"], type_, things[0].arn, things[0].import_id, is_sure))
    counts = Counter(one.arn for one in matches)
    return [one for one in matches if counts[one.arn] == 1]


class Earlier(NamedTuple):
    """What was told before this job, and the names in the plans of the jobs that left it."""

    orphans: Sequence[Orphan]
    names: Sequence[Mapping[str, Any]]


class Inside:
    """Whether something is in a state: by its ARN, or by a number that nothing else has."""

    def __init__(self, state: Mapping[str, Any]) -> None:
        self._arns = states.arns(state)
        self._numbers = {str(one.get("attributes", {}).get("id")) for _, _, one in states.instances(state)}

    def __call__(self, arn: str) -> bool:
        """True for what is in it."""
        number = arn.rpartition("/")[2]
        return arn in self._arns or (NUMBER.fullmatch(number) is not None and number in self._numbers)


def there(job: Job, look: Look, since: float) -> set[str]:
    """ARNs of what a look shows of a job's project: what carries its tags, or what its plan names."""
    arns = {one.arn for one in claims(job.plan.get("names", []), look, since, Inside({}))}
    return arns | look.arns  # which the questions have made true


def orphans_of(job: Job, earlier: Earlier, state: Mapping[str, Any], look: Look, since: float) -> list[Orphan]:
    """What carries the project's tags, or is named by a plan where its type has no tags there, and is in no state.

    `since`: when the first job that may have left it began, in Unix seconds.
    """
    inside, addresses = Inside(state), {address for address, _, _ in states.instances(state)}
    rows = [*claims(earlier.names, look, since, inside), *claims(job.plan.get("names", []), look, since, inside)]
    matches = {one.arn: one for one in rows if one.address not in addresses}
    left_by = {one.arn: one.job_id for one in earlier.orphans}
    arns = {arn for arn in {*look.arns, *matches} if not inside(arn)}
    return [_orphan(job, left_by.get(arn, job.id), arn, matches.get(arn)) for arn in sorted(arns)]


def _orphan(job: Job, left_by: str, arn: str, claim: Claim | None) -> Orphan:
    if claim is None:
        return Orphan(project_id=job.project_id, type="", import_id="", arn=arn, job_id=left_by)
    import_id = claim.import_id or ""
    where = {"type": claim.type, "import_id": import_id, "address": claim.address}
    return Orphan(project_id=job.project_id, arn=arn, job_id=left_by, **where)


def imports(changes: Sequence[Change], state: Mapping[str, Any], look: Look, since: float) -> list[dict[str, str]]:
    """Import blocks for what a plan would create although it is there."""
    names = namings([one for one in changes if one.actions == ("create",)])
    matches = claims(names, look, since, Inside(state))
    return [{"to": one.address, "id": str(one.import_id)} for one in matches if one.is_adoptable]


def remedies(orphans: Sequence[Orphan]) -> list[str]:
    """What becomes of each, in sentences."""
    groups: dict[str, list[str]] = {}
    for one in orphans:
        groups.setdefault(_remedy(one), []).append(one.arn)
    return [f"outside the state: {', '.join(arns)}; {remedy}" for remedy, arns in groups.items()]


def _remedy(one: Orphan) -> str:
    if one.type == "aws_iot_certificate":
        return "the next job removes it where nothing uses it, since Terraform can import none"
    if one.address and one.import_id:
        return "the next deploy brings them in"
    return "no planned address is certain to be its own: remove it by hand"
