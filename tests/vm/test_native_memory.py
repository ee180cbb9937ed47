"""What an outbox takes of the heap at a boot, and a set-up's page: in a MicroPython that collects when it is full."""

import base64
import json
import subprocess
from pathlib import Path

import pytest

from firmware import build, bundle
from tests.vm.bench.field import Identities
from tests.vm.native.board import HERE, micropython

FREE_BYTES = 40_000  # of objects twice as large as a chip's: a board has 20 KB
PLANS_FREE_BYTES = 2 * (56 * 1024 - 40_000)  # likewise: what the budget of the live heap leaves
OUTBOX_BYTES = 8_000  # of a board without PSRAM
RESTARTS = 50
CHIP_HEAP_BYTES = 56 * 1024  # of a board without PSRAM, its modules frozen
SPARE_BYTES = 121
PROGRAMS = ("boot_outbox.py", "hold_plans.py")
OTHERS_BYTES = 8 * 1024  # boot.py, main.py, the loop, what comes over the network, and the heap's own account


@pytest.fixture(scope="module")
def flash(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("flash") / "built"
    build.build(folder)
    return folder


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A flash's modules with short names, but for those that the programs of these tests call them by."""
    folder = tmp_path_factory.mktemp("known")
    short = build.names(*(HERE / program for program in PROGRAMS))
    for source, target in build.sources():
        (folder / target).parent.mkdir(parents=True, exist_ok=True)
        build.compile_module(source, folder / target, short)
    return folder


@pytest.mark.parametrize(("sensors", "takes"), [(1, 40), (2, 9), (8, 9)])
def test_restarts_without_a_broker_fit_a_small_board(known: Path, tmp_path: Path, sensors: int, takes: int) -> None:
    """Start after start the outbox fills with samples and acks, until much has to make room: each start fits 20 KB."""
    for boot in range(1, RESTARTS + 1):
        done = boots(known, tmp_path, boot, sensors, takes)
        assert done.returncode == 0, f"boot {boot}: {done.stdout}"
        fits, _depth, taken, _dropped, *fault = done.stdout.split()
        assert (fits, int(taken), fault) == ("True", boot * sensors * takes, [])


@pytest.mark.parametrize(("zones", "least"), [(4, 4), (8, 6), (14, 6)])
def test_plans_fit_beside_every_run_that_is_remembered(known: Path, tmp_path: Path, zones: int, least: int) -> None:
    """In what a chip has at least, 17 KB: 32 runs are remembered, six plans or more taken, the rest refused."""
    done = native(known, "hold_plans.py", tmp_path, PLANS_FREE_BYTES, zones)
    assert done.returncode == 0, done.stdout
    fits, runs, taken, asked, _bytes, acks = done.stdout.split()
    assert (fits, int(runs), int(asked)) == ("True", 2 * 32, zones)
    assert least <= int(taken) <= zones
    assert int(acks) == 2 * 2 * int(taken), "two days, a start and an end each"


def test_a_plan_for_which_memory_is_short_is_refused(known: Path, tmp_path: Path) -> None:
    """Before anything is written or loaded for it: every run goes on to be remembered."""
    done = native(known, "hold_plans.py", tmp_path, PLANS_FREE_BYTES - 5_000, 8)
    assert done.returncode == 0, done.stdout
    _fits, runs, taken, *_ = done.stdout.split()
    assert int(runs) == 2 * 32 and int(taken) < 8


def boots(known: Path, folder: Path, boot: int, sensors: int, takes: int) -> "subprocess.CompletedProcess[str]":
    return native(known, "boot_outbox.py", folder, FREE_BYTES, OUTBOX_BYTES, boot, sensors, takes)


def native(known: Path, script: str, folder: Path, *words: object) -> "subprocess.CompletedProcess[str]":
    """Run in the folder, by short names: how long a path is decides where things lie in so small a heap."""
    (folder / "lib").unlink(missing_ok=True)
    (folder / "lib").symlink_to(known / "lib")
    (folder / "program.py").unlink(missing_ok=True)
    (folder / "program.py").symlink_to(HERE / script)
    return subprocess.run(
        [*micropython(), "-X", "heapsize=512k", "program.py", ".", *map(str, words)],
        cwd=folder,
        env={"MICROPYPATH": "lib:.frozen"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def test_the_page_of_a_set_up_fits_a_small_board(flash: Path, tmp_path: Path, identities: Identities) -> None:
    """In 56 KB: it is shown, names a mistake, takes a set-up with all that pins_example.json has, and lays it out."""
    root = tmp_path / "board"
    root.mkdir()
    for name in (build.SETUP_PAGE, build.SETUP_TEXT):
        (root / name).write_bytes((flash / name).read_bytes())
    text = whole_set_up(tmp_path, identities)
    networks = {f"{entry}{number}": f"network {number}" for number in (1, 2, 3) for entry in ("ssid", "password")}
    wrong = networks | {"password3": "short"}
    requests = [
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept-Language: pt-BR\r\n\r\n",
        post(wrong, text),
        post(networks, text),
    ]
    for number, data in enumerate(requests):
        (tmp_path / f"request.{number}").write_bytes(data)
    done = set_up(flash, root, *(tmp_path / f"request.{number}" for number in range(3)))
    rows = [line.split() for line in done.splitlines() if line[0] in "245of"]
    assert [row[0] for row in rows] == ["200", "200", "200", "on_demand", "finishing"], done
    assert all(int(size) > 2 * int(largest) for _, size, largest in rows[:2]), "it goes in pieces"
    assert json.loads((root / "config.json").read_text())["wifi"][2] == {"ssid": "network 3", "password": "network 3"}
    assert not (root / "setup.left").exists()
    assert (root / "pins.json").read_text() == json.loads(text)["pins.json"]


def test_a_page_that_nobody_comes_to_is_left(flash: Path, tmp_path: Path) -> None:
    """After a quarter of an hour; if the button has opened it that is written down, as it may be stuck."""
    for name in (build.SETUP_PAGE, build.SETUP_TEXT):
        (tmp_path / name).write_bytes((flash / name).read_bytes())
    assert set_up(flash, tmp_path).splitlines()[-1] == "on_demand"
    assert (tmp_path / "setup.left").exists()


def set_up(flash: Path, root: Path, *requests: Path) -> str:
    """What a board says to these requests at its page, which the button has opened, and at its start after that."""
    (root / "setup.json").write_text('{"name": "pythoflow-1a2b", "password": "on-its-label"}')
    free = 2 * (CHIP_HEAP_BYTES - OTHERS_BYTES)  # its objects are twice as large
    words = map(str, (HERE / "run_setup.py", root, HERE / "chip", free, *requests))
    done = subprocess.run(
        [*micropython(), "-X", "heapsize=1m", *words],
        env={"MICROPYPATH": f"{flash / 'lib'}:{flash}:.frozen"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def whole_set_up(folder: Path, identities: Identities) -> bytes:
    """The set-up file of the examples, with an identity and five spare keys."""
    own, pins = (build.FIRMWARE / f"{name}_example.json" for name in ("config", "pins"))
    bundle.write(own, pins, identities.issue("irrigation-gateway-1"), folder / "set-up.json")
    spares = {f"certs/spare_{number}.der": base64.b64encode(bytes(SPARE_BYTES)).decode() for number in range(1, 6)}
    return json.dumps(json.loads((folder / "set-up.json").read_text()) | spares).encode()


def post(fields: dict[str, str], file: bytes) -> bytes:
    """The page's form as a browser sends it, with room for the token."""
    rows = {
        "token": ("TOKEN" + "-" * 27).encode(),
        **{name: text.encode() for name, text in fields.items()},
        "file": file,
    }
    parts = [
        b'--edge\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (name.encode(), data)
        for name, data in rows.items()
    ]
    body = b"".join(parts) + b"--edge--\r\n"
    head = "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=edge\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
