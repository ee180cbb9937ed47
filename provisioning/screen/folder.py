"""What a root's folder may hold, before anything in it is read."""

import os
import stat
from collections.abc import Collection, Iterator
from pathlib import Path

from provisioning.screen.refusal import Refusal

MOST_FILES = 50_000  # two files a thing, and 10,000 things
MOST_BYTES = 100_000_000
MOST_CODE_FILE_BYTES = 1_000_000
MOST_CODE_BYTES = 4_000_000
CODE = (".tf", ".tf.json")

_ITS_OWN = "it is the service's own file"
# Names that are refused wherever they are: why, and the remedy.
NAMES = {
    ".terraform": ("Terraform's own folder says which providers and modules are run", "leave it out of the archive"),
    "terraform.d": ("plug-ins in it would be run on the service's machine", "leave it out of the archive"),
    "credentials": ("it holds keys; a job gets those of its farm", "leave it out of the archive"),
    "backend.tf.json": (_ITS_OWN, "leave it out; serve --state says where states are kept"),
    "adopt.tf.json": (_ITS_OWN, "leave it out; what is found is brought in by the service"),
}


def refusals(root: Path, own: Collection[str]) -> Iterator[Refusal]:
    """What stands against the folder; `own` names what the service itself has put into its top."""
    count = size = code = 0
    for path, status in _entries(root):
        name = path.relative_to(root).as_posix()
        if name.split("/")[0] in own:
            continue
        yield from _of_one(path, name, status)
        count += 1
        size += status.st_size
        code += status.st_size if path.name.endswith(CODE) else 0
        if count > MOST_FILES or size > MOST_BYTES or code > MOST_CODE_BYTES:
            limits = f"{MOST_FILES:,} files, {MOST_BYTES:,} bytes, {MOST_CODE_BYTES:,} of them in .tf files"
            yield Refusal(name, 1, f"the root is larger than {limits}", "leave out what Terraform does not read")
            return


def _entries(root: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Every entry below, folders too; a link is not followed."""
    for folder, folders, files in os.walk(root):
        folders.sort()
        for name in sorted(folders + files):
            path = Path(folder) / name
            yield path, path.lstat()


def _of_one(path: Path, name: str, status: os.stat_result) -> Iterator[Refusal]:
    if stat.S_ISLNK(status.st_mode):
        yield Refusal(name, 1, "a symbolic link, which could lead anywhere", "put the file itself there")
    elif not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        yield Refusal(name, 1, "neither a file nor a folder", "leave it out")
    if path.name in NAMES:
        yield Refusal(name, 1, *NAMES[path.name])
    elif path.name.startswith("terraform-provider-"):
        yield Refusal(name, 1, "a provider's program", "leave it out; the service has its own")
    elif ".tfstate" in path.name:
        yield Refusal(name, 1, "a state; the service keeps the states itself", "leave it out of the archive")
    elif path.name in {"override.tf", "override.tf.json"} or path.name.endswith(("_override.tf", "_override.tf.json")):
        yield Refusal(name, 1, "an override changes what other files say", "write it into the file that it changes")
    if path.name.endswith(CODE) and status.st_size > MOST_CODE_FILE_BYTES:
        yield Refusal(name, 1, f"more than {MOST_CODE_FILE_BYTES:,} bytes of code", "split it")
