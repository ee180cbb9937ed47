"""Runs inside Pyodide: holds discovery payloads to Home Assistant's own schema code, and gives its verdicts as JSON.

`INPUT` is JSON: discovery topic -> payload, and state topic -> message. What Home Assistant imports and its schemas do
not need (compiled libraries, network, storage) is replaced by stubs; schema, abbreviations, units, and the syntax and
rendering of templates are its own.
"""

import importlib
import importlib.abc
import importlib.machinery
import inspect
import json
import logging
import sys
import types
from collections.abc import Iterator, Sequence
from typing import Any

DEVICES, STATES = json.loads(globals().get("INPUT", "[{}, {}]"))
OF_ITS_OWN = {  # parts of Home Assistant that want a network, a disk or an identity
    "auth",
    *("util.ssl", "util.httpx2_ssl", "util.ca_certs"),
    *("helpers.aiohttp_client", "helpers.httpx_client", "helpers.httpx2_client", "helpers.http"),
    *("helpers.network", "helpers.storage", "helpers.translation"),
}
OUTSIDE = {"ssl", "_ssl", "sqlite3", "lzma", "fcntl"}  # of the standard library, which Pyodide has not


class _Anything(type):
    """A class whose every attribute is another such class."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return _Anything(name, (_Stub,), {})

    def __or__(cls, _other: object) -> Any:
        return cls

    __ror__ = __getitem__ = __or__

    def __iter__(cls) -> Iterator[Any]:
        return iter(())

    def __call__(cls, *_: object, **_named: object) -> Any:
        return type.__call__(cls)


class _Stub(metaclass=_Anything):
    def __init_subclass__(cls, **_named: object) -> None:
        pass

    def __call__(self, *values: object, **_named: object) -> Any:
        return values[0] if values else self  # as a decorator does that leaves its function as it is

    def __getattr__(self, name: str) -> Any:
        return getattr(type(self), name)


class _StubModule(types.ModuleType):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(_Stub, name)


class _Stubs(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives a stub for each module that `is_one` names."""

    def __init__(self, *, is_last: bool) -> None:
        self._is_last = is_last

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: Any = None) -> Any:
        is_one = self._stands_in_for(fullname) if self._is_last else _is_of_its_own(fullname)
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True) if is_one else None

    def _stands_in_for(self, name: str) -> bool:
        top, _, rest = name.partition(".")
        if top == "homeassistant":
            return rest.startswith("components.")
        return top in OUTSIDE or top not in sys.stdlib_module_names

    def create_module(self, spec: Any) -> types.ModuleType:
        return _StubModule(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        pass


def _is_of_its_own(name: str) -> bool:
    rest = name.removeprefix("homeassistant.")
    return rest != name and any(rest == part or rest.startswith(f"{part}.") for part in OF_ITS_OWN)


class _House:
    """As much of a running Home Assistant as the compiler of templates asks for."""

    def __init__(self) -> None:
        self.data: dict[str, Any] = {}
        self.config = _Stub()


class _Cache(dict[Any, Any]):
    def __init__(self, *_: object, **_named: object) -> None:
        super().__init__()


class _Messages(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


def _prepare() -> None:
    sys.path.insert(0, "/packages")
    sys.meta_path.insert(0, _Stubs(is_last=False))
    sys.meta_path.append(_Stubs(is_last=True))
    orjson: Any = _StubModule("orjson")
    orjson.loads, orjson.JSONDecodeError, orjson.JSONEncodeError = json.loads, json.JSONDecodeError, TypeError
    lru: Any = _StubModule("lru")
    lru.LRU = _Cache
    sys.modules |= {"orjson": orjson, "lru": lru}


def _verdict(topic: str, payload: str) -> dict[str, Any]:
    """Of one device: why it is refused (empty: it is not), and of each component why, and what of it is dropped."""
    discovery = importlib.import_module("homeassistant.components.mqtt.discovery")
    messages = _Messages()
    logging.getLogger("homeassistant").handlers = [messages]
    if not (match := discovery.TOPIC_MATCHER.match(topic.removeprefix("homeassistant/"))):
        return {"refused": f"no discovery topic: {topic}", "components": {}}
    _, node_id, object_id = match.groups()
    parse = discovery._parse_device_payload
    choices = {"hass": None, "payload": payload, "topic": topic, "object_id": object_id, "node_id": node_id}
    device = parse(**{name: choices[name] for name in inspect.signature(parse).parameters})
    if not device:
        return {"refused": " ".join(messages.texts) or "refused", "components": {}}
    rows = {}
    for name, config in device["components"].items():
        platform = importlib.import_module(f"homeassistant.components.mqtt.{config.pop('platform')}")
        config |= {"device": device["device"], "origin": device["origin"]}
        discovery._merge_common_device_options(config, device)
        rows[name] = _component_verdict(platform.DISCOVERY_SCHEMA, dict(config))
    return {"refused": "", "components": rows}


def _component_verdict(schema: Any, config: dict[str, Any]) -> dict[str, Any]:
    try:
        valid = schema(config)
    except Exception as error:  # whichever library the release checks with
        return {"refused": str(error), "dropped": []}
    return {"refused": "", "dropped": sorted(set(config) - set(valid)), "value": _value(valid)}


def _value(config: dict[str, Any]) -> Any:
    """What the component's own template makes of the message on its topic."""
    template, message = config.get("value_template"), STATES.get(config.get("state_topic", ""))
    return template.async_render_with_possible_json_value(message, "<error>") if template and message else message


_prepare()
importlib.import_module("homeassistant.components")
validation = importlib.import_module("homeassistant.helpers.config_validation")
validation._hass.hass = _House()  # templates are compiled with its environment
json.dumps({topic: _verdict(topic, payload) for topic, payload in DEVICES.items()})
