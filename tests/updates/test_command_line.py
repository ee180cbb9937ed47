"""`python -m updates` as a person meets it, and bundles with something wrong in them."""

import json
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator

from tests.updates.bundles import FILES, write_bundle
from updates.__main__ import main


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A good one."""
    return write_bundle(tmp_path / "bundle")


def say(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    """Code, output and errors of a command."""
    code = main([str(word) for word in words])
    return code, *capsys.readouterr()


def test_a_person_publishes_looks_and_ends_it(bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every board with an identity gets its stage, `compute` none; status shows it, abort ends it once."""
    for name in ("gateway-2", "gateway-10", "gateway-1", "irrigation-compute", "irrigation-updates"):
        (tmp_path / "issued" / name).mkdir(parents=True)
        (tmp_path / "issued" / name / "thing_name.txt").write_text(name)
    data = ("--data", tmp_path / "data")
    code, output, _ = say(
        capsys, "publish", bundle, "--certs", tmp_path / "issued", "--first", "gateway-10", "--stages", "1", *data
    )
    assert code == 0
    assert output.splitlines() == [
        "update-7  stage 1: 1 boards, of which 0 may fail or be silent",
        "update-7  stage 2: 2 boards, of which 0 may fail or be silent",
    ]
    code, output, _ = say(capsys, "status", *data)
    assert output.splitlines() == ["update-7  version 7  RUNNING", "  stage 1: 1 WAITING", "  stage 2: 2 WAITING"]
    assert say(capsys, "abort", "update-7", *data)[:2] == (0, "update-7  version 7  ABORTED  by hand\n")
    code, output, errors = say(capsys, "abort", "update-7", *data)
    assert (code, output) == (2, "")
    assert errors.startswith("update-7 is ABORTED already")
    assert say(capsys, "status", "update-9", *data)[2] == "no job 'update-9'; `status` lists them\n"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["status"], "nothing was published there; name the folder with --data"),
        (["publish", "BUNDLE", "--certs", "nowhere"], "no board of the farm irrigation has an identity there"),
        (["publish", "BUNDLE", "--things", "a", "--first", "b"], "b is not in the fleet"),
        (["publish", "BUNDLE", "--things", "a", "--stages", "half"], "'half': want a number of boards"),
        (["publish", "nowhere", "--things", "a"], "make the bundle with"),
        (["serve", "--host", "localhost", "--certs", "nowhere"], "issue it with: python -m certs issue"),
    ],
)
def test_a_mistake_is_one_line(
    words: list[str], expected: str, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Code 2, the input and the remedy."""
    given = [str(bundle) if word == "BUNDLE" else word for word in words]
    code, output, errors = say(capsys, *given, "--data", tmp_path / "data")
    assert (code, output, len(errors.splitlines())) == (2, "", 1) or words[0] == "serve"
    assert code == 2
    assert expected in errors


SPOILED: list[tuple[dict[str, Any], str]] = [
    ({"version": 0}, "version: want a number from 1"),
    ({"version": True}, "version: want a number from 1"),
    ({"version": "7"}, "version: want a number from 1"),
    ({"name": None}, "name: want a text"),
    ({"files": []}, "files: want 1 to 49"),
    ({"files": [{"path": str(number)} for number in range(50)]}, "files: want 1 to 49"),
    ({"files": [{"path": "../boot.mpy", "bytes": 1, "sha256": "0" * 64}]}, "want one below files/"),
    ({"files": [{"path": "/boot.mpy", "bytes": 1, "sha256": "0" * 64}]}, "want one below files/"),
    ({"files": [{"path": "boot.mpy", "bytes": 1, "sha256": "0"}]}, "want 64 hex digits"),
    ({"files": [{"path": "boot.mpy", "bytes": 1, "sha256": "0" * 64}]}, "not what manifest.json says"),
    ({"files": [{"path": "absent.mpy", "bytes": 1, "sha256": "0" * 64}]}, "but manifest.json names it"),
    ({"files": ["boot.mpy"]}, "want one below files/"),
]


@pytest.mark.parametrize(("change", "expected"), SPOILED)
def test_a_bundle_that_is_none_is_refused(
    change: dict[str, Any], expected: str, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A bundle that no board could take is not published; the sentence names what is wrong with it."""
    manifest = bundle / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), **change}))
    code, _, errors = say(capsys, "publish", bundle, "--things", "a", "--data", tmp_path / "data")
    assert code == 2
    assert expected in errors
    assert not list((tmp_path / "data").rglob("boot*"))


def test_an_empty_file_and_no_signature_are_refused(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file of no bytes has no block, and a signature that is no DER is none."""
    empty = write_bundle(tmp_path / "empty", files={**FILES, "empty.mpy": b""})
    assert "empty.mpy: 0 bytes, want 1 to" in say(capsys, "publish", empty, "--things", "a")[2]
    (bundle / "manifest.sig").write_bytes(b"signed")
    assert "no ECDSA signature in DER" in say(capsys, "publish", bundle, "--things", "a")[2]


def test_aws_takes_what_is_written_for_it(bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each file fits the API that its command calls, by AWS's own description; every file of the bundle is copied."""
    thing = "arn:aws:iot:us-east-1:123456789012:thing/irrigation-gateway-3"
    group = "arn:aws:iot:us-east-1:123456789012:thinggroup/rest"
    role = "arn:aws:iam::123456789012:role/iot-streams"
    where = ("--bucket", "firmware", "--role", role, "--first", thing, "--rest", group, "--out", tmp_path / "out")
    code, output, _ = say(capsys, "aws", bundle, *where)
    assert code == 0
    model = botocore.session.get_session().get_service_model("iot")
    shapes = {"stream.json": "CreateStream", "first.json": "CreateJob", "rest.json": "CreateJob"}
    for name, operation in shapes.items():
        given = json.loads((tmp_path / "out" / name).read_text())
        shape: Any = model.operation_model(operation).input_shape
        assert ParamValidator().validate(given, shape).generate_report() == ""
        assert f"file://{tmp_path / 'out' / name}" in output
    assert output.count("aws s3 cp") == 1 + len(FILES)
    assert "s3://firmware/update-7/0\n" in output
    first, rest = (json.loads((tmp_path / "out" / name).read_text()) for name in ("first.json", "rest.json"))
    assert (first["targets"], rest["targets"], first["document"]) == ([thing], [group], rest["document"])
    assert json.loads(first["document"])["stream"] == "update-7"
