"""Every thing against every operation on every topic: what the rendered policies allow is the design's table, no more.

The expectation is made from the table below, by who owns a topic; the judgement from the documents, by two evaluators
that share no code: `Document` here, which knows no regular expression, and the gate's own `local_cloud.policy`.
Both must give what is expected in each of the cases, of which there are CASES.
"""

import functools
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from local_cloud.cloud import POLICIES as POLICY_FILES
from local_cloud.policy import Policy, render
from local_cloud.registry import _policies_of
from protocol import topics
from protocol.errors import TopicError

POLICIES = Path(__file__).parents[2] / "terraform" / "modules" / "iot" / "policies"
TEMPLATES = sorted(path.name for path in POLICIES.iterdir())
REGION, ACCOUNT = "eu-west-1", "123456789012"
SCOPE = f"arn:aws:iot:{REGION}:{ACCOUNT}"
COMPUTE = "irrigation-compute"
GATEWAYS = ("irrigation-gateway-1", "irrigation-gateway-2", "irrigation-gateway-10", "irrigation-gateway-100")
THINGS = (*GATEWAYS, COMPUTE)
SENSORS = ("soil-a", "weather", "x")
FROM_GATEWAYS = topics.from_gateways()
CASES = 5393

# Who publishes and who reads a topic: `own` is the gateway whose id is in it, `any` is every gateway.
OWN, ANY, NOBODY = "own", "any", "nobody"


class Row(NamedTuple):
    """A row of the design's table: kind of topic, publisher, reader; `compute` or one of the words above."""

    kind: str
    publisher: str
    reader: str


TABLE = (
    Row("reading", OWN, COMPUTE),
    Row("status", OWN, COMPUTE),
    Row("command", COMPUTE, OWN),
    Row("command to all", COMPUTE, ANY),
    Row("command to a group", COMPUTE, NOBODY),  # compute may name groups that no gateway knows yet
    Row("ack", OWN, COMPUTE),
    Row("update", COMPUTE, ANY),
    Row("error", OWN, COMPUTE),
    Row("diagnostics", OWN, COMPUTE),
    Row("status to the old topic", ANY, COMPUTE),  # where boards of older firmware report, and prove nothing
    Row("error to the old topic", ANY, COMPUTE),
    Row("diagnostics to the old topic", ANY, COMPUTE),
)


# A `*` of a policy takes any text, so the documents allow some names more, none of which `protocol.topics` reads as a
# topic: in a thing's own name, and for compute to receive what nobody may publish.
NAMELESS = (
    Row("reading of no sensor", OWN, COMPUTE),
    Row("command to no device", COMPUTE, NOBODY),
    Row("received if it came", NOBODY, COMPUTE),
    Row("job or stream of its own", OWN, OWN),  # of AWS IoT itself, which answers there
    Row("foreign", NOBODY, NOBODY),
)
ROWS = {row.kind: row for row in (*TABLE, *NAMELESS)}


class Topic(NamedTuple):
    """A topic, its kind, and the gateway in it."""

    name: str
    kind: str
    owner: str = ""


def ours() -> Iterator[Topic]:
    """Every kind of topic, of every gateway."""
    for gateway in GATEWAYS:
        yield from (Topic(topics.data(f"{gateway}.{sensor}"), "reading", gateway) for sensor in SENSORS)
        yield Topic(topics.command(gateway), "command", gateway)
        yield Topic(topics.ack(gateway), "ack", gateway)
        yield Topic(topics.status(gateway), "status", gateway)
        yield Topic(topics.errors(gateway), "error", gateway)
        yield Topic(topics.diagnostics(gateway), "diagnostics", gateway)
    yield Topic(topics.diagnostics(f"{GATEWAYS[1]}x"), "diagnostics", f"{GATEWAYS[1]}x")  # of no thing
    yield Topic(topics.command(topics.GROUP_ALL), "command to all")
    yield Topic(topics.command("north"), "command to a group")
    yield Topic(topics.updates(), "update")
    yield Topic(topics.OLD_STATUS, "status to the old topic")
    yield Topic(topics.OLD_ERRORS, "error to the old topic")
    yield Topic(topics.OLD_DIAGNOSTICS, "diagnostics to the old topic")


def nameless() -> Iterator[Topic]:
    """Names that are no topic of ours, and that are allowed to somebody all the same."""
    for gateway in GATEWAYS:
        for sensor in ("", "+", "*", "a.b", "a b"):
            yield Topic(f"irrigation/sensors/{gateway}.{sensor}/data", "reading of no sensor", gateway)
        yield from (Topic(name, "job or stream of its own", gateway) for name in of_aws(gateway))
    for device in ("", "+", "*", "a b", "irrigation-gateway-1.x"):
        yield Topic(f"irrigation/control/{device}/command", "command to no device")
    for name in ("", "+", "*", "all", "irrigation-gateway-1", ".soil-a", "a.b.c", "a b.soil-a"):
        yield Topic(f"irrigation/sensors/{name}/data", "received if it came")
    for name in (f"{GATEWAYS[0]}.a/b", f"{GATEWAYS[0]}.a/data", f"{GATEWAYS[2]}.a/../{GATEWAYS[0]}.a", "x/y.z"):
        yield Topic(f"irrigation/sensors/{name}/data", "received if it came")
    for name in ("", "+", "*", f"{GATEWAYS[0]}/x"):
        yield Topic(f"irrigation/control/{name}/ack", "received if it came")
        yield Topic(f"irrigation/gateway/{name}/status", "received if it came")
        yield Topic(f"irrigation/errors/{name}", "received if it came")
        yield Topic(f"irrigation/diagnostics/{name}", "received if it came")
    for name in FROM_GATEWAYS:  # as IoT Core names what comes through a shared subscription
        yield Topic(f"$share/compute/{name.replace('+', GATEWAYS[0])}", "received if it came")


def of_aws(gateway: str) -> list[str]:
    """What AWS IoT serves to a gateway under its own name, and filters for it."""
    jobs, streams = f"$aws/things/{gateway}/jobs", f"$aws/things/{gateway}/streams"
    return [f"{jobs}/start-next", f"{jobs}/update-7/update", f"{jobs}/+/update/accepted", f"{streams}/#"]


# Topics that nobody has, some of which want to look like one. None may be published or received by anybody.
FOREIGN = (
    *("", "/", "#", "+", "*", "?", "+/+", "irrigation", "irrigation/", "irrigation/#", "irrigation/+", "irrigation/*"),
    *("irrigation/sensors", "irrigation/sensors/", "irrigation/sensors/#", "irrigation/sensors/data"),
    *("irrigation/sensors/irrigation-gateway-1.soil-a/data/", "irrigation/sensors/irrigation-gateway-1.soil-a/Data"),
    *("/irrigation/sensors/irrigation-gateway-1.soil-a/data", "x/irrigation/sensors/irrigation-gateway-1.soil-a/data"),
    *("irrigation/control", "irrigation/control/#", "irrigation/control/x", "irrigation/control/ack"),
    *("irrigation/control/all/ack/x", "irrigation/control/irrigation-gateway-1/command/x"),
    *("irrigation/control/a/b/command", "irrigation/control/a/b/c/command", "irrigation/control/command"),
    *("irrigation/gateway/status/", "irrigation/gateway/status/irrigation-gateway-1", "irrigation/gateway/+"),
    *(
        "irrigation/gateway/irrigation-gateway-1/status/x",
        "irrigation/gateway/irrigation-gateway-1",
        "irrigation/gateway",
    ),
    *("irrigation/system/update", "irrigation/system/updates/x", "irrigation/system/#", "irrigation/system/+"),
    *("irrigation/error", "irrigation/error/irrigation-gateway-1", "irrigation/Errors", "irrigation/diagnostic/x"),
    *("$SYS/broker/uptime", "$SYS/#", "$share/g/irrigation/control/all/command", "$aws/rules/lake/x"),
    *("$aws/things/irrigation-gateway-1/shadow/update", "$aws/events/presence/connected/irrigation-gateway-1"),
    *("$aws/things/irrigation-compute/jobs/notify-next", "$aws/certificates/create/json"),
    *("$aws/things/+/jobs/notify-next", "$aws/things/+/streams/#", "$aws/things/irrigation-gateway-1/#"),
    *("$aws/things/irrigation-gateway-1/jobs", "$aws/things/irrigation-gateway-1x/jobs/get", "$aws/events/job/x/done"),
)

# Filters that are no topic of ours and that somebody may ask for.
SHARED = tuple(f"$share/{group}/{name}" for group in ("compute", "g-2") for name in FROM_GATEWAYS)
# Filters that nobody may ask for: the foreign ones, and these.
WIDE = (
    *("+/#", "irrigation/+/#", "irrigation/+/+/data", "irrigation/+/+/command", "irrigation/control/+/+"),
    *("irrigation/control/+/command", "irrigation/sensors/+/+", "irrigation/+/status", "irrigation/+", "$aws/#"),
    *("$share/g/#", "$share/g/irrigation/#", "$share/g/irrigation/control/+/command", "$share/irrigation/errors"),
    *(f"$share/g/{topics.updates()}", f"$share/g/{topics.command('all')}", f"$share/g/{topics.command(GATEWAYS[0])}"),
)

# The resource of an action is one of these; the other actions of AWS IoT are denied whatever they are about.
RESOURCES = {
    "iot:Connect": "client",
    "iot:Publish": "topic",
    "iot:RetainPublish": "topic",
    "iot:Receive": "topic",
    "iot:Subscribe": "topicfilter",
}
NEVER = (
    *("iot:GetThingShadow", "iot:UpdateThingShadow", "iot:DeleteThingShadow", "iot:ListNamedShadowsForThing"),
    *("iot:GetRetainedMessage", "iot:ListRetainedMessages", "iot:AssumeRoleWithCertificate"),
    *("iot:DescribeJobExecution", "iot:GetPendingJobExecutions", "iot:StartNextPendingJobExecution"),
)

# What a client does -> the actions that it needs on that topic, filter or client id.
OPERATIONS = {
    "connect as": ("iot:Connect",),
    "publish": ("iot:Publish",),
    "publish retained": ("iot:Publish", "iot:RetainPublish"),
    "leave as will": ("iot:Publish",),
    "leave as retained will": ("iot:Publish", "iot:RetainPublish"),
    "receive": ("iot:Receive",),
    "subscribe to": ("iot:Subscribe",),
}


class Case(NamedTuple):
    """One thing, one operation, one name, and whether the design allows it."""

    thing: str
    operation: str
    name: str
    allowed: bool


@cache
def cases() -> tuple[Case, ...]:
    """The whole matrix."""
    return tuple(case for thing in THINGS for case in (*_of_connect(thing), *_of_topics(thing), *_of_filters(thing)))


def _of_connect(thing: str) -> Iterator[Case]:
    others = (*THINGS, "", "*", "+", "#", "irrigation-gateway-", "irrigation-gateway-11", f"{thing}0", f"{thing}/", "x")
    yield from (Case(thing, "connect as", client_id, client_id == thing) for client_id in dict.fromkeys(others))


def _of_topics(thing: str) -> Iterator[Case]:
    for topic in (*ours(), *nameless(), *(Topic(name, "foreign") for name in FOREIGN)):
        row = ROWS[topic.kind]
        for operation in ("publish", "leave as will"):
            yield Case(thing, operation, topic.name, _is(thing, row.publisher, topic))
        for operation in ("publish retained", "leave as retained will"):
            yield Case(thing, operation, topic.name, False)  # a retained command would open a valve years later
        yield Case(thing, "receive", topic.name, _is(thing, row.reader, topic))


def _of_filters(thing: str) -> Iterator[Case]:
    mine = {*FROM_GATEWAYS, *SHARED} if thing == COMPUTE else {*topics.for_gateway(thing), *of_aws(thing)}
    asked = (*(topic.name for topic in (*ours(), *nameless())), *FROM_GATEWAYS, *SHARED, *FOREIGN, *WIDE)
    yield from (Case(thing, "subscribe to", name, name in mine) for name in dict.fromkeys(asked))


def _is(thing: str, who: str, topic: Topic) -> bool:
    return {
        OWN: thing == topic.owner,
        ANY: thing in GATEWAYS,
        COMPUTE: thing == COMPUTE,
        NOBODY: False,
    }[who]


class Document:
    """The second evaluator: policies as AWS documents them, matched character by character."""

    def __init__(self, documents: list[dict[str, Any]], thing: str) -> None:
        self._statements = [statement for document in documents for statement in document["Statement"]]
        self._thing = thing

    def allows(self, action: str, resource: str) -> bool:
        effects = [
            statement["Effect"]
            for statement in self._statements
            if any(_covers(tuple(word), action) for word in _listed(statement["Action"]))
            and any(_covers(_tokens(word, self._thing), resource) for word in _listed(statement["Resource"]))
        ]
        return bool(effects) and "Deny" not in effects


@functools.cache  # each wrong document is judged in all cases, and differs from the right one in a word
def _tokens(text: str, thing: str) -> tuple[str, ...]:
    """The characters of a pattern, in which what stands for a variable is never a wildcard."""
    variables = {"iot:Connection.Thing.ThingName": thing, "iot:ClientId": thing}
    tokens: list[str] = []
    while text:
        if text.startswith("${"):
            name, _, text = text[2:].partition("}")
            tokens += [f"={character}" for character in variables[name]]
        else:
            tokens.append(text[0])
            text = text[1:]
    return tuple(tokens)


@functools.cache
def _covers(pattern: tuple[str, ...], text: str) -> bool:
    """True if the pattern takes the whole text; `=x` is always a plain x."""
    reached = {0}  # how much of the text the pattern so far can have taken
    for token in pattern:
        if token == "*":
            reached = set(range(min(reached, default=len(text) + 1), len(text) + 1))
        else:
            reached = {at + 1 for at in reached if at < len(text) and (token == "?" or token[-1] == text[at])}
    return len(text) in reached


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def documents() -> dict[str, dict[str, Any]]:
    """All documents there are, as rendered for one account."""
    return {name.split(".")[0]: render(POLICIES / name, REGION, ACCOUNT) for name in TEMPLATES}


def documents_of(thing: str, of: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Those that are attached to a thing."""
    role, more = ("compute", "compute-shared") if thing == COMPUTE else ("gateway", "gateway-updates")
    return [of[role], of[more]]


def mistakes(of: dict[str, dict[str, Any]]) -> list[Case]:
    """The cases in which the second evaluator does not give what is expected."""
    judges = {thing: Document(documents_of(thing, of), thing) for thing in THINGS}
    return [case for case in cases() if _may(judges[case.thing], case) != case.allowed]


def _may(judge: Document, case: Case) -> bool:
    return all(
        judge.allows(action, f"{SCOPE}:{RESOURCES[action]}/{case.name}") for action in OPERATIONS[case.operation]
    )


def test_the_matrix_holds() -> None:
    """By the second evaluator, what is allowed is the design's table: nothing is missing and nothing is too much."""
    assert mistakes(documents()) == []


def test_the_gate_judges_the_same() -> None:
    """The evaluator of the local cloud gives the same answer in every case."""
    gate = {thing: Policy(documents_of(thing, documents()), thing, SCOPE) for thing in THINGS}
    found = [
        case
        for case in cases()
        if all(gate[case.thing].allows(action, case.name) for action in OPERATIONS[case.operation]) != case.allowed
    ]
    assert found == []


def test_a_thing_has_what_terraform_and_the_local_cloud_attach() -> None:
    """The documents judged here are all there are, and each is attached by both."""
    attached = {name: _policies_of(name, POLICY_FILES) for name in THINGS}
    files = {name: [POLICY_FILES[policy].split(".")[0] for policy in names] for name, names in attached.items()}
    assert {name: documents_of(name, {key: {"is": key} for key in documents()}) for name in THINGS} == {
        name: [{"is": key} for key in keys] for name, keys in files.items()
    }
    assert sorted(POLICY_FILES.values()) == TEMPLATES
    assert max(map(len, attached.values())) <= 10  # as many as IoT Core attaches to a certificate
    main = (POLICIES.parent / "main.tf").read_text()
    made = re.search(r'"aws_iot_policy" "this" \{\n  for_each = toset\((\[.*\])\)', main)
    assert made is not None
    assert {f"{name}.json.tftpl" for name in json.loads(made[1])} == set(TEMPLATES)
    assert 'gateway = { "" = "gateway", "/updates" = "gateway-updates" }' in main
    assert 'compute = { "" = "compute", "/shared" = "compute-shared" }' in main


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_document_fits_aws(name: str) -> None:
    """AWS IoT takes 2,048 characters of policy, white space apart, in the region with the longest name too."""
    document = render(POLICIES / name, "ap-southeast-99", ACCOUNT)
    assert len(json.dumps(document, separators=(",", ":"))) <= 2048


def test_the_matrix_is_whole() -> None:
    """All things, operations and topics of the protocol are in it, on both sides of the line, as often as is told."""
    assert len(cases()) == len({case[:3] for case in cases()}) == CASES
    assert {case.operation for case in cases()} == set(OPERATIONS)
    assert {topics.parse(topic.name)[0] for topic in ours()} == {row.kind.split(" to ")[0] for row in TABLE}
    for thing in THINGS:
        for operation in OPERATIONS:
            allowed = {case.allowed for case in cases() if (case.thing, case.operation) == (thing, operation)}
            assert allowed == ({False} if "retained" in operation else {True, False}), (thing, operation)


def test_what_is_allowed_beside_our_topics_is_no_topic() -> None:
    """The names that a `*` lets through beside the table's are such that nobody reads them as a message."""
    for topic in nameless():
        with pytest.raises(TopicError):
            topics.parse(topic.name)


@pytest.mark.parametrize("thing", THINGS)
def test_nothing_else_of_aws_iot_is_allowed(thing: str) -> None:
    """Shadows, retained messages, jobs over HTTPS and role credentials are out of reach, the thing's own too."""
    judge = Document(documents_of(thing, documents()), thing)
    names = [f"thing/{thing}", f"topic/{topics.status(thing)}", "rolealias/x", "client/x", "topicfilter/#"]
    assert not [(action, name) for action in NEVER for name in names if judge.allows(action, f"{SCOPE}:{name}")]


@pytest.mark.parametrize("scope", [SCOPE.replace(REGION, "eu-west-2"), SCOPE.replace(ACCOUNT, "999999999999")])
def test_another_region_or_account_is_not_meant(scope: str) -> None:
    """The documents speak of one account in one region."""
    for thing in THINGS:
        judge = Document(documents_of(thing, documents()), thing)
        assert judge.allows("iot:Connect", f"{SCOPE}:client/{thing}")
        assert not judge.allows("iot:Connect", f"{scope}:client/{thing}")


THING = "${iot:Connection.Thing.ThingName}"
# Document, what stands in it, what a mistake would write there, and a case that must then be found.
MUTANTS = [
    # The seed's own mistake: MQTT's wildcard in a publish ARN is a plain plus sign, so nobody can publish.
    (
        "gateway",
        f"topic/irrigation/sensors/{THING}.*/data",
        "topic/irrigation/sensors/+/data",
        (GATEWAYS[0], "publish", topics.data(f"{GATEWAYS[0]}.soil-a"), True),
    ),
    (
        "compute",
        "topic/irrigation/control/*/command",
        "topic/irrigation/control/+/command",
        (COMPUTE, "publish", topics.command(GATEWAYS[0]), True),
    ),
    # And what one writes next to make it work: then every gateway speaks for all.
    (
        "gateway",
        f"topic/irrigation/sensors/{THING}.*/data",
        "topic/irrigation/sensors/*/data",
        (GATEWAYS[1], "publish", topics.data(f"{GATEWAYS[0]}.soil-a"), False),
    ),
    (
        "gateway",
        f"topic/irrigation/sensors/{THING}.*/data",
        f"topic/irrigation/sensors/{THING}*/data",
        (GATEWAYS[0], "leave as will", topics.data(f"{GATEWAYS[2]}.soil-a"), False),
    ),
    (
        "gateway",
        f"topic/irrigation/control/{THING}/ack",
        f"topic/irrigation/control/{THING}*/ack",
        (GATEWAYS[2], "publish", topics.ack(GATEWAYS[3]), False),
    ),
    (
        "gateway",
        f"topic/irrigation/control/{THING}/command",
        "topic/irrigation/control/*/command",
        (GATEWAYS[0], "receive", topics.command(GATEWAYS[2]), False),
    ),
    (
        "gateway",
        f"topicfilter/irrigation/control/{THING}/command",
        "topicfilter/irrigation/control/*/command",
        (GATEWAYS[0], "subscribe to", "irrigation/control/+/command", False),
    ),
    ("gateway", "topicfilter/irrigation/system/updates", "topicfilter/*", (GATEWAYS[0], "subscribe to", "#", False)),
    ("gateway", f"client/{THING}", "client/*", (GATEWAYS[0], "connect as", GATEWAYS[2], False)),
    ("gateway", f"client/{THING}", f"client/{THING}*", (GATEWAYS[0], "connect as", GATEWAYS[2], False)),
    (
        "gateway",
        '"iot:Publish"',
        '["iot:Publish", "iot:RetainPublish"]',
        (GATEWAYS[0], "publish retained", topics.status(GATEWAYS[0]), False),
    ),
    (
        "compute",
        '"iot:Publish"',
        '["iot:Publish", "iot:RetainPublish"]',
        (COMPUTE, "leave as retained will", topics.updates(), False),
    ),
    ("gateway", '"Deny"', '"Allow"', (GATEWAYS[0], "publish", "irrigation/sensors/x/y.z/data", False)),
    ("compute", '"Deny"', '"Allow"', (COMPUTE, "publish", "irrigation/control/a/b/command", False)),
    (
        "compute",
        "topicfilter/irrigation/sensors/+/data",
        "topicfilter/irrigation/sensors/*",
        (COMPUTE, "subscribe to", "irrigation/sensors/#", False),
    ),
    (
        "compute-shared",
        "topicfilter/$share/*/irrigation/errors",
        "topicfilter/$share/*",
        (COMPUTE, "subscribe to", "$share/g/#", False),
    ),
    # Jobs and streams of another.
    (
        "gateway-updates",
        f"topic/$aws/things/{THING}/jobs/*",
        "topic/$aws/things/*/jobs/*",
        (GATEWAYS[1], "publish", of_aws(GATEWAYS[0])[1], False),
    ),
    (
        "gateway-updates",
        f"topic/$aws/things/{THING}/streams/*",
        f"topic/$aws/things/{THING}*/streams/*",
        (GATEWAYS[0], "receive", of_aws(GATEWAYS[2])[3], False),
    ),
    (
        "gateway-updates",
        f"topicfilter/$aws/things/{THING}/streams/*",
        "topicfilter/$aws/things/*/streams/*",
        (GATEWAYS[0], "subscribe to", "$aws/things/+/streams/#", False),
    ),
    # A report, or a will, in another's name.
    *(
        ("gateway", f"topic/irrigation/{topic}", f"topic/irrigation/{wide}", (GATEWAYS[1], operation, name, False))
        for topic, wide, name in (
            (f"errors/{THING}", "errors/*", topics.errors(GATEWAYS[0])),
            (f"diagnostics/{THING}", f"diagnostics/{THING}*", topics.diagnostics("irrigation-gateway-2x")),
            (f"gateway/{THING}/status", "gateway/*/status", topics.status(GATEWAYS[0])),
        )
        for operation in ("publish", "leave as will")
    ),
    (
        "compute",
        "topic/irrigation/control/*/ack",
        "topic/irrigation/control/*",
        (COMPUTE, "receive", topics.command(GATEWAYS[0]), False),
    ),
]


@pytest.mark.parametrize(("name", "right", "wrong", "case"), MUTANTS)
def test_a_mistake_is_found(name: str, right: str, wrong: str, case: tuple[str, str, str, bool]) -> None:
    """The matrix is not met by documents with a mistake in them."""
    of = documents()
    text = json.dumps(of[name])
    assert right in text
    of[name] = json.loads(text.replace(right, wrong))
    assert Case(*case) in mistakes(of)
