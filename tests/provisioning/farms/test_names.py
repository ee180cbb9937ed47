"""What farms' resources are called: the seed's table, what the clouds take, and that no two are called the same."""

import hashlib
import itertools
import re
import string
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from provisioning.farms import cnpj
from provisioning.farms.errors import NamesError
from provisioning.farms.names import (
    ACCOUNT,
    AWS,
    BUCKET,
    DATABASE,
    DATASET,
    GOOGLE,
    JOB,
    KINDS,
    NONE,
    PROFILES,
    ROLE,
    SCHEDULE,
    SECRET,
    VMHUB,
    Tenant,
    check_all,
    names,
)

PROJECT, ACCOUNT_ID = "semantc-ai-1", "123456789012"
EXAMPLE = Tenant(farm="12345678000199", environment="dev", cloud=GOOGLE, owner=PROJECT, naming=VMHUB)
SITIO = Tenant(farm="sitio1", environment="prod", cloud=GOOGLE, owner=PROJECT)
ALIKE = ("fazendasantaclara58", "fazendasantaclara117")  # in dev, up to the cut and in the hash behind it

# As the clouds' own documents state them: by cloud and kind, and none of it by the product's code.
DOCUMENTS = {
    (GOOGLE, BUCKET): r"(?!goog)(?!.*g[o0]{2}gle)[a-z0-9][a-z0-9_-]{1,61}[a-z0-9]",  # storage/docs/buckets#naming
    (GOOGLE, DATASET): r"[A-Za-z0-9_]{1,1024}",  # bigquery/docs/datasets#dataset-naming
    (GOOGLE, JOB): r"[a-z][a-z0-9-]{0,47}[a-z0-9]",  # run/docs/create-jobs
    (GOOGLE, SCHEDULE): r"[a-zA-Z\d_-]{1,500}",  # scheduler REST: projects.locations.jobs, name
    (GOOGLE, ACCOUNT): r"(?=.{6,30}$)[a-z]([-a-z0-9]*[a-z0-9])",  # iam REST: serviceAccounts.create, accountId
    (GOOGLE, SECRET): r"[a-zA-Z_0-9-]{1,255}",  # secretmanager REST: projects.secrets.create, secretId
    (
        AWS,
        BUCKET,
    ): r"(?!xn--|sthree-|amzn-s3-demo-)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?<!-s3alias)(?<!--ol-s3)(?<!--x-s3)",
    (AWS, DATABASE): r"[a-z0-9_]{1,255}",  # Athena's names of databases, in Glue
    (AWS, JOB): r"[a-zA-Z0-9_-]{1,64}",  # Lambda CreateFunction; ECS takes up to 255
    (AWS, SCHEDULE): r"[0-9a-zA-Z\-_.]{1,64}",  # EventBridge Scheduler CreateSchedule
    (AWS, ROLE): r"[\w+=,.@-]{1,64}",  # IAM CreateRole
    (AWS, SECRET): r"[A-Za-z0-9/_+=.@-]{1,512}",  # Secrets Manager CreateSecret
}

WORDS = string.digits + string.ascii_lowercase
PLAIN = some.builds(str.__add__, some.sampled_from(string.ascii_lowercase), some.text(WORDS, min_size=1, max_size=11))
STEMS = some.text(WORDS, min_size=12, max_size=12).filter(lambda stem: stem != "0" * 12)
NUMBERS = STEMS.map(lambda stem: stem + cnpj.check_digits(stem))


def test_the_seeds_table_is_met_to_the_byte() -> None:
    """The four names of the seed's example, as its own table has them."""
    made = names(EXAMPLE)
    assert {kind: made[kind] for kind in (BUCKET, DATASET, JOB, SCHEDULE)} == {
        BUCKET: "vmhub-data-semantc-ai-12345678000199-dev",
        DATASET: "CNPJ_12345678000199_RAW",
        JOB: "vmhub-sync-12345678000199",
        SCHEDULE: "vmhub-sync-schedule-12345678000199",
    }


def test_a_farm_on_google_has_the_houses_names() -> None:
    """Its environment is in each of them; a service account is no longer than Google allows."""
    assert names(SITIO) == {
        BUCKET: "irrigation-data-semantc-ai-1-sitio1-prod",
        DATASET: "FARM_sitio1_PROD_RAW",
        JOB: "irrigation-sync-sitio1-prod",
        SCHEDULE: "irrigation-sync-schedule-sitio1-prod",
        ACCOUNT: "irrigation-sitio1-prod",
        SECRET: "irrigation-farm-sitio1-prod",
    }


@pytest.mark.parametrize("naming", ["irrigation", VMHUB])
def test_a_farm_on_aws_has_the_houses_names(naming: str) -> None:
    """Also one that is called as the seed has it at Google: of AWS the seed says nothing."""
    farm = "12345678000195"
    assert names(Tenant(farm=farm, environment="dev", cloud=AWS, owner=ACCOUNT_ID, naming=naming)) == {
        BUCKET: f"irrigation-data-{ACCOUNT_ID}-{farm}-dev",
        DATABASE: f"irrigation_{farm}_dev",
        JOB: f"irrigation-sync-{farm}-dev",
        SCHEDULE: f"irrigation-sync-schedule-{farm}-dev",
        ROLE: f"irrigation-farm-{farm}-dev",
        SECRET: f"irrigation-farm-{farm}-dev",
    }


def test_a_farm_without_a_cloud_has_no_names_there() -> None:
    """At its own broker nothing is called anything."""
    assert names(Tenant(farm="sitio1", environment="dev", cloud=NONE)) == {}


def test_a_long_service_account_ends_in_a_hash_of_the_whole() -> None:
    """Two farms whose names are alike up to the cut are two accounts, of 30 characters."""
    farms = ("fazendasantaclara1", "fazendasantaclara2")
    made = [names(replace(SITIO, farm=farm))[ACCOUNT] for farm in farms]
    whole = [f"irrigation-{farm}-prod" for farm in farms]
    assert made == [f"irrigation-fazendasanta-{hashlib.sha256(name.encode()).hexdigest()[:6]}" for name in whole]
    assert {len(name) for name in made} == {30}


def tenants(farms: list[tuple[str, str]]) -> Iterator[Tenant]:
    """Farms with their profiles, on both clouds; the seed's profile in projects of one environment."""
    for (farm, naming), environment in itertools.product(farms, ("dev", "prod", "staging")):
        project = f"vmhub-{environment}" if naming == VMHUB else PROJECT
        yield Tenant(farm=farm, environment=environment, cloud=GOOGLE, owner=project, naming=naming)
        yield Tenant(farm=farm, environment=environment, cloud=AWS, owner=ACCOUNT_ID, naming=naming)


def five_hundred() -> list[tuple[str, str]]:
    """Farms of both forms of a CNPJ and of plain ids, those among them that are one another's beginning."""
    digits = [f"{company:08}0001" for company in range(11222333, 11222333 + 125)]
    letters = [f"{company:05}abc01de" for company in range(125)]
    numbers = [stem + cnpj.check_digits(stem) for stem in digits + letters]
    plain = [f"sitio{number}" for number in range(1, 126)] + [f"fazendadosipes{number}" for number in range(125)]
    return [(farm, "irrigation") for farm in (*numbers[::2], *plain)] + [(farm, VMHUB) for farm in numbers[1::2]]


def test_five_hundred_farms_are_called_five_hundred_things() -> None:
    """In three environments and two clouds no two of them meet, and each name is one that its cloud takes."""
    farms = five_hundred()
    assert len(set(farms)) == 500
    check_all(tenants(farms))
    judge(list(tenants(farms)))


@settings(max_examples=50)
@given(some.lists(some.tuples(PLAIN | NUMBERS, some.just("irrigation")), min_size=2, max_size=4, unique=True))
def test_any_farms_are_called_differently(farms: list[tuple[str, str]]) -> None:
    """Whatever their ids are: what one is called nobody else is, and each cloud takes it."""
    judge(list(tenants(farms)))


def judge(group: list[Tenant]) -> None:
    """Holds names to the documents, and to each other: by cloud, kind and owner, in any case of letters."""
    owners: dict[tuple[str, str, str, str], set[tuple[str, str]]] = defaultdict(set)
    for tenant in group:
        for kind, name in names(tenant).items():
            assert re.fullmatch(DOCUMENTS[tenant.cloud, kind], name), f"{tenant.cloud} {kind}: {name}"
            owners[tenant.cloud, kind, tenant.owner, name.lower()].add((tenant.farm, tenant.environment))
    assert not {place: who for place, who in owners.items() if len(who) > 1}


def test_every_kind_has_a_document_and_a_pattern() -> None:
    """No kind is judged by the product's own table alone."""
    assert {(kind.cloud, kind.name) for kind in KINDS} == set(DOCUMENTS)
    assert all(kind.name in PROFILES[naming, kind.cloud] for kind in KINDS for naming in ("irrigation", VMHUB))


def test_the_seeds_names_are_for_one_environment_of_a_project() -> None:
    """Its datasets, jobs and schedules have no environment in them: dev and prod in one project would be one."""
    prod = replace(EXAMPLE, environment="prod")
    other = replace(prod, farm="12345678000195")
    for second in (prod, other):
        with pytest.raises(NamesError, match=f"naming 'vmhub': project {PROJECT} would hold dev, prod; give each"):
            check_all([EXAMPLE, second])
    check_all([EXAMPLE, replace(other, owner="semantc-ai-2"), replace(SITIO, environment="staging")])


def test_the_seeds_names_want_a_cnpj() -> None:
    """A plain farm id has none: one line says what to give instead."""
    with pytest.raises(NamesError, match=r"^naming 'vmhub': is made of a CNPJ, and sitio1 has none; give cnpj, or"):
        names(replace(SITIO, naming=VMHUB))


def test_two_farms_of_one_name_are_found() -> None:
    """Who comes twice, or whose long name has the hash of another's, is named with everything that would meet."""
    with pytest.raises(
        NamesError, match="bucket 'irrigation-data-semantc-ai-1-sitio1-prod': would be the name of"
    ) as caught:
        check_all([SITIO, SITIO])
    assert len(caught.value.mistakes) == 6
    one, two = ALIKE
    with pytest.raises(NamesError, match=f"^service account '[a-z0-9-]*': would be .*{one} in dev and .*{two} in dev"):
        check_all(replace(SITIO, farm=farm, environment="dev") for farm in ALIKE)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"farm": "Sitio"}, "farm 'Sitio': want 2 to 20 of a-z and 0-9"),
        ({"farm": "sitio-1"}, "farm 'sitio-1': want 2 to 20 of a-z and 0-9"),
        ({"farm": "a" * 21}, "want 2 to 20 of a-z and 0-9"),
        ({"farm": "sitio\n"}, "want 2 to 20 of a-z and 0-9"),
        ({"farm": "sensors"}, "farm 'sensors': is a word of the topics"),
        ({"farm": "provisioner"}, "farm 'provisioner': the environment's own account is called so"),
        ({"environment": "dev-2"}, "environment 'dev-2': want 2 to 12"),
        ({"prefix": "my-farm"}, "prefix 'my-farm': want a letter"),
        ({"cloud": "azure"}, "cloud 'azure': want one of gcp, aws, none"),
        ({"owner": "Project"}, "owner 'Project': want the id of a Google project"),
        ({"cloud": AWS}, "owner 'semantc-ai-1': want the 12 digits"),
        ({"naming": "seed"}, "naming 'seed': want one of irrigation, vmhub"),
        ({"prefix": "google"}, "bucket 'google-data-.*gcp takes lower case letters"),
        (
            {"prefix": "irrigacaodolitoral20", "farm": "fazendasantaclara123"},
            "bucket '.*' of farm .* in prod: has 64 characters, gcp takes 3 to 63",
        ),
    ],
)
def test_what_no_cloud_takes_is_refused(changes: dict[str, str], why: str) -> None:
    """One line says which part or name it is, and what to do."""
    with pytest.raises(NamesError, match=why):
        names(replace(SITIO, **changes))


def test_a_mistake_of_one_farm_hides_no_other() -> None:
    """All that is wrong with all of them is told at once."""
    with pytest.raises(NamesError) as caught:
        check_all([replace(SITIO, farm="A"), replace(SITIO, prefix="B"), EXAMPLE, EXAMPLE])
    assert [why.partition(":")[0].partition(" ")[0] for why in caught.value.mistakes[:2]] == ["farm", "prefix"]
    assert len(caught.value.mistakes) == 8
