"""The function's image without Docker: its Dockerfile carried out on folders of this machine.

Only what our Dockerfile says is understood; anything else is an error, so that nothing is left out unseen.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "lambda_functions" / "aggregate" / "Dockerfile"
LAYERS = ROOT / "build" / "image"
MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}  # as the kernel says -> as Docker says
NATIVE = MACHINES[os.uname().machine]
SLOW_S = 1.0  # a RUN that takes longer is kept, as Docker keeps a layer
OURS = re.compile(r"(?<=\s)/(?:packages|function)\b")  # the folders that a RUN names


@dataclass(frozen=True)
class Stage:
    """A FROM of the Dockerfile, and the instructions under it as pairs of a word and the rest."""

    base: str
    name: str
    steps: tuple[tuple[str, str], ...] = ()


def stages(text: str) -> list[Stage]:
    """Read a Dockerfile."""
    lines = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ").splitlines()
    found: list[Stage] = []
    for word, rest in (line.split(maxsplit=1) for line in lines if line.strip()):
        if word == "FROM":
            base, _, name = re.sub(r"--\S+ ", "", rest).partition(" AS ")
            found.append(Stage(base, name))
        else:
            found[-1] = replace(found[-1], steps=(*found[-1].steps, (word, rest)))
    return found


class Image:
    """The image for one architecture under `root`: `command` starts it in the folder `place`, as `user`."""

    def __init__(self, root: Path, architecture: str = NATIVE) -> None:
        self.architecture, self.command, self.user = architecture, [""], ""
        self.copied: list[Path] = []  # from the repository
        self._roots = {stage.name: root / (stage.name or "image") for stage in stages(DOCKERFILE.read_text())}
        for stage in stages(DOCKERFILE.read_text()):
            self._stage, self._at = stage.name, "/"
            self._digest = hashlib.sha256(f"{architecture} {sys.version} {ROOT}".encode())
            for word, rest in stage.steps:
                self._digest.update(f"{word} {rest}".encode())
                getattr(self, f"_do_{word.lower()}")(rest)
        self.place = self._path(self._at)

    def bytes(self) -> int:
        """What the function adds to its base."""
        return sum(path.stat().st_size for path in self.place.rglob("*") if path.is_file())

    def _path(self, place: str) -> Path:
        whole = place if place.startswith("/") else f"{self._at}/{place}"
        return Path(os.path.normpath(f"{self._roots[self._stage]}/{whole}"))

    def _do_arg(self, rest: str) -> None:
        assert rest.startswith("TARGETARCH="), rest

    def _do_workdir(self, rest: str) -> None:
        self._at = rest
        self._path(rest).mkdir(parents=True, exist_ok=True)

    def _do_copy(self, rest: str) -> None:
        option, *words = rest.split()
        origin = self._roots.get(option.removeprefix("--from="), ROOT)
        *patterns, target = words if option.startswith("--") else (option, *words)
        for pattern in patterns:
            found = sorted(origin.glob(pattern.lstrip("/")))
            assert found, f"COPY {pattern}: there is no such file"
            for path in found:
                self._copy(path, self._path(target))

    def _copy(self, path: Path, target: Path) -> None:
        target.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            shutil.copytree(path, target, dirs_exist_ok=True, copy_function=os.link)
            return
        shutil.copy2(path, target)
        self.copied.append(path.relative_to(ROOT))
        self._digest.update(path.read_bytes())

    def _do_run(self, rest: str) -> None:
        layer, stage = LAYERS / self._digest.hexdigest()[:16], self._path("/")
        if layer.exists():
            shutil.rmtree(stage)
            shutil.copytree(layer, stage, copy_function=os.link)
            return
        started = time.monotonic()
        self._run(OURS.sub(lambda match: str(self._path(match[0])), rest))
        if time.monotonic() - started > SLOW_S:
            half = layer.with_suffix(f".{os.getpid()}")
            shutil.copytree(stage, half, copy_function=os.link)
            half.rename(layer)

    def _run(self, script: str) -> None:
        path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
        environment = {**os.environ, "PATH": path, "TARGETARCH": self.architecture}
        done = subprocess.run(
            ["sh", "-c", script], cwd=self._path("."), env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def _do_user(self, rest: str) -> None:
        self.user = rest

    def _do_healthcheck(self, rest: str) -> None:
        assert rest == "NONE"

    def _do_entrypoint(self, rest: str) -> None:
        self.command = json.loads(rest)

    def _do_cmd(self, rest: str) -> None:
        self.command += json.loads(rest)
