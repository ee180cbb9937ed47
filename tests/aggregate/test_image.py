"""The image: what its Dockerfile takes and pins, and the function in it before a Lambda Runtime API and an AWS API."""

import os
import re
import struct
import subprocess
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from tests.aggregate.conftest import Lake
from tests.aggregate.image import DOCKERFILE, LAYERS, NATIVE, ROOT, Image, stages
from tests.aggregate.lambda_runtime import Function, running

FOLDER = DOCKERFILE.parent
PINS = re.compile(r"^(\S+)==(\S+) \\\n((?:    --hash=\S+(?: \\)?\n)+)", re.MULTILINE)
MB = 1_000_000
# Budgets; what was measured is in docs/performance.md. Seconds are of the processor: the machine may have other work.
MOST_BYTES_ON_DISK = 235 * MB
MOST_BYTES_IN_MEMORY = 180 * MB
MOST_SECONDS_TO_START = 2.0
MOST_SECONDS_A_RUN = 2.0


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    LAYERS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=LAYERS) as path:  # on the file system of the layers, which are linked
        yield Path(path)


@pytest.fixture(scope="module")
def image(folder: Path) -> Image:
    return Image(folder / NATIVE)


@pytest.fixture
def function(image: Image, lake: Lake) -> Iterator[Function]:
    """The function, with the environment that Lambda gives it and no other."""
    wanted = ("AWS_", "SOURCE_", "DEST_", "GLUE_", "INTERVAL_", "NO_PROXY")
    with running(image, {name: value for name, value in os.environ.items() if name.startswith(wanted)}) as function:
        yield function


def test_it_aggregates_events_one_after_another(
    function: Function, lake: Lake, image: Image, line: Any, sample: Any
) -> None:
    """Two events on one process: each brings what is new, leaves nothing in the image, and stays in its budget."""
    before = contents(image)
    lake.put("2024/06/01/00/a.gz", [line(sample(n)) for n in range(96)])
    first = function.invoke({"source": "schedule"})
    assert first.kind == "response", first.body
    assert (first.body["objects_read"], first.body["samples_written"]) == (1, 96)
    lake.put("2024/06/01/01/b.gz", [line(sample(96)), b"not JSON"])
    second = function.invoke({"source": "schedule"})
    assert (second.body["samples_written"], second.body["quarantined"]) == (1, 1)
    assert [row["seq"] for row in lake.table("samples")] == list(range(97))
    assert contents(image) == before
    assert 0 < function.ready_cpu_s < MOST_SECONDS_TO_START
    assert 0 < first.cpu_seconds < MOST_SECONDS_A_RUN
    assert function.peak_bytes() < MOST_BYTES_IN_MEMORY


def test_an_error_is_told_and_the_next_event_is_served(function: Function, lake: Lake, line: Any, sample: Any) -> None:
    """A broken event is an error with its type, on which Lambda's retry and alarm hang; the process lives on."""
    lake.put("2024/06/01/00/a.gz", [line(sample())])
    refused = function.invoke(["not", "an", "object"])
    assert (refused.kind, refused.body["errorType"]) == ("error", "EventError")
    assert refused.body["errorMessage"] == "event: want a JSON object, got list"
    assert function.invoke({}).body["samples_written"] == 1


def test_a_missing_setting_is_told_by_name(image: Image) -> None:
    """Without its environment the function starts, and says what is missing."""
    with running(image, {"AWS_DEFAULT_REGION": "us-east-1"}) as function:
        answer = function.invoke({})
    assert (answer.kind, answer.body["errorType"]) == ("error", "ConfigError")
    assert answer.body["errorMessage"] == "SOURCE_BUCKET: missing in the environment"


def test_a_file_that_was_forgotten_would_be_found(folder: Path, lake: Lake) -> None:
    """An image without `protocol/` does not start: the process sees the image's files and no others."""
    broken = Image(folder / "broken")
    for path in (broken.place / "protocol").glob("*.py"):
        path.unlink()
    for path in (broken.place / "protocol").rglob("*.pyc"):
        path.unlink()
    with running(broken, {}) as function:
        answer = function.invoke({})
    assert (answer.kind, answer.body["errorType"]) == ("init/error", "Runtime.ImportModuleError")
    assert "protocol" in answer.body["errorMessage"]


@pytest.mark.parametrize(("architecture", "machine"), [("amd64", 62), ("arm64", 183)])
def test_it_is_whole_on_both_architectures(folder: Path, image: Image, architecture: str, machine: int) -> None:
    """Hash-checked wheels exist for both, each library is of that architecture, and the size is in its budget."""
    there = image if architecture == NATIVE else Image(folder / architecture, architecture)
    libraries = list(there.place.rglob("*.so"))
    assert {path.name.split(".")[0] for path in libraries} >= {"runtime_client", "_polars_runtime"}
    assert {struct.unpack_from("<H", path.read_bytes(), 18)[0] for path in libraries} == {machine}
    assert there.bytes() < MOST_BYTES_ON_DISK
    assert len(list(there.place.rglob("*.pyc"))) == len(list(there.place.rglob("*.py")))


def test_it_runs_as_nobody(image: Image) -> None:
    """The user is not root, by number so that a platform can see it, and may read every file."""
    uid, _, gid = image.user.partition(":")
    assert int(uid) > 0
    assert int(gid) > 0
    assert all(path.stat().st_mode & (0o005 if path.is_dir() else 0o004) for path in image.place.rglob("*"))


def test_its_base_is_one_exact_image() -> None:
    """Every stage starts from the same image, named by version and digest."""
    [base] = {stage.base for stage in stages(DOCKERFILE.read_text())}
    assert re.fullmatch(r"python:3\.11\.\d+-slim-\w+@sha256:[0-9a-f]{64}", base)


def test_the_context_lets_in_what_is_copied(image: Image) -> None:
    """Dockerfile.dockerignore opens exactly the files that the Dockerfile copies, of all that git knows or would."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    rules = [
        rule for rule in (FOLDER / "Dockerfile.dockerignore").read_text().splitlines() if rule[:1] not in ("", "#")
    ]
    seen = {name for name in listed if (ROOT / name).exists() and is_let_in(name, rules)}
    assert seen == {str(path) for path in image.copied}


@pytest.mark.parametrize(
    ("name", "rules", "expected"),
    [
        ("a/b.py", ["*"], False),
        ("a/b.py", ["*", "!a/*.py"], True),
        ("a/c/b.py", ["*", "!a/*.py"], False),
        ("a/c/b.py", ["*", "!a"], True),
        ("a/b.py", ["*", "!a", "a/b.py"], False),
    ],
)
def test_rules_are_read_as_docker_does(name: str, rules: list[str], expected: bool) -> None:
    """The last rule that matches a file, or a folder above it, decides; a star stays in its folder."""
    assert is_let_in(name, rules) == expected


def test_its_requirements_are_those_that_the_tests_run() -> None:
    """Every version and hash of the image is that of requirements/dev.txt; the roots are the extra `aggregate`."""
    mine, dev = (dict(pins(path)) for path in (FOLDER / "requirements.txt", ROOT / "requirements" / "dev.txt"))
    assert mine.items() <= dev.items()
    roots = {name for name in (FOLDER / "requirements.in").read_text().splitlines() if not name.startswith("#")}
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert roots == {*extras["aggregate"], "awslambdaric"}
    assert roots <= mine.keys()


def pins(path: Path) -> Iterator[tuple[str, tuple[str, frozenset[str]]]]:
    for name, version, hashes in PINS.findall(path.read_text()):
        yield name, (version, frozenset(re.findall(r"sha256:[0-9a-f]{64}", hashes)))


def is_let_in(name: str, rules: list[str]) -> bool:
    path = PurePosixPath(name)
    let_in = True
    for rule in rules:
        pattern = re.compile(re.escape(rule.removeprefix("!")).replace(r"\*", "[^/]*"))
        if any(pattern.fullmatch(str(place)) for place in (path, *path.parents)):
            let_in = rule.startswith("!")
    return let_in


def contents(image: Image) -> dict[str, tuple[int, int]]:
    """Every file with its size and time."""
    found = ((path, path.stat()) for path in image.place.rglob("*"))
    return {str(path): (stat.st_size, stat.st_mtime_ns) for path, stat in found}
