"""Every error of a room has the room's base, so that whoever uses a room can catch all of its errors by one name."""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# The class that all errors of a room are of; what a room's users catch.
BASES = {
    "protocol": "protocol.errors.ProtocolError",
    "gateway": "gateway.errors.GatewayError",
    "firmware": "gateway.errors.GatewayError",
    "gateway_sim": "gateway_sim.errors.SimError",
    "agronomy": "agronomy.errors.AgronomyError",
    "compute_service": "compute_service.errors.ComputeError",
    "lambda_functions": "lambda_functions.lake.errors.AggregateError",
    "certs": "certs.errors.CertsError",
    "local_cloud": "local_cloud.errors.LocalCloudError",
    "field_time": "field_time.errors.FieldTimeError",
    "checked_yaml": "checked_yaml.errors.CheckedYamlError",
    "notices": "notices.errors.NoticesError",
    "updates": "updates.errors.UpdatesError",
    "provisioning": "provisioning.errors.ProvisioningError",
    "web": "web.errors.WebError",
    "console": "console.errors.ConsoleError",
    "integrations": "integrations.errors.IntegrationsError",
    "demo": "demo.errors.DemoError",
}
HOST_SIDE = ("firmware.__main__", "firmware.build", "firmware.config", "firmware.flash", "firmware.heap")
NO_ROOMS = {"tests", "benchmarks", "scripts", "findings"}  # no part of the running system: nobody catches theirs
NOT_OURS = {"node_modules", "build", "dist"}


def rooms() -> set[str]:
    """Every folder of the repository with Python in it, and the portable part of the firmware."""
    folders = {path.parent.name for path in ROOT.glob("*/*.py")}
    return {"gateway", *folders} - NO_ROOMS - NOT_OURS


def modules(room: str) -> list[str]:
    """Every module of a room that this machine can import; the rest of the firmware wants a board's hardware."""
    if room == "firmware":
        return list(HOST_SIDE)
    package = importlib.import_module(room)
    return [room, *(info.name for info in pkgutil.walk_packages(package.__path__, f"{room}."))]


def errors(room: str) -> Iterator[type[BaseException]]:
    """Every exception that is defined in a room, also those that never leave it."""
    for name in modules(room):
        module = importlib.import_module(name)
        for _, kind in inspect.getmembers(module, inspect.isclass):
            if kind.__module__ == name and issubclass(kind, BaseException):
                yield kind


def base_of(room: str) -> type[BaseException]:
    """The room's base."""
    module, _, name = BASES[room].rpartition(".")
    kind: type[BaseException] = getattr(importlib.import_module(module), name)
    return kind


@pytest.mark.parametrize("room", sorted(rooms()))
def test_every_error_has_the_rooms_base(room: str) -> None:
    """No error of a room gets past whoever catches the room's base."""
    kinds = list(errors(room))
    strays = [kind for kind in kinds if room not in BASES or not issubclass(kind, base_of(room))]
    names = ", ".join(f"{kind.__module__}.{kind.__qualname__}" for kind in strays)
    assert not strays, f"{names}: not a {BASES.get(room, f'base of {room}: give it one, and name it in BASES')}"
    assert kinds or room not in BASES


def test_the_walk_sees_every_module() -> None:
    """A module in a folder that is no package is walked too: what is not seen is not held to anything."""
    for room in rooms() - {"firmware", "gateway"}:
        files = [path.relative_to(ROOT).with_suffix("") for path in (ROOT / room).rglob("*.py")]
        names = {".".join(path.parts).removesuffix(".__init__") for path in files if not NOT_OURS & set(path.parts)}
        assert sorted(names - set(modules(room))) == [], room
