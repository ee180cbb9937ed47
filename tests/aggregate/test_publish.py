"""publish_ecr.sh on a clone of its own: the real script, git and file system; Docker, AWS and Terraform are stand-ins.

The stand-ins are at the edge only: they write down what they were called with, and keep what was pushed in a file.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.aggregate.image import ROOT

REGISTRY = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
REPOSITORY = f"{REGISTRY}/irrigation-dev-aggregate"
DIGEST = "sha256:" + "5f" * 32
TOOLS = ("bash", "cat", "dirname", "git", "mv", "sh", "tr")

DOCKER = """
echo docker "$@" >>"$LOG"
case "$1 $2" in
  "buildx version") [ "$BROKEN" != buildx ] ;;
  "info ") [ "$BROKEN" != daemon ] ;;
  "login --username") cat >>"$LOG"; echo >>"$LOG" ;;
  "buildx build") [ "$BROKEN" = build ] && exit 1; for word in "$@"; do tag="$before $word"
    case "$tag" in "--tag "*) echo "${word##*:}" >>"$PUSHED" ;; esac; before="$word"; done ;;
esac
"""
AWS = """
echo aws "$@" "${AWS_SHARED_CREDENTIALS_FILE:+with $AWS_SHARED_CREDENTIALS_FILE}" >>"$LOG"
case "$*" in
  *get-login-password*) echo the-password ;;
  *describe-images*)
    [ "$BROKEN" = expired ] && { printf '\\nAn error occurred (ExpiredTokenException)' >&2; exit 254; }
    for word in "$@"; do case "$word" in imageTag=*) tag="${word#imageTag=}" ;; esac; done
    while read -r known; do [ "$known" = "$tag" ] && { echo "$DIGEST"; exit 0; }; done <"$PUSHED"
    echo "An error occurred (ImageNotFoundException) when calling the DescribeImages operation" >&2; exit 254 ;;
esac
"""
TERRAFORM = """
echo terraform "$@" >>"$LOG"
[ -n "$OUTPUT" ] && printf %s "$OUTPUT" || echo "Warning: No outputs found"
"""


class Place:
    """A clone with the script in it, and a PATH of its own."""

    def __init__(self, folder: Path) -> None:
        self.root, self.bin = folder / "clone", folder / "bin"
        self.log, self.pushed = folder / "log", folder / "pushed"
        for part in ("lambda_functions/aggregate", "lambda_functions/lake", "protocol"):
            shutil.copytree(ROOT / part, self.root / part, ignore=shutil.ignore_patterns("__pycache__"))
        (self.root / "terraform").mkdir()
        self.written = self.root / "terraform" / "image.auto.tfvars.json"
        self.bin.mkdir()
        for tool in TOOLS:
            found = shutil.which(tool)
            assert found, tool
            (self.bin / tool).symlink_to(found)
        for name, program in (("docker", DOCKER), ("aws", AWS), ("terraform", TERRAFORM)):
            (self.bin / name).write_text(f"#!/usr/bin/env sh\n{program}")
            (self.bin / name).chmod(0o755)
        (self.bin / "env").symlink_to("/usr/bin/env")
        self.git("init", "--quiet")
        self.commit = self.save()

    def git(self, *words: str) -> str:
        identity = ("-c", "user.name=nobody", "-c", "user.email=nobody@example.org", "-c", "commit.gpgsign=false")
        done = subprocess.run(["git", *identity, *words], cwd=self.root, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def save(self) -> str:
        self.git("add", ".")
        self.git("commit", "--quiet", "--message", "as it is")
        return self.git("rev-parse", "HEAD")

    def publish(self, *options: str, broken: str = "", output: str = REPOSITORY) -> subprocess.CompletedProcess[str]:
        self.log.write_text("")
        self.pushed.touch()
        settings = {
            "LOG": str(self.log),
            "PUSHED": str(self.pushed),
            "DIGEST": DIGEST,
            "BROKEN": broken,
            "OUTPUT": output,
        }
        return subprocess.run(
            [str(self.root / "lambda_functions/aggregate/publish_ecr.sh"), *options],
            cwd=self.root.parent,  # it works from anywhere
            env={"PATH": str(self.bin), "HOME": str(self.root.parent), **settings},
            capture_output=True,
            text=True,
            check=False,
        )

    def calls(self) -> list[str]:
        return self.log.read_text().splitlines()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_it_builds_pushes_and_writes_the_digest(place: Place) -> None:
    """Asked, logged in, built for arm64, pushed under the commit, and what ECR says is where Terraform reads it."""
    done = place.publish("--profile", "academy")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(place.written.read_text()) == {"image_digest": DIGEST}
    assert f"{REPOSITORY}@{DIGEST}" in done.stdout
    calls = place.calls()
    assert f"docker login --username AWS --password-stdin {REGISTRY}" in calls
    assert "the-password" in calls
    [build] = [call for call in calls if call.startswith("docker buildx build")]
    assert "--platform linux/arm64 --provenance=false --sbom=false" in build
    assert f"--tag {REPOSITORY}:{place.commit} --push {place.root}" in build
    assert all("--region eu-west-1 --profile academy" in call for call in calls if call.startswith("aws"))


def test_a_commit_is_built_once(place: Place) -> None:
    """Tags are immutable: the second time, and for the next person, the digest of the first push is taken."""
    assert place.publish().returncode == 0
    place.written.unlink()
    assert place.publish().returncode == 0
    assert json.loads(place.written.read_text()) == {"image_digest": DIGEST}
    assert not [call for call in place.calls() if "build --platform" in call]
    (place.root / "protocol" / "topics.py").write_text("changed = 1\n")
    place.save()
    assert place.publish().returncode == 0
    assert [call for call in place.calls() if "build --platform" in call]


def test_the_other_architecture_has_a_tag_of_its_own(place: Place) -> None:
    """An amd64 image never stands in for the arm64 one of the same commit."""
    assert place.publish("--platform", "linux/amd64").returncode == 0
    assert place.pushed.read_text().splitlines() == [f"{place.commit}-amd64"]


def test_the_credentials_of_terraform_are_used(place: Place) -> None:
    """Without a profile, the file `credentials` that Terraform reads counts here too."""
    credentials = place.root / "terraform" / "credentials"
    credentials.write_text("[default]\n")
    place.publish()
    assert all(call.endswith(f"with {credentials}") for call in place.calls() if call.startswith("aws"))
    place.publish("--profile", "mine")
    assert not any("with" in call for call in place.calls() if call.startswith("aws"))


def test_a_dry_run_needs_nothing_and_does_nothing(place: Place) -> None:
    """It prints the commands that a run would run, word for word, without Docker and the AWS CLI."""
    place.publish()
    ran = [call.strip() for call in place.calls() if "login" in call or "build --" in call]
    place.written.unlink()
    for tool in ("docker", "aws"):
        (place.bin / tool).unlink()
    done = place.publish("--dry-run")
    assert (done.returncode, done.stderr) == (0, "")
    assert [call for call in place.calls() if not call.startswith("terraform")] == []
    assert not place.written.exists()
    login, build, _ = done.stdout.splitlines()
    assert sorted([*login.split(" | "), build]) == sorted(ran)  # both ends of a pipe start at once
    assert shlex.split(build)[-1] == str(place.root)


def test_a_dry_run_with_the_tools_of_this_machine(tmp_path: Path) -> None:
    """The same on the real PATH, whatever is installed there."""
    place = Place(tmp_path)
    script = place.root / "lambda_functions/aggregate/publish_ecr.sh"
    done = subprocess.run(
        [str(script), "--dry-run", "--repository", REPOSITORY],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{REPOSITORY}:{place.commit}" in done.stdout


@pytest.mark.parametrize(
    ("options", "broken", "output", "told"),
    [
        ([], "buildx", REPOSITORY, "docker has no buildx"),
        ([], "daemon", REPOSITORY, "the Docker daemon does not answer"),
        ([], "expired", REPOSITORY, "ExpiredTokenException"),
        ([], "", "", "terraform has no output repository_url yet"),
        (["--repository", "somewhere"], "", "", "--repository somewhere: want <account>.dkr.ecr."),
        (["--region", "us-east-1"], "", REPOSITORY, "--region us-east-1, but the repository is in eu-west-1"),
        (["--platform", "linux/arm64,linux/amd64"], "", REPOSITORY, "one of them"),
        (["--profile"], "", REPOSITORY, "--profile wants a value"),
        (["--push"], "", REPOSITORY, "unknown option --push"),
    ],
)
def test_what_is_wrong_is_told(place: Place, options: list[str], broken: str, output: str, told: str) -> None:
    """Each with a remedy, before anything is built, and Terraform's file is left alone."""
    place.written.write_text("as before")
    done = place.publish(*options, broken=broken, output=output)
    assert done.returncode == 2
    assert re.match(r"publish_ecr\.sh: \S", done.stderr)
    assert told in done.stderr
    assert not [call for call in place.calls() if "build --platform" in call or "login" in call]
    assert place.written.read_text() == "as before"


@pytest.mark.parametrize("tool", ["docker", "aws", "terraform", "git"])
def test_a_missing_tool_is_named(place: Place, tool: str) -> None:
    """One line that names the tool."""
    (place.bin / tool).unlink()
    done = place.publish()
    assert done.returncode == 2
    assert f"{tool}" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_files_of_no_commit_are_refused(place: Place) -> None:
    """A changed or new file of the image is named; one elsewhere does not matter."""
    (place.root / "notes.txt").write_text("elsewhere")
    assert place.publish("--dry-run").returncode == 0
    (place.root / "protocol" / "topics.py").write_text("changed = 1\n")
    (place.root / "lambda_functions" / "lake" / "new.py").touch()
    done = place.publish()
    assert done.returncode == 2
    assert "protocol/topics.py" in done.stderr
    assert "lambda_functions/lake/new.py" in done.stderr
    assert not any(call.startswith("docker buildx build") for call in place.calls())


def test_a_failed_build_leaves_the_last_digest(place: Place) -> None:
    """Terraform goes on with the image that it knows."""
    place.written.write_text("as before")
    done = place.publish(broken="build")
    assert done.returncode != 0
    assert place.written.read_text() == "as before"


@pytest.mark.parametrize(
    "name", ["terraform/image.auto.tfvars.json", "terraform/credentials", "terraform/terraform.tfvars"]
)
def test_git_ignores_what_is_of_one_account(name: str) -> None:
    """Neither the digest nor the credentials that stand beside the configuration can be committed by mistake."""
    done = subprocess.run(["git", "check-ignore", "--no-index", name], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0


def test_the_help_names_every_option(place: Place) -> None:
    """`--help` tells what the script takes."""
    done = place.publish("--help")
    assert done.returncode == 0
    for option in ("--profile", "--repository", "--region", "--platform", "--dry-run"):
        assert option in done.stdout
