"""The policies under terraform/, judged as AWS IoT judges them."""

from pathlib import Path
from typing import Any

import pytest

from local_cloud.cloud import POLICIES as POLICY_FILES
from local_cloud.errors import PolicyError
from local_cloud.policy import Policy, render
from local_cloud.registry import _policies_of
from protocol import topics

POLICIES = Path(__file__).parents[2] / "terraform" / "modules" / "iot" / "policies"
SCOPE = "arn:aws:iot:us-east-1:123456789012"
GATEWAY, COMPUTE = "irrigation-gateway-1", "irrigation-compute"
CONNECT, PUBLISH, RETAIN, RECEIVE, SUBSCRIBE = (
    f"iot:{name}" for name in ("Connect", "Publish", "RetainPublish", "Receive", "Subscribe")
)

# thing, action, allowed, names
MATRIX = [
    (GATEWAY, CONNECT, True, [GATEWAY]),
    (GATEWAY, CONNECT, False, ["irrigation-gateway-10", "irrigation-gateway-", COMPUTE, "*", ""]),
    (
        GATEWAY,
        PUBLISH,
        True,
        [
            topics.data(f"{GATEWAY}.soil-a"),
            topics.ack(GATEWAY),
            topics.status(GATEWAY),
            topics.errors(GATEWAY),
            topics.diagnostics(GATEWAY),
            *topics.UNPROVEN,
        ],
    ),
    (
        GATEWAY,
        PUBLISH,
        False,
        [
            topics.data("irrigation-gateway-10.soil-a"),
            topics.data("irrigation-gateway-2.soil-a"),
            f"irrigation/sensors/{GATEWAY}/data",
            f"irrigation/sensors/{GATEWAY}.a/b/data",
            f"irrigation/sensors/{GATEWAY}.a/data/data",
            topics.ack("irrigation-gateway-10"),
            topics.status("irrigation-gateway-10"),
            topics.errors("irrigation-gateway-2"),
            topics.diagnostics("irrigation-gateway-"),
            topics.command(GATEWAY),
            topics.command("all"),
            topics.updates(),
            "$SYS/x",
        ],
    ),
    (GATEWAY, RETAIN, False, [topics.data(f"{GATEWAY}.soil-a"), topics.status(GATEWAY)]),
    (GATEWAY, SUBSCRIBE, True, [*topics.for_gateway(GATEWAY)]),
    (
        GATEWAY,
        SUBSCRIBE,
        False,
        [
            "#",
            "irrigation/#",
            "irrigation/control/+/command",
            topics.command("irrigation-gateway-10"),
            f"$share/g/{topics.command(GATEWAY)}",
            *topics.from_gateways(),
        ],
    ),
    (GATEWAY, RECEIVE, True, [*topics.for_gateway(GATEWAY)]),
    (GATEWAY, RECEIVE, False, [topics.command("irrigation-gateway-10"), topics.status(GATEWAY), topics.ack(GATEWAY)]),
    (COMPUTE, CONNECT, True, [COMPUTE]),
    (COMPUTE, CONNECT, False, [GATEWAY, f"{COMPUTE}-2"]),
    (COMPUTE, PUBLISH, True, [topics.command(GATEWAY), topics.command("all"), topics.updates()]),
    (COMPUTE, PUBLISH, False, [topics.ack(GATEWAY), topics.data(f"{GATEWAY}.a"), "irrigation/control/a/b/command"]),
    (COMPUTE, RETAIN, False, [topics.command(GATEWAY), topics.updates()]),
    (COMPUTE, SUBSCRIBE, True, [*topics.from_gateways(), *(f"$share/compute/{f}" for f in topics.from_gateways())]),
    (COMPUTE, SUBSCRIBE, False, ["#", "irrigation/#", "irrigation/sensors/#", topics.command(GATEWAY), "$share/g/#"]),
    (
        COMPUTE,
        RECEIVE,
        True,
        [topics.data(f"{GATEWAY}.a"), topics.ack(GATEWAY), topics.status(GATEWAY), topics.errors(GATEWAY)],
    ),
    (COMPUTE, RECEIVE, False, [topics.command(GATEWAY), "$SYS/x"]),
]


def attached(thing: str) -> list[dict[str, Any]]:
    """The documents of a thing."""
    names = _policies_of(thing, POLICY_FILES)
    return [render(POLICIES / POLICY_FILES[name], "us-east-1", "123456789012") for name in names]


@pytest.mark.parametrize(("thing", "action", "allowed", "names"), MATRIX)
def test_the_matrix(thing: str, action: str, allowed: bool, names: list[str]) -> None:
    """What each side may do is exactly what the design's table of topics says."""
    policy = Policy(attached(thing), thing, SCOPE)
    assert {name: policy.allows(action, name) for name in names} == dict.fromkeys(names, allowed)


def statement(**changes: Any) -> dict[str, Any]:
    whole = {"Effect": "Allow", "Action": PUBLISH, "Resource": f"{SCOPE}:topic/a/*"}
    return {key: value for key, value in {**whole, **changes}.items() if value is not None}


def document(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def test_an_explicit_deny_wins_over_any_other_document() -> None:
    """A deny in one attached document beats the allow in another, whatever their order."""
    allow, deny = document(statement()), document(statement(Effect="Deny", Resource=f"{SCOPE}:topic/a/secret"))
    for documents in ([allow, deny], [deny, allow]):
        policy = Policy(documents, "t", SCOPE)
        assert policy.allows(PUBLISH, "a/open")
        assert not policy.allows(PUBLISH, "a/secret")


def test_nothing_is_allowed_without_a_statement_for_it() -> None:
    """No document, another action, another account: no."""
    assert not Policy([], "t", SCOPE).allows(PUBLISH, "a/b")
    assert not Policy([document(statement())], "t", SCOPE).allows(RETAIN, "a/b")
    assert not Policy([document(statement())], "t", SCOPE.replace("123456789012", "999999999999")).allows(
        PUBLISH, "a/b"
    )


def test_a_statement_counts_for_each_of_its_actions_and_resources() -> None:
    """Lists of both, with the names that a document and a statement may bear; `*` and a colon are resources too."""
    resources = [f"{SCOPE}:topic/a/b", f"{SCOPE}:topic/c:d/${{iot:ClientId}}"]
    whole = {**document(statement(Sid="Speak", Action=[PUBLISH, RETAIN], Resource=resources)), "Id": "farm"}
    policy = Policy([whole], "t", SCOPE)
    assert all(policy.allows(action, topic) for action in (PUBLISH, RETAIN) for topic in ("a/b", "c:d/t"))
    assert not policy.allows(RECEIVE, "a/b")
    assert not policy.allows(PUBLISH, "a/c")
    assert Policy([document(statement(Resource="*"))], "t", SCOPE).allows(PUBLISH, "any/thing")


def test_wildcards_span_levels_and_mqtts_own_are_plain_characters() -> None:
    """`*` takes slashes and line ends, `?` one character of any kind, `+` and `#` only themselves."""
    policy = Policy(
        [document(statement(Resource=[f"{SCOPE}:topic/a/*", f"{SCOPE}:topic/b?c", f"{SCOPE}:topic/+/#"]))], "t", SCOPE
    )
    assert all(policy.allows(PUBLISH, topic) for topic in ("a/", "a/b/c", "a/x\ny", "b/c", "b.c", "+/#"))
    assert not any(policy.allows(PUBLISH, topic) for topic in ("a", "bc", "b//c", "x/y", "A/b"))


@pytest.mark.parametrize("thing", ["*", "?", "gateway-*", ".*", "[a-z]"])
def test_a_wildcard_in_a_things_name_is_a_plain_character(thing: str) -> None:
    """A thing that calls itself `*` does not become everybody."""
    resource = f"{SCOPE}:topic/data/${{iot:Connection.Thing.ThingName}}/${{iot:ClientId}}/${{*}}"
    policy = Policy([document(statement(Resource=resource))], thing, SCOPE)
    assert policy.allows(PUBLISH, f"data/{thing}/{thing}/*")
    assert not policy.allows(PUBLISH, "data/gateway-1/gateway-1/*")
    assert not policy.allows(PUBLISH, f"data/{thing}/{thing}/x")


@pytest.mark.parametrize(
    "broken",
    [
        [],
        {},
        {"Version": "2012-10-17"},
        {"Version": "2012-10-17", "Statement": []},
        {"Version": "2012-10-17", "Statement": ["x"]},
        {"Version": "2012-10-17", "Statement": 5},
        {"Version": "1", "Statement": [statement()]},
        {**document(statement()), "Extra": 1},
        document(statement(Effect="allow")),
        document(statement(Effect=None)),
        document(statement(Action="iot:Publsh")),
        document(statement(Action=[])),
        document(statement(Action=None, NotAction=PUBLISH)),
        document(statement(Condition={"Bool": {"iot:Connection.Thing.IsAttached": "true"}})),
        document(statement(Resource=None)),
        document(statement(Resource=[1])),
        document(statement(Resource=["*", 1])),
        document(statement(Resource={"*": 1})),
        document(statement(Resource="topic/a")),
        document(statement(Resource=f"{SCOPE}:topic/${{aws:UserName}}")),
        document(statement(Resource=f"{SCOPE}:topic/${{iot:ClientId")),
        document(statement(Resource=f"{SCOPE}:topic/${{iot:ClientId}}/${{x")),
        document(statement(Resource=f"{SCOPE}:topic/${{iot:ClientId}}/${{aws:UserName}}")),
    ],
)
def test_what_is_not_understood_is_an_error(broken: Any) -> None:
    """A document is never half understood: a deny that was not read would deny nothing."""
    with pytest.raises(PolicyError):
        Policy([broken], "t", SCOPE)


def test_a_template_is_filled_in(tmp_path: Path) -> None:
    """Region and account are put in their places, and `$${` becomes the `${` of a policy's own variables."""
    path = tmp_path / "some.json.tftpl"
    path.write_text('{"a": "${region}:${ account }:$${iot:ClientId}"}')
    assert render(path, "r", "1") == {"a": "r:1:${iot:ClientId}"}


@pytest.mark.parametrize("text", ['{"a": "${nobody}"}', '{"a": "%{ if true }"}', '{"a": "${', "[1]", "{"])
def test_a_template_that_is_not_understood_is_an_error(text: str, tmp_path: Path) -> None:
    """Only `${region}`, `${account}` and `$${` are known; the error names the file."""
    path = tmp_path / "broken.json.tftpl"
    path.write_text(text)
    with pytest.raises(PolicyError, match=r"broken\.json\.tftpl"):
        render(path, "r", "a")
