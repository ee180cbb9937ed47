"""Farms beside each other: every thing of each, every operation, every topic of each; its own farm's, and no other's.

Two ids of which one begins with the other, a CNPJ, and the default farm. What a thing may do within its farm is the
table of test_policy_matrix.py; here the same table holds below each root. Judged by both evaluators.
"""

import functools
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from local_cloud.policy import Policy, render
from protocol import farms, topics
from tests.terraform.test_policy_matrix import ACCOUNT, OPERATIONS, POLICIES, REGION, RESOURCES, SCOPE, Document

FARMS = (farms.DEFAULT, "sitio1", "sitio10", "12abc34501de35")
ROLES = ("gateway-1", "gateway-10", "compute")
LONGEST_ID, LONGEST_REGION = "a" * 20, "ap-southeast-99"
CASES = 20148


class Row(NamedTuple):
    """Of a farm: what comes below its root, with a gateway's place in it, who publishes it, who receives it."""

    below: str
    publisher: str
    reader: str


OWN, GATEWAYS, COMPUTE = "own", "gateways", "compute"
TABLE = (
    Row("sensors/{}.soil-a/data", OWN, COMPUTE),
    Row("gateway/{}/status", OWN, COMPUTE),
    Row("control/{}/command", COMPUTE, OWN),
    Row("control/{}/ack", OWN, COMPUTE),
    Row("errors/{}", OWN, COMPUTE),
    Row("diagnostics/{}", OWN, COMPUTE),
    Row("control/all/command", COMPUTE, GATEWAYS),
    Row("system/updates", COMPUTE, GATEWAYS),
)
OLD = (
    Row("gateway/status", GATEWAYS, COMPUTE),
    Row("errors", GATEWAYS, COMPUTE),
    Row("diagnostics", GATEWAYS, COMPUTE),
)
# Filters of compute, below its root; `$share/<group>/` may stand before the root.
FILTERS = ("sensors/+/data", "control/+/ack", "gateway/+/status", "errors/+", "diagnostics/+")
# What nobody may ask for: over all farms, over those whose ids begin alike, and over one's own.
WIDE = (
    *("#", "irrigation/#", "irrigation/+/#", "irrigation/+/sensors/+/data", "irrigation/+/control/+/command"),
    *("irrigation/+/control/all/command", "irrigation/+/system/updates", "irrigation/sitio1/#", "irrigation/sitio1/+"),
    *("irrigation/sitio10/#", "irrigation/sitio1+/sensors/+/data", "irrigation/sitio+/errors/+", "+/sitio1/errors/+"),
    *("$share/g/irrigation/+/sensors/+/data", "$share/g/irrigation/+/errors/+", "$share/g/irrigation/sitio1/#"),
    *("irrigation/sitio1/control/+/command", "irrigation/control/+/command", "sitio1/sensors/+/data"),
)


class Case(NamedTuple):
    """One thing, one operation, one name, and whether the design allows it."""

    thing: str
    operation: str
    name: str
    allowed: bool


def farm_of(thing: str) -> str:
    return thing.split("-", maxsplit=1)[0]


THINGS = tuple(f"{farm}-{role}" for farm in FARMS for role in ROLES)


@functools.cache
def cases() -> tuple[Case, ...]:
    """The whole matrix."""
    return tuple(dict.fromkeys(case for thing in THINGS for case in (*_connects(thing), *_moves(thing), *_asks(thing))))


def _connects(thing: str) -> Iterator[Case]:
    yield from (Case(thing, "connect as", other, other == thing) for other in THINGS)


def _rows(farm: str) -> Iterator[tuple[Row, str, str]]:
    """Each row with its topic below the farm's root, and the thing whose own it is; once a thing of any farm."""
    for row in (*TABLE, *OLD):
        for thing in THINGS if "{}" in row.below else ("",):
            yield row, f"{farms.root(farm)}/{row.below.format(thing)}", thing


def _is(thing: str, who: str, owner: str) -> bool:
    is_compute = thing.endswith("-compute")
    return {OWN: thing == owner and not is_compute, GATEWAYS: not is_compute, COMPUTE: is_compute}[who]


def _moves(thing: str) -> Iterator[Case]:
    for farm in FARMS:
        for row, name, owner in _rows(farm):
            ours = farm == farm_of(thing) and (row not in OLD or farm == farms.DEFAULT)
            for operation in ("publish", "leave as will"):
                yield Case(thing, operation, name, ours and _is(thing, row.publisher, owner))
            for operation in ("publish retained", "leave as retained will"):
                yield Case(thing, operation, name, False)
            yield Case(thing, "receive", name, ours and _is(thing, row.reader, owner))


def _asks(thing: str) -> Iterator[Case]:
    for farm in FARMS:
        root, ours, is_compute = farms.root(farm), farm == farm_of(thing), thing.endswith("-compute")
        for row, name, owner in _rows(farm):
            if row in OLD:
                yield Case(thing, "subscribe to", name, ours and farm == farms.DEFAULT and is_compute)
            elif row.publisher == COMPUTE:
                yield Case(thing, "subscribe to", name, ours and _is(thing, row.reader, owner))
        for below in FILTERS:
            for before in ("", "$share/compute/"):
                yield Case(thing, "subscribe to", f"{before}{root}/{below}", ours and is_compute)
    yield from (Case(thing, "subscribe to", name, False) for name in WIDE)


def documents(farm: str) -> dict[str, dict[str, Any]]:
    return {path.name.split(".")[0]: render(path, REGION, ACCOUNT, farm) for path in POLICIES.iterdir()}


def of_thing(thing: str, of: dict[str, dict[str, dict[str, Any]]]) -> list[dict[str, Any]]:
    role = "compute" if thing.endswith("-compute") else "gateway"
    return [document for name, document in of[farm_of(thing)].items() if name.startswith(role)]


def mistakes(of: dict[str, dict[str, dict[str, Any]]], things: tuple[str, ...] = THINGS) -> list[Case]:
    """Their cases in which the evaluator that knows no regular expression does not give what is expected."""
    judges = {thing: Document(of_thing(thing, of), thing) for thing in things}
    return [
        case
        for case in cases()
        if case.thing in things
        and case.allowed
        != all(
            judges[case.thing].allows(action, f"{SCOPE}:{RESOURCES[action]}/{case.name}")
            for action in OPERATIONS[case.operation]
        )
    ]


def test_each_farm_has_its_own_and_no_other() -> None:
    """Commands, readings, statuses, errors, updates and `all` end at the farm's border, for gateways and compute."""
    assert mistakes({farm: documents(farm) for farm in FARMS}) == []


def test_the_gate_judges_the_same() -> None:
    """The evaluator of the local cloud gives the same answer in every case."""
    of = {farm: documents(farm) for farm in FARMS}
    gate = {thing: Policy(of_thing(thing, of), thing, SCOPE) for thing in THINGS}
    found = [
        case
        for case in cases()
        if case.allowed != all(gate[case.thing].allows(action, case.name) for action in OPERATIONS[case.operation])
    ]
    assert found == []


def test_the_matrix_is_whole() -> None:
    """Every thing meets every operation on both sides of the line; every topic of the protocol is among them."""
    assert len(cases()) == len({case[:3] for case in cases()}) == CASES
    for thing in THINGS:
        for operation in OPERATIONS:
            allowed = {case.allowed for case in cases() if (case.thing, case.operation) == (thing, operation)}
            assert allowed == ({False} if "retained" in operation else {True, False}), (thing, operation)
    below = {row.below.replace("{}", "+").replace("+.soil-a", "+") for row in (*TABLE, *OLD)}
    known = {*topics.from_gateways(), *topics.for_gateway("x"), topics.command("x")}
    assert below == {name.removeprefix("irrigation/").replace("/x/", "/+/") for name in known}


@pytest.mark.parametrize("path", sorted(POLICIES.iterdir()), ids=lambda path: path.name)
def test_a_document_fits_aws(path: Any) -> None:
    """The longest farm id in the region with the longest name stays within the 2,048 characters of a policy."""
    document = render(path, LONGEST_REGION, ACCOUNT, LONGEST_ID)
    assert len(json.dumps(document, separators=(",", ":"))) <= 2048


# What a mistake would make of a root -> a case that must then be found.
ONE = "irrigation/sitio1"
MUTANTS = [
    ("compute", f"/{ONE}/control/*/command", "/irrigation/*/control/*/command", "compute", "publish"),
    ("compute", f"/{ONE}/control/*/command", f"/{ONE}*/control/*/command", "compute", "publish"),
    ("compute", f"/{ONE}/errors/*", f"/{ONE}*/errors/*", "compute", "receive"),
    ("compute", f"topicfilter/{ONE}/errors/+", f"topicfilter/{ONE}*", "compute", "subscribe to"),
    ("compute-shared", f"/{ONE}/errors/+", "/irrigation/*/errors/+", "compute", "subscribe to"),
    ("gateway", f"/{ONE}/control/all/command", "/irrigation/*/control/all/command", "gateway-1", "receive"),
    ("gateway", f"/{ONE}/system/updates", f"/{ONE}?/system/updates", "gateway-1", "receive"),
    ("gateway", "client/${iot:Connection.Thing.ThingName}", "client/sitio1*", "gateway-1", "connect as"),
]


@pytest.mark.parametrize(("name", "right", "wrong", "role", "operation"), MUTANTS)
def test_a_mistake_is_found(name: str, right: str, wrong: str, role: str, operation: str) -> None:
    """The matrix is not met by documents that reach over a farm's border."""
    of, thing = {farm: documents(farm) for farm in FARMS}, f"sitio1-{role}"
    text = json.dumps(of["sitio1"][name])
    assert right in text
    of["sitio1"][name] = json.loads(text.replace(right, wrong))
    assert (thing, operation, False) in {(case.thing, case.operation, case.allowed) for case in mistakes(of, (thing,))}
