"""What a farm wants: its FarmSpec, from a file (YAML or JSON, under `farm:`) or from a value that was posted.

Each mistake names the field and the remedy, in a file with its line as well; a field that nobody knows is one.
"""

import re
from collections.abc import Mapping as Table
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from checked_yaml import checks, mapping
from checked_yaml.checks import Check
from checked_yaml.errors import CheckedYamlError
from checked_yaml.mapping import Mapping, Unplaced
from provisioning.farms import cnpj as cnpj_numbers
from provisioning.farms import farm_id, references
from provisioning.farms.errors import CnpjError, FarmSpecError
from provisioning.farms.names import AWS, ENVIRONMENT, GOOGLE, IRRIGATION, NAMINGS, NONE, VMHUB
from provisioning.job_files.limits import REGIONS, matching

GUIDE = "docs/farms.md"
PROCESS, LAKE, HTTP = "process", "lake", "http"
LANGUAGES = ("pt-BR", "en")
MOST_GATEWAYS = 10_000
MOST_RETENTION_DAYS = 3650
MOST_CONTACTS = 50

_PHONE = matching(re.compile(r"\+[1-9][0-9]{7,14}"), "a number with its country, as +5534999990000")
_MAIL = matching(
    re.compile(r"[^@\s,;<>\"]{1,64}@[a-z0-9-]+(?:\.[a-z0-9-]+)+", re.IGNORECASE), "an address, as ana@sitio.example"
)
CHANNELS: Table[str, Check] = {"whatsapp": _PHONE, "sms": _PHONE, "email": _MAIL}  # with what an address is there


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """Somebody who is told, and who agreed to that at `consent_at`; `address` is what the channel calls them by."""

    name: str
    channel: str
    address: str
    language: str
    consent_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FarmConsole:
    """The farm's own console; `token_ref` says where the token for it lies."""

    url: str
    token_ref: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FarmSpec:
    """What a farm wants; it has a plain id (`farm`) or a company's number (`cnpj`, a slug)."""

    farm: str | None = None
    cnpj: str | None = None
    name: str
    cloud: str
    region: str | None  # None: there is no cloud
    environment: str
    timezone: str
    gateways: int
    naming: str
    compute: str
    sync: str
    retention_days: int
    contacts: tuple[Contact, ...]
    console: FarmConsole | None

    @property
    def farm_id(self) -> str:
        """The one word that its names are made of."""
        word = self.farm or self.cnpj
        assert word is not None
        return word

    def document(self) -> dict[str, Any]:
        """As JSON has it; `read` makes the same of it again, of a CNPJ that was read leniently if it reads so."""
        fields = {name: value for name, value in asdict(self).items() if value is not None}
        people = [{**asdict(one), "consent_at": one.consent_at.isoformat()} for one in self.contacts]
        return {**fields, "contacts": people}


def read(value: Any, *, lenient: bool = False) -> FarmSpec:
    """What was posted; `lenient` takes a CNPJ whose check digits are wrong. Raises FarmSpecError."""
    try:
        root = Unplaced(GUIDE, "farm").root(value)
        return _of(root, lenient=lenient)
    except CheckedYamlError as error:
        raise FarmSpecError(error.mistakes) from error


def read_file(path: Path, *, lenient: bool = False) -> FarmSpec:
    """What a file has under `farm:`. Raises FarmSpecError, each mistake with its line."""
    try:
        root = mapping.root(path, GUIDE, "farm file")
        farm = root.inner("farm")
        root.end()
        return _of(farm, lenient=lenient)
    except CheckedYamlError as error:
        raise FarmSpecError(error.mistakes) from error


def _of(root: Mapping, *, lenient: bool) -> FarmSpec:
    cloud = root.take("cloud", checks.one_of((AWS, GOOGLE, NONE)))
    spec = {
        **_identity(root, lenient=lenient),
        "name": root.take("name", _line),
        "cloud": cloud,
        "region": _region(root, cloud),
        "environment": root.take("environment", _environment, "dev"),
        "timezone": root.take("timezone", checks.timezone, "America/Sao_Paulo"),
        "gateways": root.take("gateways", checks.whole_number(0, MOST_GATEWAYS), 1),
        "naming": root.take("naming", checks.one_of(NAMINGS), IRRIGATION),
        "compute": root.take("compute", checks.one_of((PROCESS, NONE)), PROCESS),
        "sync": root.take("sync", checks.one_of((LAKE, HTTP, NONE)), NONE if cloud == NONE else LAKE),
        "retention_days": root.take("retention_days", checks.whole_number(0, MOST_RETENTION_DAYS), 30),
        "contacts": _contacts(root),
        "console": _console(root),
    }
    root.end()
    _hold_together(root, spec)
    root.mistakes.raise_if_any()
    return FarmSpec(**spec)


def _identity(root: Mapping, *, lenient: bool) -> dict[str, str | None]:
    plain, number = _as_written(root, "farm"), _as_written(root, "cnpj")
    has_number = "cnpj" in root
    if "farm" in root and has_number:
        root.wrong("farm", "a farm has one of farm and cnpj; leave one of them out")
    elif "farm" in root:
        why = farm_id.wrong(plain)
        if isinstance(plain, str) and cnpj_numbers.SLUG.fullmatch(plain):
            why = "has the form of a CNPJ; write it as cnpj"
        if why:
            root.wrong("farm", why, plain)
    elif not has_number:
        root.mistakes.add(
            root.node, root.place or root.mistakes.what, "No CNPJ provided; write cnpj, or farm for a plain id"
        )
    if not has_number:
        return {"farm": plain}
    try:
        return {"cnpj": cnpj_numbers.read(number or "", lenient=lenient)}
    except CnpjError as error:
        root.wrong("cnpj", str(error).partition(": ")[2], number)
        return {"cnpj": None}


def _as_written(mapping: Mapping, name: str) -> str | None:
    """A text, or digits as they stand there: YAML would make a number of them, and lose a nought before it."""
    mapping.value(name)
    node = mapping.nodes.get(name)
    is_word = isinstance(node, yaml.ScalarNode) and str(node.tag).rpartition(":")[2] in {"str", "int"}
    return str(node.value) if node is not None and is_word else None


def _region(root: Mapping, cloud: str | None) -> str | None:
    if cloud not in REGIONS:
        if root.value("region") is not None and cloud == NONE:
            root.wrong("region", "there is no cloud; leave it out")
        return None
    field = REGIONS[cloud]
    region: str | None = root.take("region", field.check, field.default)
    return region


def _hold_together(root: Mapping, spec: Table[str, Any]) -> None:
    if spec["naming"] == VMHUB and "cnpj" not in root:
        root.wrong("naming", f"is made of a CNPJ; give cnpj in place of farm, or write {IRRIGATION}")
    if spec["cloud"] == NONE and spec["sync"] != NONE:
        root.wrong("sync", "there is no cloud to bring anything to; write none")


def _contacts(root: Mapping) -> tuple[Contact, ...]:
    rows = root.rows("contacts", required=False)
    if len(rows) > MOST_CONTACTS:
        root.wrong("contacts", f"want {MOST_CONTACTS} at most")
        return ()
    return tuple(_contact(row) for row in rows)


def _contact(row: Mapping) -> Contact:
    channel = row.take("channel", checks.one_of(tuple(CHANNELS)))
    contact = Contact(
        name=row.take("name", _line),
        channel=channel,
        address=row.take("address", CHANNELS.get(channel, checks.text)),
        language=row.take("language", checks.one_of(LANGUAGES), LANGUAGES[0]),
        consent_at=_instant(row.take("consent_at", _when)),
    )
    row.end()
    return contact


def _console(root: Mapping) -> FarmConsole | None:
    if "console" not in root:
        root.value("console")
        return None
    if not isinstance(root.nodes.get("console"), yaml.MappingNode):
        root.value("console")
        root.wrong("console", "want url and token_ref", "...")
        return None
    console = root.inner("console")
    url, token = console.take("url", checks.anything), console.take("token_ref", checks.anything)
    if why := _url(url):
        console.wrong("url", why, "...")  # a password or a token may stand in it
    if "token_ref" in console and (why := references.wrong(token)):
        console.wrong("token_ref", why, "...")  # it may be the token itself, which nobody repeats
    console.end()
    return FarmConsole(url=url, token_ref=token)


def _line(value: Any) -> str | None:
    is_good = isinstance(value, str) and value.strip() and value.isprintable() and len(value) <= 100
    return None if is_good else "want a text of one line, 100 characters at most"


def _environment(value: Any) -> str | None:
    return None if isinstance(value, str) and ENVIRONMENT[0].fullmatch(value) else f"want {ENVIRONMENT[1]}, as dev"


def _instant(value: Any) -> Any:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def _when(value: Any) -> str | None:
    want = "want when they agreed, with the zone, as 2026-11-01T10:00:00-03:00"
    try:
        at = _instant(value)
    except ValueError:
        return want
    return None if isinstance(at, datetime) and at.tzinfo is not None else want


def _url(value: Any) -> str | None:
    want = "want the console's address, as https://farm.example:8080"
    try:
        parts = urlsplit(value if isinstance(value, str) and value.isprintable() else "")
        is_good = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        return want
    return None if is_good and not (parts.username or parts.password or parts.query or parts.fragment) else want
