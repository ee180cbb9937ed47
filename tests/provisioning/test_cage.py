"""Children in bubblewrap: what its command line says, and in `make soak`, where it is installed, what they see."""

import json
import subprocess
from pathlib import Path

import pytest

from provisioning import cage, child
from provisioning.surroundings import Place, setup_of, step
from tests.provisioning.clients import ended, in_process
from tests.provisioning.roots import SMALL


def test_the_walls_leave_a_child_its_own_project_alone(tmp_path: Path) -> None:
    """All is read-only, the service's folder empty, and then what is the project's is put in; the step stays a step."""
    setup = setup_of(tmp_path / "d", {"TF_MIRROR": "/mirror"}, cage="/usr/bin/bwrap")
    place = setup.place("p")
    [row] = cage.caged(setup, place, [step("init", "/usr/bin/terraform", tmp_path, "init")])
    words = row["command"]
    assert (row["name"], row["is_caged"]) == ("init", True)
    assert (words[0], words[-2:]) == ("/usr/bin/bwrap", ["/usr/bin/terraform", "init"])
    writable = [words[at + 1] for at, word in enumerate(words) if word == "--bind"]
    assert writable == [str(place.folder), str(setup.data / "t" / "148de9c5a7a4")]
    hidden = words.index("--tmpfs")
    assert words[hidden + 1] == str(setup.data)
    assert words[1:4] == ["--ro-bind", "/", "/"]
    assert all(words.index("--bind") > hidden for _ in writable)
    assert not {"--unshare-net", "--unshare-all", "--new-session"} & set(words)


def test_without_one_steps_are_as_they_were(tmp_path: Path) -> None:
    """And one that is not there, or does not run, is none."""
    one = step("init", "/usr/bin/terraform", tmp_path, "init")
    assert cage.caged(setup_of(tmp_path, {}), Place(tmp_path), [one]) == [one]
    assert cage.find("no-such-bubblewrap") is None
    assert cage.find("false") is None


@pytest.mark.parametrize(("is_caged", "code"), [(True, -9), (False, 137)])
def test_a_killed_step_is_told_by_its_signal(tmp_path: Path, is_caged: bool, code: int) -> None:
    """A cage gives 137 for it, as a shell does."""
    own = {"name": "s", "command": ["sh", "-c", "exit 137"], "cwd": str(tmp_path), "fine": [0], "is_caged": is_caged}
    (tmp_path / "steps.json").write_text(json.dumps([own]))
    child.main(tmp_path)
    assert json.loads((tmp_path / "job.rc").read_text())["code"] == code


@pytest.mark.soak
def test_a_caged_job_sees_no_other_project(mirror: Path) -> None:
    """It deploys as any other, and of the service's folder its project is all that it finds."""
    own = cage.find()
    assert own, "install bubblewrap for this test"
    with in_process(mirror, is_open=True, cage=own) as client:
        for project in ("one", "two"):
            body = {"projectId": project, "iacCode": SMALL}
            job = ended(client, client.post("/api/deploy", json=body).json()["jobId"])
            assert job["status"] == "completed", job
        setup = client.service.setup
        place = setup.place("one")
        look = step("look", "sh", place.folder, "-c", "ls .. ../..; touch seen; touch ../new")
        [caged] = cage.caged(setup, place, [look])
        said = subprocess.run(caged["command"], cwd=caged["cwd"], capture_output=True, text=True, check=False)
        assert said.stdout.split() == ["..:", "one", "../..:", "cli.tfrc", "projects", "t"]
        assert {path.name for path in (setup.data / "projects").iterdir()} == {"one", "two"}
        assert (place.folder / "seen").exists()
