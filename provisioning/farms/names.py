"""What a farm's resources are called: profiles of patterns, and a table of what each kind of name may be. Pure.

`{farm}` is the farm's id (a CNPJ's slug is one), `{owner}` the Google project or the AWS account. No part but the owner
has a hyphen, so that a name says again what it was made of.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from provisioning.farms import cnpj, farm_id
from provisioning.farms.errors import NamesError

AWS, GOOGLE, NONE = "aws", "gcp", "none"
IRRIGATION, VMHUB = "irrigation", "vmhub"

BUCKET, DATASET, JOB, SCHEDULE, ACCOUNT = "bucket", "dataset", "sync job", "schedule", "service account"
DATABASE, ROLE, SECRET = "database", "role", "secret"
WORLD, PROJECT = "world", "project"  # within which a name is one thing's


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What one cloud takes as a name of one kind: its length, its letters, and who else might have it."""

    cloud: str
    name: str
    least: int
    most: int
    letters: re.Pattern[str]
    want: str
    is_same_in_any_case: bool = False  # `A` and `a` would be one name
    is_cut: bool = False  # what is too long is cut, and ends in 6 digits of its hash
    within: str = PROJECT


_LOWER = "lower case letters, digits and hyphens, a letter first and no hyphen last"
_WORDS = re.compile(r"[a-z](?:[a-z0-9-]*[a-z0-9])?")
_BUCKETS = re.compile(r"(?!goog|xn--|sthree-|amzn-s3-demo-)(?!.*google)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?<!-s3alias)")
_BUCKET = "lower case letters, digits and hyphens, and no name that the cloud keeps for itself"

# Limits as the clouds' documents have them; of a Cloud Run job as provisioning/job_files/limits.py has it.
KINDS = (
    Kind(cloud=GOOGLE, name=BUCKET, least=3, most=63, letters=_BUCKETS, want=_BUCKET, within=WORLD),
    Kind(
        cloud=GOOGLE,
        name=DATASET,
        least=1,
        most=1024,
        letters=re.compile(r"[A-Za-z0-9_]+"),
        want="letters, digits and underscores",
    ),
    Kind(cloud=GOOGLE, name=JOB, least=1, most=49, letters=_WORDS, want=_LOWER),
    Kind(
        cloud=GOOGLE,
        name=SCHEDULE,
        least=1,
        most=500,
        letters=re.compile(r"[A-Za-z0-9_-]+"),
        want="letters, digits, hyphens and underscores",
    ),
    Kind(cloud=GOOGLE, name=ACCOUNT, least=6, most=30, letters=_WORDS, want=_LOWER, is_cut=True),
    Kind(
        cloud=GOOGLE,
        name=SECRET,
        least=1,
        most=235,  # 255, less the name of the field that the secret was
        letters=re.compile(r"[A-Za-z0-9_-]+"),
        want="letters, digits, hyphens and underscores",
    ),
    Kind(cloud=AWS, name=BUCKET, least=3, most=63, letters=_BUCKETS, want=_BUCKET, within=WORLD),
    Kind(
        cloud=AWS,
        name=DATABASE,
        least=1,
        most=255,
        letters=re.compile(r"[a-z0-9_]+"),
        want="lower case letters, digits and underscores",
    ),
    Kind(
        cloud=AWS,
        name=JOB,
        least=1,
        most=64,  # a function's; a task definition's has 255
        letters=re.compile(r"[A-Za-z0-9_-]+"),
        want="letters, digits, hyphens and underscores",
    ),
    Kind(
        cloud=AWS,
        name=SCHEDULE,
        least=1,
        most=64,
        letters=re.compile(r"[A-Za-z0-9_.-]+"),
        want="letters, digits, hyphens, underscores and dots",
    ),
    Kind(
        cloud=AWS,
        name=ROLE,
        least=1,
        most=64,
        letters=re.compile(r"[A-Za-z0-9_+=,.@-]+"),
        want="letters, digits and _+=,.@-",
        is_same_in_any_case=True,
    ),
    Kind(
        cloud=AWS,
        name=SECRET,
        least=1,
        most=485,  # 512, less that, and less the 7 that Secrets Manager appends in the ARN
        letters=re.compile(r"[A-Za-z0-9/_+=.@-]+"),
        want="letters, digits and /_+=.@-",
    ),
)

_IRRIGATION: Mapping[str, str] = {
    BUCKET: "{prefix}-data-{owner}-{farm}-{env}",
    DATASET: "FARM_{farm}_{ENV}_RAW",
    JOB: "{prefix}-sync-{farm}-{env}",
    SCHEDULE: "{prefix}-sync-schedule-{farm}-{env}",
    ACCOUNT: "{prefix}-{farm}-{env}",
    DATABASE: "{prefix}_{farm}_{env}",
    ROLE: "{prefix}-farm-{farm}-{env}",
    SECRET: "{prefix}-farm-{farm}-{env}",
}
_VMHUB: Mapping[str, str] = {  # the seed's; `{farm}` is a CNPJ
    BUCKET: "vmhub-data-semantc-ai-{farm}-{env}",
    DATASET: "CNPJ_{farm}_RAW",
    JOB: "vmhub-sync-{farm}",
    SCHEDULE: "vmhub-sync-schedule-{farm}",
}
PROFILES: Mapping[tuple[str, str], Mapping[str, str]] = {  # by profile and cloud: the seed says nothing of AWS
    (IRRIGATION, GOOGLE): _IRRIGATION,
    (IRRIGATION, AWS): _IRRIGATION,
    (VMHUB, GOOGLE): {**_IRRIGATION, **_VMHUB},
    (VMHUB, AWS): _IRRIGATION,
}
NAMINGS = (IRRIGATION, VMHUB)

ENVIRONMENT = (re.compile(r"[a-z][a-z0-9]{1,11}"), "2 to 12 lower case letters and digits, a letter first")

# What the parts of a name may be, and how a person may mend one that is not.
_PARTS = {
    "prefix": (re.compile(r"[a-z][a-z0-9]{0,19}"), "a letter, then up to 19 lower case letters and digits"),
    "environment": ENVIRONMENT,
}
OWN_ACCOUNTS = frozenset({"provisioner", "trigger"})  # words of terraform/gcp's own service accounts
_OWNERS = {
    GOOGLE: (re.compile(r"[a-z][a-z0-9-]{4,28}[a-z0-9]"), "the id of a Google project, as my-project-1"),
    AWS: (re.compile(r"[0-9]{12}"), "the 12 digits of an AWS account"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """One farm in one environment, as far as names go. `owner` is the Google project or the AWS account that pays."""

    farm: str
    environment: str
    cloud: str
    owner: str = ""
    naming: str = IRRIGATION
    prefix: str = "irrigation"


def names(tenant: Tenant) -> dict[str, str]:
    """The name of each kind that the farm's cloud has; none where it has no cloud. Raises NamesError."""
    if mistakes := [*_wrong_parts(tenant)]:
        raise NamesError(mistakes)
    all_names = {kind.name: _name(kind, tenant) for kind in _kinds(tenant)}
    if mistakes := [why for kind in _kinds(tenant) if (why := _wrong_name(kind, all_names[kind.name], tenant))]:
        raise NamesError(mistakes)
    return all_names


def check_all(tenants: Iterable[Tenant]) -> None:
    """Names of all farms in all environments, judged together. Raises NamesError with every mistake."""
    mistakes: list[str] = []
    owners: dict[tuple[str, str, str, str], list[Tenant]] = defaultdict(list)
    tenants = list(tenants)
    for tenant in tenants:
        try:
            all_names = names(tenant)
        except NamesError as error:
            mistakes += error.mistakes
            continue
        for kind in _kinds(tenant):
            name = all_names[kind.name]
            place = "" if kind.within == WORLD else tenant.owner
            owners[kind.cloud, kind.name, place, name.lower() if kind.is_same_in_any_case else name].append(tenant)
    mistakes += _collisions(owners)
    mistakes += _crowded_projects(tenants)
    if mistakes:
        raise NamesError(mistakes)


def _kinds(tenant: Tenant) -> list[Kind]:
    return [kind for kind in KINDS if kind.cloud == tenant.cloud]


def _name(kind: Kind, tenant: Tenant) -> str:
    name = PROFILES[tenant.naming, tenant.cloud][kind.name].format(
        prefix=tenant.prefix,
        owner=tenant.owner,
        farm=tenant.farm,
        env=tenant.environment,
        ENV=tenant.environment.upper(),
    )
    return _cut(name, kind.most) if kind.is_cut else name


def _cut(name: str, most: int) -> str:
    if len(name) <= most:
        return name
    return f"{name[: most - 7]}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"


def _wrong_parts(tenant: Tenant) -> Iterator[str]:
    for part, (pattern, want) in _PARTS.items():
        if not pattern.fullmatch(getattr(tenant, part)):
            yield f"{part} {getattr(tenant, part)!r}: want {want}"
    if why := farm_id.wrong(tenant.farm):
        yield f"farm {tenant.farm!r}: {why}"
    elif tenant.farm in OWN_ACCOUNTS:
        yield f"farm {tenant.farm!r}: the environment's own account is called so; choose another, as {tenant.farm}1"
    if tenant.cloud not in {NONE, *_OWNERS}:
        yield f"cloud {tenant.cloud!r}: want one of {', '.join([*_OWNERS, NONE])}"
    elif tenant.cloud != NONE:
        pattern, want = _OWNERS[tenant.cloud]
        if not pattern.fullmatch(tenant.owner):
            yield f"owner {tenant.owner!r}: want {want}"
    if tenant.naming not in NAMINGS:
        yield f"naming {tenant.naming!r}: want one of {', '.join(NAMINGS)}"
    elif tenant.naming == VMHUB and not cnpj.SLUG.fullmatch(tenant.farm):
        yield f"naming 'vmhub': is made of a CNPJ, and {tenant.farm} has none; give cnpj, or naming: {IRRIGATION}"


def _wrong_name(kind: Kind, name: str, tenant: Tenant) -> str | None:
    what = f"{kind.name} {name!r} of farm {tenant.farm} in {tenant.environment}"
    if not kind.least <= len(name) <= kind.most:
        shorter = "a shorter prefix, farm id or environment" if len(name) > kind.most else "a longer prefix"
        return f"{what}: has {len(name)} characters, {kind.cloud} takes {kind.least} to {kind.most}; take {shorter}"
    return None if kind.letters.fullmatch(name) else f"{what}: {kind.cloud} takes {kind.want}; take another prefix"


def _collisions(owners: Mapping[tuple[str, str, str, str], list[Tenant]]) -> Iterator[str]:
    for (_, kind, _, name), tenants in owners.items():
        if len(tenants) > 1:
            who = " and ".join(f"farm {tenant.farm} in {tenant.environment}" for tenant in tenants)
            yield f"{kind} {name!r}: would be the name of {who}; give one of them another id, or a project of its own"


def _crowded_projects(tenants: Iterable[Tenant]) -> Iterator[str]:
    """The seed's names of datasets, jobs and schedules have no environment in them, so a project has one."""
    environments: dict[str, set[str]] = defaultdict(set)
    for tenant in tenants:
        if (tenant.naming, tenant.cloud) == (VMHUB, GOOGLE):
            environments[tenant.owner].add(tenant.environment)
    for project, all_of_it in environments.items():
        if len(all_of_it) > 1:
            several = ", ".join(sorted(all_of_it))
            yield (
                f"naming 'vmhub': project {project} would hold {several}; "
                f"give each environment a project, or naming: {IRRIGATION}"
            )
