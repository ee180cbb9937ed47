"""From a bare ESP32 to a running gateway, over its serial port: esptool writes MicroPython, mpremote copies the files.

Both are run as the programs they are. What arrived is verified by hash, and main.py is copied when all else is right:
a board whose flashing was cut short starts nothing.
"""

import json
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from firmware import build, config, signing
from gateway.errors import GatewayError
from protocol import farms, topics

CHIP = "esp32"  # other chips of the family have other pins, and start their programs elsewhere
IMAGE_AT = "0x1000"  # where the ESP32 looks for its first program
MODULES = "a"  # the first of the two folders between which updates over the air alternate
MARK, UPDATE_KEYS = "mark.0", "update_keys.json"  # which of them runs, and whose updates are taken
LABEL = "setup.json"  # for its network of the set-up; a board that has one keeps it
LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that a person takes for another
LABEL_LETTERS = 12
FETCHED = "fetched"  # the folder of identities that lie in AWS
LAST = "main.py"  # until it is there, the board starts nothing
PATIENCE_S = 300
ATTEMPTS = 4  # at a board that is busy starting
BETWEEN_S = 2
# Without main.py nothing starts that a watchdog would end while we copy. Modules of a release before would be keys
# first, and what another gateway has stored is none of this one's business.
HOLD = """
import json, machine, os
def remove(path):
    try:
        names = os.listdir(path)
    except OSError:
        try:
            os.remove(path)
        except OSError:
            pass
        return
    for name in names:
        remove(path + "/" + name)
    os.rmdir(path)
remove("/main.py")
try:
    with open("/config.json") as file:
        before = json.load(file)["gateway_id"]
except Exception:
    before = None
if before != {gateway_id!r}:
    remove("/store")
ours = ("a", "b", "lib", "drivers", "certs", "mark.0", "mark.1", "update_keys.json", "pins_copy.json")
for name in os.listdir("/"):
    if name in ours or name.endswith(".mpy") or name.endswith(".py") and name != "boot.py":
        remove("/" + name)
machine.reset()
"""
# Nothing of ours is in the flash then: what can be imported is in the image itself.
PLACE = """
import gc
try:
    import protocol.topics
    print("image")
except ImportError:
    print("files" if gc.mem_free() > {psram} else "none")
"""
PSRAM_BYTES = 500_000  # as in board.py: so much is free only with PSRAM
REMEDIES = {
    "esptool": "is the board on this port, and no other program? Hold its BOOT button while it is looked for",
    "mpremote": "is the board on this port, with MicroPython on it (--image), and no other program?",
}
HASHES = """
import hashlib, binascii
for path in {paths!r}:
    digest = hashlib.sha256()
    try:
        with open("/" + path, "rb") as file:
            while True:
                block = file.read(512)
                if not block:
                    break
                digest.update(block)
        print(path, binascii.hexlify(digest.digest()).decode())
    except OSError:
        print(path, "missing")
"""


class FlashError(GatewayError):
    """The board, a program or an identity is not as it must be; the text says what, and the remedy."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is to be on which board."""

    port: str
    config: Path
    pins: Path
    certs: Path  # one gateway's folder: certificate.pem, private_key.pem, root_ca.pem
    image: Path | None = None  # MicroPython itself; without it, the one that is there stays
    baud: int = 460800
    update_keys: Sequence[Path] = ()  # public ones; without any, the board takes no update over the air
    version: int = 0  # of the update that this firmware is; lower ones are refused from then on


def lay_out(order: Order, folder: Path) -> list[build.Built]:
    """Everything for the board's flash into `folder`, checked.

    Raises FlashError, ConfigError, BuildError, SigningError, OSError.
    """
    entries = config.check_config(config.load(str(order.config)))
    check_root(entries)
    pins = config.check_pins(config.load(str(order.pins)), *config.needs(entries))
    build.build(folder, pins, MODULES)
    (folder / MARK).write_bytes(signing.mark(order.version))
    if order.update_keys:
        (folder / UPDATE_KEYS).write_bytes(signing.public_keys(order.update_keys))
    (folder / "config.json").write_bytes(order.config.read_bytes())
    (folder / "pins.json").write_bytes(order.pins.read_bytes())
    (folder / "certs").mkdir()
    for name, data in {**identity(order.certs, entries["gateway_id"]), **spares(order.certs)}.items():
        (folder / "certs" / name).write_bytes(data)
    (folder / LABEL).write_bytes(json.dumps(label()).encode())
    return build.listing(folder)


def check_root(entries: dict[str, Any]) -> None:
    """A root of topics that is a farm's, and a gateway that is the same farm's and no service. Raises FlashError.

    A board itself takes any text: the broker denies all there is under another one.
    """
    gateway_id = entries["gateway_id"]
    try:
        farm = farms.farm_of(entries.get("root", topics.ROOT))
    except farms.FarmError as error:
        raise FlashError(f"config.json root: {error}") from error
    own, fitting = farms.whose(gateway_id), farms.gateway(farm, 1)
    if farms.is_service(gateway_id):
        raise FlashError(f"config.json gateway_id: {gateway_id} is the name of a service; want a board's, as {fitting}")
    if own != farm == farms.DEFAULT:
        raise FlashError(f"config.json root: {gateway_id} is a thing of the farm {own}; its root is {farms.root(own)}")
    if own != farm:
        raise FlashError(
            f"config.json gateway_id: {gateway_id} is no thing of the farm in root; want {farm}-gateway-<n>, "
            f"as {fitting}"
        )


def label() -> dict[str, str]:
    """Name and password of the network that a board opens for its set-up; what is on its label."""
    password = "".join(secrets.choice(LETTERS) for _ in range(LABEL_LETTERS))
    return {"name": f"pythoflow-{secrets.token_hex(2)}", "password": password}


def spares(folder: Path) -> dict[str, bytes]:
    """The spare keys of an identity that are still here. Raises FlashError for one that a board could not use."""
    keys = {path.name: path.read_bytes() for path in sorted((folder / "spares").glob("spare_[1-5].der"))}
    remedy = f"make others: python -m certs spares {folder.name} --again{_out(folder)}"
    for name, data in keys.items():
        try:
            key = serialization.load_der_private_key(data, None)
        except (ValueError, TypeError) as error:
            raise FlashError(f"{folder}/spares/{name}: no key ({error}); {remedy}") from error
        if not (isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1)):
            raise FlashError(f"{folder}/spares/{name}: it is not on P-256; {remedy}")
    return keys


def forget_spares(folder: Path) -> None:
    """They are on their board, and need to be nowhere else."""
    for path in (folder / "spares").glob("spare_[1-5].der"):
        path.unlink()


def identity(folder: Path, gateway_id: str) -> dict[str, bytes]:
    """The three files in DER, which a board reads with the least memory. Raises FlashError."""
    remedy = _remedy(folder, gateway_id)
    try:
        certificate = x509.load_pem_x509_certificate((folder / "certificate.pem").read_bytes())
        root = x509.load_pem_x509_certificate((folder / "root_ca.pem").read_bytes())
        key = serialization.load_pem_private_key((folder / "private_key.pem").read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:  # TypeError: the key has a password
        raise FlashError(f"{folder}: no usable identity ({error}); {remedy}") from error
    names = [name.value for name in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    flaws = {
        f"its certificate is for {', '.join(map(str, names))}, config.json is for {gateway_id}": names != [gateway_id],
        "its key is not that of its certificate": key.public_key() != certificate.public_key(),
        f"its certificate ended on {certificate.not_valid_after_utc:%Y-%m-%d}": (
            certificate.not_valid_after_utc <= datetime.now(UTC)
        ),
        f"its certificate begins on {certificate.not_valid_before_utc:%Y-%m-%d}": (
            certificate.not_valid_before_utc > datetime.now(UTC)
        ),
        "its key is not on P-256; a board has no memory for a larger one": not (
            isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1)
        ),
    }
    for flaw, is_so in flaws.items():
        if is_so:
            early = f"is this computer's clock right? Else: python -m certs rotate {gateway_id}{_out(folder)}"
            raise FlashError(f"{folder}: {flaw}; {early if 'begins' in flaw else remedy}")
    der = serialization.Encoding.DER
    form = serialization.PrivateFormat.TraditionalOpenSSL
    return {
        "certificate.der": certificate.public_bytes(der),
        "private_key.der": key.private_bytes(der, form, serialization.NoEncryption()),
        "root_ca.der": root.public_bytes(der),
    }


def _remedy(folder: Path, gateway_id: str) -> str:
    """What makes a usable identity of a folder. `issue` leaves one alone whose board has keys of its own."""
    out = _out(folder)
    if folder.name != gateway_id:
        return (
            f"name its own folder with --certs; issue it if there is none: python -m certs issue --things {gateway_id}"
        )
    if folder.parent.name == FETCHED or (folder / "endpoint.txt").exists():
        return f"fetch it again: python -m certs fetch {gateway_id}{out}"
    if _is_the_boards(folder):
        return (
            f"its board has keys of its own, and this flashes others: python -m certs rotate {gateway_id}{out}, "
            f"python -m certs spares {gateway_id}{out}"
        )
    return f"issue it again: python -m certs issue --things {gateway_id}{out}"


def _is_the_boards(folder: Path) -> bool:
    """Does a board have a key of this thing, or a spare, that is nowhere else?"""
    public = {path.stem for path in (folder / "spares").glob("spare_[1-5].pem")}
    private = {path.stem for path in (folder / "spares").glob("spare_[1-5].der")}
    return bool(public - private) or any((folder / "spares" / "used").glob("*.pem"))


def _out(folder: Path) -> str:
    """What a command of `certs` takes besides, to work where this identity lies."""
    return "" if folder.parent in {Path("certs/issued"), Path("certs") / FETCHED} else f" --out {folder.parent}"


def flash(order: Order, folder: Path, files: Sequence[build.Built]) -> Iterator[str]:
    """Write the laid out files to the board; yields a line for each step that is done. Raises FlashError."""
    if order.image:
        esptool(order, "erase-flash")
        yield "flash erased"
        esptool(order, "write-flash", IMAGE_AT, str(order.image))
        yield f"{order.image.name} written"
    hold(order, config.load(str(folder / "config.json"))["gateway_id"])
    yield "board held"
    if not takes_modules(order):  # a copy in the flash would be found first, and cost the memory that freezing saves
        (folder / MARK).write_bytes(signing.mark(order.version, ""))
        own = build.listing(folder)
        files = [file for file in own if file.path in build.NEVER_UPDATED or not file.path.endswith(".mpy")]
        yield "the modules are in the board's image"
    if LABEL in mpremote(order, "exec", "import os; print(os.listdir('/'))"):
        files = [file for file in files if file.path != LABEL]
        yield "its set-up network stays as on its label"
    rest = [file for file in files if file.path != LAST]
    copy(order, folder, sorted({file.path.split("/")[0] for file in rest}))
    yield f"{len(rest)} files copied"
    verify(order, rest)
    yield f"{len(rest)} files verified"
    copy(order, folder, [LAST])
    verify(order, files)
    yield f"{LAST} copied, everything verified"
    if any(file.path == LABEL for file in files):
        about = json.loads((folder / LABEL).read_bytes())
        yield f"for its label: set-up network {about['name']}, password {about['password']}; nothing else says it again"
    mpremote(order, "reset")
    yield "board started"


def hold(order: Order, gateway_id: str) -> None:
    """Clear the board of programs and start it again, so that no watchdog ends the copying. Raises FlashError."""
    patiently(lambda: mpremote(order, "exec", "--no-follow", HOLD.format(gateway_id=gateway_id)))
    time.sleep(BETWEEN_S)  # a board that starts hears nothing, and mpremote asks once in ten seconds
    patiently(lambda: mpremote(order, "eval", "1"))


def takes_modules(order: Order) -> bool:
    """True if the modules have to be copied, and have room; False if the image holds them. Raises FlashError."""
    place = mpremote(order, "exec", PLACE.format(psram=PSRAM_BYTES)).split()[-1:]
    if place not in (["files"], ["image"]):
        raise FlashError(
            f"{order.port}: without PSRAM a board has no memory for modules that are files; write an image to it that "
            "holds them (--image, see docs/firmware.md, Frozen). Until then it starts nothing"
        )
    return place == ["files"]


def patiently(ask: Callable[[], str]) -> str:
    """Ask a board that may be starting just now. Raises FlashError."""
    for _ in range(ATTEMPTS - 1):
        try:
            return ask()
        except FlashError:
            time.sleep(BETWEEN_S)
    return ask()


def copy(order: Order, folder: Path, names: Sequence[str]) -> None:
    """Copy files and folders into the board's root. Raises FlashError."""
    mpremote(order, "fs", "cp", "-r", "-f", *names, ":", folder=folder)


def verify(order: Order, files: Sequence[build.Built]) -> None:
    """Compare the hash of every file with that on the board. Raises FlashError."""
    answer = mpremote(order, "exec", HASHES.format(paths=[file.path for file in files]))
    on_board: dict[str, Any] = dict(line.split() for line in answer.splitlines() if len(line.split()) == 2)
    wrong = [file.path for file in files if on_board.get(file.path) != file.sha256]
    if wrong:
        raise FlashError(
            f"{order.port}: {wrong[0]} is not on the board as it was sent ({len(wrong)} files); flash again"
        )


def follow(order: Order) -> int:
    """Show what the board says until Ctrl-X; gives the exit code."""
    return subprocess.run(
        [sys.executable, "-m", "mpremote", "connect", order.port, "resume", "repl"], check=False
    ).returncode


def esptool(order: Order, *words: str) -> str:
    """Run esptool on the port. Raises FlashError."""
    return run("esptool", "--chip", CHIP, "--port", order.port, "--baud", str(order.baud), *words)


def mpremote(order: Order, *words: str, folder: Path | None = None) -> str:
    """Run mpremote on the port. Raises FlashError."""
    return run("mpremote", "connect", order.port, *words, folder=folder)


def run(program: str, *words: str, folder: Path | None = None) -> str:
    """What esptool or mpremote says. Raises FlashError."""
    command = [sys.executable, "-m", program, *words]
    try:
        process = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise FlashError(
            f"{program} {words[0]}: no end after {PATIENCE_S} s; press the board's reset and try again"
        ) from error
    if process.returncode:
        lines = (process.stderr.strip() or process.stdout.strip() or "it said nothing").splitlines()
        why = ([line for line in lines if "error" in line.lower()] or lines)[-1].strip()
        raise FlashError(f"{program}: {why}; {REMEDIES[program]}")
    return process.stdout
