"""What a stranger may send: bodies that are no JSON or say something else, and methods that no route has."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.provisioning.clients import Client, in_process
from tests.provisioning.test_code import MAIN, archive, member

JSON = {"Content-Type": "application/json"}
PUT = "/api/deploy/projects/posted"
NESTED = 2000


@pytest.fixture(scope="module")
def client(mirror: Path) -> Iterator[Client]:
    """A service without keys and without Terraform: what is accepted is stored, and never run."""
    with in_process(mirror, is_open=True, terraform="no-such-terraform") as client:
        yield client


@pytest.mark.parametrize(
    ("body", "code", "why"),
    [
        (b"", 422, "Field required"),
        (b"{", 400, "no JSON"),
        (b"[]", 422, "valid dictionary"),
        (b'{"iacCode": "\xff"}', 400, "utf-8"),
        ('{"iacCode": "# x"}'.encode("utf-16"), 400, "utf-8"),
        (b'{"iacCode": "# x", "iacCode": "# y"}', 400, "'iacCode' is in an object twice"),
        (b'{"iacCode": "# x", "variables": {"a": {"b": 1, "b": 1}}}', 400, "'b' is in an object twice"),
        (b'{"iacCode": "# x", "variables": {"a": NaN}}', 400, "NaN is no number"),
        (b'{"iacCode": "# x", "variables": {"a": -Infinity}}', 400, "-Infinity is no number"),
        (b'{"iacCode": "# x", "variables": {"a": 1e999}}', 400, "too large a number"),
        (b'{"iacCode": "# x", "variables": {"a": %s}}' % (b"9" * 5000), 400, "too large a number"),
        (b'{"iacCode": "# x", "variables": {"a": %s}}' % (b"[" * NESTED + b"]" * NESTED), 400, "no JSON"),
        (b'{"iacCode": "# x", "variables": {"a": %s}}' % (b"[" * 70 + b"]" * 70), 400, "more than 64 deep"),
        (b'{"iacCode": "# \\ud800"}', 400, "half a character"),
        (b'{"iacCode": "# x", "variables": {"a": "\\udfff"}}', 400, "half a character"),
        (b'{"iacCode": "# x", "variables": {"\\ud800": 1}}', 400, "half a character"),
        (b'{"iacCode": "# x", "\\ud800": 1}', 400, "half a character"),
        (b'{"iacCode": "# x", "protect": 1}', 422, "protect: Input should be a valid boolean"),
        (b'{"iacCode": "# x", "protect": "yes"}', 422, "protect: Input should be a valid boolean"),
        (b'{"iacCode": 1}', 422, "iacCode: Input should be a valid string"),
        (b'{"iacCode": "# x", "iac_code": "# x"}', 422, "iac_code: Extra inputs"),
        (b'{"iacCode": "# x", "archive": "x"}', 422, "either iacCode or archive"),
        (b'{"iacCode": "# x", "%s": 1}' % (b"a" * 5000), 422, "aaa: Extra inputs"),
    ],
    ids=str,
)
def test_a_body_that_is_not_what_it_should_be(client: Client, body: bytes, code: int, why: str) -> None:
    """One sentence that is short and names what is wrong; nothing is stored."""
    answer = client.put(PUT, content=body, headers=JSON)
    assert (answer.status_code, list(answer.json())) == (code, ["error"]), answer.text
    assert why in answer.json()["error"]
    assert len(answer.json()["error"]) < 400
    assert client.get("/api/deploy/infrastructure/posted").status_code == 404


@pytest.mark.parametrize(
    "body", [b'{"iacCode": "# \\ud83d\\ude00", "variables": {"a": [1.5, "\xc3\xa3"]}}', b'\xef\xbb\xbf{"iacCode": "#"}']
)
def test_what_is_json_is_taken(client: Client, body: bytes) -> None:
    """A pair of escapes is one character, and a mark at the begin is no mistake."""
    assert client.put("/api/deploy/projects/fine", content=body, headers=JSON).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {**JSON, "Content-Encoding": "gzip"},
    ],
)
def test_a_body_says_that_it_is_json(client: Client, headers: dict[str, str]) -> None:
    """415 with the remedy: `curl -d` alone says that it sends a form."""
    answer = client.put(PUT, content=b'{"iacCode": "# x"}', headers=headers)
    assert answer.status_code == 415
    assert "Content-" in answer.json()["error"]


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("HEAD", "/api/deploy", 405),
        ("HEAD", "/api/deploy/jobs", 405),
        ("OPTIONS", "/api/deploy", 405),
        ("DELETE", "/api/deploy/projects/posted", 405),
        ("GET", "/api/iac", 405),
        ("BREW", "/api/deploy", 405),
        ("POST", "/api/deploy/", 404),
        ("GET", "/api/deploy/jobs/", 404),
        ("GET", "//api/deploy/jobs", 404),
        ("GET", "/api/deploy/infrastructure/a%2Fb", 404),
        ("GET", "/api/deploy/infrastructure/..%2F..%2Fkeys", 404),
        ("GET", "/", 404),
        ("GET", "/docs", 404),
    ],
)
def test_what_no_route_is_for(client: Client, method: str, path: str, code: int) -> None:
    """`{error}` that names it, and for a method what the path takes; nobody is led elsewhere."""
    answer = client.request(method, path)
    assert answer.status_code == code
    assert (answer.headers.get("Allow") is not None) == (code == 405)
    if method != "HEAD":
        assert list(answer.json()) == ["error"]


def test_a_body_above_the_limit_is_413_however_it_comes(client: Client) -> None:
    """With its length, or in pieces without one."""
    piece = b" " * 2**20
    for content in (piece * 29, (piece for _ in range(29))):
        answer = client.put(PUT, content=content, headers=JSON)
        assert (answer.status_code, list(answer.json())) == (413, ["error"])


@pytest.mark.parametrize(
    ("text", "code", "why"),
    [
        (archive(MAIN, member("a\udcff.tf")), 422, "no plain relative path"),
        (archive(MAIN, member("a"), member("a/b")), 422, "cannot be written: File exists"),
        (archive(MAIN, member("é" * 190)), 422, "cannot be written: File name too long"),
        ("A" * (21 * 2**20 * 4 // 3 - 1000), 413, "more than 20971520 bytes"),
    ],
    ids=["half a character", "a file and a folder", "a long name", "too large"],
)
def test_an_archive_that_no_disk_takes(client: Client, text: str, code: int, why: str) -> None:
    """A sentence without a path of this machine, and nothing is left."""
    answer = client.put(PUT, json={"archive": text})
    assert answer.status_code == code, answer.text
    assert why in answer.json()["error"]
    assert str(client.service.setup.data) not in answer.json()["error"]
    assert list(client.service.setup.place("posted").folder.glob("*")) == []


def test_limits_are_told_apart_to_the_byte(client: Client) -> None:
    """A megabyte of code is stored, and one byte more is 413."""
    most = "#" * 2**20
    assert client.put("/api/deploy/projects/most", json={"iacCode": most}).status_code == 200
    answer = client.put("/api/deploy/projects/more", content=json.dumps({"iacCode": f"{most}#"}), headers=JSON)
    assert (answer.status_code, "at most 1048576" in answer.json()["error"]) == (413, True)
