"""What a service is started with, and what its children get of it: their folders, their environment, their commands."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from protocol import farms
from provisioning.code import BACKEND, make_folder, write_file
from provisioning.errors import FolderError, MissingTerraformError
from provisioning.processes import MARK
from provisioning.remote import LOCAL, Bucket, place_of

DEFAULT_FARM = farms.DEFAULT
PULLED = "state.json"  # in a phase's folder: a state as Terraform read it
LONGEST_SOCKET = 107  # bytes of a path, which a provider's socket has
SOCKET_NAME = "/t/0123456789ab/plugin4294967295"


@dataclass(frozen=True, kw_only=True)
class Setup:
    """How a service was started.

    `aws`: the variables by which its children reach AWS; `roles`: farm to the role that they assume; `more`: further
    variables of theirs. `mirror` is a folder of providers, or None for the public registry; `state`: where states are
    kept, "local" or s3://BUCKET/PREFIX; `drift`: a line of cron, in UTC; `backup`:
    s3://BUCKET/PREFIX, or None; `cage`: the path of bubblewrap, if children are to run in it.
    """

    data: Path
    is_open: bool = False
    aws: Mapping[str, str] = field(default_factory=dict)
    roles: Mapping[str, str] = field(default_factory=dict)
    more: Mapping[str, str] = field(default_factory=dict)
    mirror: Path | None = None
    state: str = LOCAL
    drift: str | None = None
    backup: str | None = None
    cage: str | None = None
    terraform: str = "terraform"
    children: int = 2
    calls_a_minute: int = 60
    patience_s: tuple[float, float] = (60.0, 30.0)  # after SIGINT, after SIGTERM
    pulse_s: float = 60.0  # between two questions whether AWS still answers, while it is changed
    quiet_s: float = 3.0  # between two looks at the cloud, which must agree after a loss

    def program(self) -> str:
        """The path of terraform. Raises MissingTerraformError."""
        path = shutil.which(self.terraform)
        if path is None:
            raise MissingTerraformError(
                f"{self.terraform} is not installed here; remedy: https://developer.hashicorp.com/terraform/install"
            )
        return path

    @property
    def region(self) -> str:
        """Where the children work if their code says nothing."""
        return self.aws.get("AWS_REGION") or self.aws.get("AWS_DEFAULT_REGION") or "us-east-1"

    @property
    def remote(self) -> Bucket | None:
        """Where states are in S3; None if they are in the projects' folders. Raises FolderError."""
        return None if self.state == LOCAL else place_of(self.state, "--state")

    def place(self, project_id: str) -> "Place":
        """The folders of a project."""
        return Place(self.data / "projects" / project_id)


def setup_of(data: Path, environment: Mapping[str, str], *, state: str = LOCAL, **more: Any) -> Setup:
    """A service as an environment has it: `AWS_*`, TF_LOG, and TF_MIRROR. Raises FolderError."""
    if state != LOCAL:
        state = place_of(state, "--state").url
    aws = {name: value for name, value in environment.items() if name.startswith("AWS_")}
    variables = {name: environment[name] for name in ("TF_LOG",) if name in environment}
    mirror = environment.get("TF_MIRROR")
    path = data.resolve()
    if len(f"{path}{SOCKET_NAME}".encode()) > LONGEST_SOCKET:
        raise FolderError(
            f"{path}: its name is too long for the sockets of Terraform's providers; choose a shorter one"
        )
    options = {"aws": aws, "more": variables, "mirror": Path(mirror) if mirror else None, **more}
    return Setup(data=path, state=state, **options)


@dataclass(frozen=True, slots=True)
class Place:
    """The folders of one project, all of them its owner's alone."""

    folder: Path

    @property
    def code(self) -> Path:
        """What was posted last."""
        return self.folder / "code"

    @property
    def state(self) -> Path:
        """Terraform's state, or our last copy of it if it is in S3; to be read only while no child lives."""
        return self.folder / "state" / "terraform.tfstate"

    @property
    def snapshots(self) -> Path:
        """States after each job, by number."""
        return self.folder / "snapshots"

    def job(self, job_id: str) -> Path:
        """What a job has: `root`, and a folder a phase."""
        return self.folder / "jobs" / job_id

    def root(self, job_id: str) -> Path:
        """The root module of a job."""
        return self.job(job_id) / "root"


def prepare(setup: Setup, place: Place, root: Path, backend: Mapping[str, Any]) -> None:
    """Make a root module ours: its backend, and what its children need around it."""
    for folder in (place.state.parent, place.folder / "home", temporary(setup, place)):
        make_folder(folder)
    write_file(root / BACKEND, json.dumps({"terraform": {"backend": backend}}).encode())


def backend_of(setup: Setup, place: Place, farm: str) -> dict[str, Any]:
    """Where a project's own state is kept."""
    if setup.remote is None:
        return local_backend(place.state)
    has_endpoint = any(name.startswith("AWS_ENDPOINT_URL") for name in setup.aws)
    return setup.remote.backend(farm, place.folder.name, setup.region, has_endpoint=has_endpoint)


def local_backend(state: Path) -> dict[str, Any]:
    """A state in a file."""
    return {"local": {"path": str(state)}}


def temporary(setup: Setup, place: Place) -> Path:
    """A short path: a provider's socket is made in it."""
    return setup.data / "t" / hashlib.sha256(place.folder.name.encode()).hexdigest()[:12]


def environment(setup: Setup, farm: str, project_id: str, phase: Path, aws: Mapping[str, str]) -> dict[str, str]:
    """All the variables that a child has; `aws` are those of its farm."""
    place = setup.place(project_id)
    own = {
        "PATH": os.defpath,
        "HOME": str(place.folder / "home"),
        "TMPDIR": str(temporary(setup, place)),
        "TF_DATA_DIR": str(phase.parent / "data"),
        "TF_CLI_CONFIG_FILE": str(setup.data / "cli.tfrc"),
        "TF_IN_AUTOMATION": "1",
        "CHECKPOINT_DISABLE": "1",
        "GOGC": "300",  # Terraform lives for seconds: collecting garbage less often saves a quarter of its CPU
        "TF_AWS_DEFAULT_TAGS_provisioning_farm": farm,
        "TF_AWS_DEFAULT_TAGS_provisioning_project": project_id,
        MARK: str(phase),
    }
    logs = {"TF_LOG_PATH": str(phase / "terraform.log")} if "TF_LOG" in setup.more else {}
    return {**aws, **setup.more, **logs, **own}


def init(setup: Setup, root: Path) -> dict[str, Any]:
    """The step that fetches providers; without a mirror one at a time, as Terraform's cache of them wants it."""
    lock = {} if setup.mirror else {"lock": str(setup.data / "providers.lock")}
    return {**step("init", setup.program(), root, "init", "-input=false", "-json", "-no-color"), **lock}


def pull(setup: Setup, root: Path) -> dict[str, Any]:
    """The step that reads the state, wherever it is, into PULLED."""
    return step("pull", setup.program(), root, "state", "pull", out=PULLED)


def step(
    name: str, program: str, root: Path, *words: str, out: str | None = None, fine: tuple[int, ...] = (0,)
) -> dict[str, Any]:
    """One step of a phase, as the child reads it; `out`: a file of the phase for what it prints; `fine`: its codes."""
    document = {"name": name, "command": [program, *words], "cwd": str(root), "fine": fine}
    return document if out is None else {**document, "out": out}


def write_cli(setup: Setup) -> None:
    """Terraform's own settings, for every child: where providers come from."""
    if setup.mirror is None:
        (setup.data / "providers").mkdir(exist_ok=True, mode=0o700)
        text = f'plugin_cache_dir = "{setup.data / "providers"}"\n'
    else:
        text = f'provider_installation {{\n  filesystem_mirror {{\n    path = "{setup.mirror}"\n  }}\n}}\n'
    write_file(setup.data / "cli.tfrc", text.encode())


def roles_of(words: Iterable[str]) -> dict[str, str]:
    """Farm to role, of words `FARM=ARN`. Raises FolderError."""
    roles = {}
    for word in filter(None, (word.strip() for word in words)):
        farm, sign, role = word.partition("=")
        if not (farm and sign and role.startswith("arn:")):
            raise FolderError(f"{word!r} is no role of a farm; write FARM=arn:aws:iam::ACCOUNT:role/NAME")
        roles[farm] = role
    return roles
