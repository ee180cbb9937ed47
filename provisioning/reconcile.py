"""What exists in the cloud and is in no state: found after a loss, named in the job, brought in by the next deploy."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from provisioning import states
from provisioning.cloud import Look
from provisioning.keeps import IDENTITIES, NAMED_ONLY, Owner
from provisioning.plans import Change
from provisioning.store import Job, Orphan

NAMES = ("name", "bucket", "path")  # of the planned values, what an identity is made of


def namings(changes: Sequence[Change]) -> list[dict[str, Any]]:
    """Address, type and names of what a plan would create, bring in or destroy: enough to find it again, no more."""
    return [
        {
            "address": one.address,
            "type": one.type,
            "values": {name: one.values[name] for name in NAMES if one.values.get(name)},
        }
        for one in changes
        if (one.lines or one.is_import) and one.type in IDENTITIES
    ]


def there(job: Job, look: Look, since: float) -> set[str]:
    """ARNs of what a look shows of a job's project: what carries its tags, or has a planned name."""
    for _ in _candidates(job, look, since):
        pass
    return {_plain(arn) for arn in look.arns}


def orphans_of(job: Job, state: Mapping[str, Any], earlier: Sequence[Orphan], look: Look, since: float) -> list[Orphan]:
    """What carries the project's tags, or has a planned name where its type has no tags there, and is in no state.

    `since`: when the first job that may have left it began, in Unix seconds.
    """
    inside = states.arns(state)
    candidates = {arn: (type_, import_id) for type_, arn, import_id in _candidates(job, look, since)}
    orphans: dict[str, Orphan] = {}
    for arn in sorted({_plain(one) for one in look.arns} - inside):
        type_, import_id = candidates.get(arn, ("", arn))
        orphans[arn] = Orphan(project_id=job.project_id, type=type_, import_id=import_id, arn=arn, job_id=job.id)
    for one in earlier:
        if one.type in NAMED_ONLY and one.arn not in inside and look.has_named(one.type, one.arn, 0.0):
            orphans[one.arn] = one
    return [orphans[arn] for arn in sorted(orphans)]


def _candidates(job: Job, look: Look, since: float) -> Iterator[tuple[str, str, str]]:
    """Type, ARN and import id of what the job would have created; those of IAM only if they are there."""
    for naming in job.plan.get("names", []):
        identity = IDENTITIES[naming["type"]]
        arn = identity.arn(naming["values"], look.owner)
        if arn is None:
            continue
        if naming["type"] in NAMED_ONLY and look.has_named(naming["type"], arn, since):
            look.arns.add(arn)
        yield naming["type"], arn, identity.import_id(naming["values"], look.owner) or arn


def imports(changes: Sequence[Change], orphans: Sequence[Orphan], look: Look) -> list[dict[str, str]]:
    """Import blocks for what a plan would create although an orphan has its name."""
    earlier = {one.arn for one in orphans} | look.arns
    blocks = []
    for one in changes:
        if one.type not in IDENTITIES or one.actions != ("create",):
            continue
        identity, owner = IDENTITIES[one.type], look.owner
        arn = identity.arn(one.values, owner)
        if arn in earlier:
            blocks.append({"to": one.address, "id": _import_id(identity.import_id(one.values, owner), arn)})
    return blocks


def addressed(orphans: Sequence[Orphan], names: Iterable[Mapping[str, Any]]) -> list[tuple[Orphan, str]]:
    """Those of the orphans that the names of a plan cover, each with its address there."""
    by_arn = {one.arn: one for one in orphans}
    owners = {Owner(one.arn.split(":")[4], one.arn.split(":")[3]) for one in orphans}
    found = {}
    for naming in names:
        for owner in owners:
            arn = IDENTITIES[naming["type"]].arn(naming["values"], owner)
            if arn in by_arn:
                found[arn] = (by_arn[arn], str(naming["address"]))
    return list(found.values())


def _import_id(import_id: str | None, arn: str | None) -> str:
    return import_id or arn or ""


def _plain(arn: str) -> str:
    return arn.removesuffix(":*")
