"""Terraform's state, version 4, as a file: what is in it, what is masked of it, and copies of it.

To be read only while no child of the project lives: Terraform writes it in place.
"""

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from provisioning.code import write_file
from provisioning.surroundings import Place

MOST_SNAPSHOTS = 30
ERRORED = "errored.tfstate"
EMPTY: dict[str, Any] = {
    "version": 4,
    "terraform_version": "",
    "serial": 0,
    "lineage": "",
    "outputs": {},
    "resources": [],
}
LONG_SECRET = 6  # characters; a shorter one may be in a word by chance
SECRET_NAME = re.compile(r"password|secret|token|private_key|access_key|credential|connection_string", re.IGNORECASE)


def read(path: Path) -> dict[str, Any]:
    """A state; EMPTY if there is none. Raises ValueError for one that is cut off."""
    try:
        text = path.read_text()
    except FileNotFoundError:
        return dict(EMPTY)
    state = json.loads(text)
    if not isinstance(state, dict):
        raise ValueError(f"{path}: no state")
    return state


def mend(place: Place, root: Path) -> str:
    """Put back the last whole copy of a state that a kill cut off, or what a full disk let Terraform leave in `root`.

    Gives what was done, empty if nothing was.
    """
    return _mend_cut(place) or _mend_errored(place, root / ERRORED)


def _mend_errored(place: Place, errored: Path) -> str:
    """Terraform writes what it could not save beside the code."""
    try:
        ours, theirs = read(place.state), read(errored)
    except ValueError:
        return ""
    if not errored.exists() or theirs["serial"] < ours["serial"] or ours["lineage"] not in {"", theirs["lineage"]}:
        return ""
    shutil.copyfile(errored, place.state)
    errored.unlink()
    return f"the state could not be saved at first, and was taken from {ERRORED}"


def _mend_cut(place: Place) -> str:
    try:
        read(place.state)
    except ValueError:
        copies = [place.state.with_name(f"{place.state.name}.backup"), *reversed(numbered(place))]
        for copy in copies:
            try:
                read(copy)
            except ValueError:
                continue
            if copy.exists():
                shutil.copyfile(copy, place.state)
                return f"the state was cut off in the middle of a write and put back to {copy.name}"
        place.state.unlink()
        return "the state was cut off in the middle of a write, and no copy of it is whole: it is begun anew"
    return ""


def take(pulled: Path, place: Place) -> None:
    """Make what Terraform read of a state elsewhere our copy of it; it prints nothing where there is none."""
    if not pulled.exists():  # a service before this one has taken it
        return
    if pulled.stat().st_size:
        pulled.replace(place.state)
    else:
        place.state.unlink(missing_ok=True)
        pulled.unlink()


def of_number(place: Place, number: int) -> Path:
    """The copy that was made after the job of this number."""
    return place.snapshots / f"{number:09d}.tfstate"


def snapshot(place: Place, job_seq: int) -> dict[str, Any]:
    """Keep a copy of the state under a job's number; gives the state. Raises ValueError."""
    state = read(place.state)
    write_file(of_number(place, job_seq), json.dumps(state).encode())
    for old in numbered(place)[:-MOST_SNAPSHOTS]:
        old.unlink()
    return state


def numbered(place: Place) -> list[Path]:
    """The copies, the oldest first."""
    return sorted(place.snapshots.glob("*.tfstate"))


def newest(place: Place) -> dict[str, Any]:
    """The last copy: what may be read at any time."""
    copies = numbered(place)
    return read(copies[-1]) if copies else dict(EMPTY)


def instances(state: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Address, type and instance of everything that is managed."""
    for resource in state.get("resources", []):
        if resource.get("mode") == "managed":
            base = ".".join(filter(None, (resource.get("module"), resource["type"], resource["name"])))
            for instance in resource.get("instances", []):
                yield base + _key(instance.get("index_key")), resource["type"], instance


def arns(state: Mapping[str, Any]) -> set[str]:
    """The ARNs of everything in it."""
    rows = {str(instance.get("attributes", {}).get("arn") or "") for _, _, instance in instances(state)}
    return {arn.removesuffix(":*") for arn in rows if arn}


def tainted(state: Mapping[str, Any]) -> list[str]:
    """Addresses that the next apply would replace."""
    return [address for address, _, instance in instances(state) if instance.get("status") == "tainted"]


def outputs(state: Mapping[str, Any]) -> dict[str, Any]:
    """`values`: name to plain value, None for what is sensitive, whose names are in `sensitive`."""
    rows = state.get("outputs", {})
    return {
        "values": {name: None if row.get("sensitive") else row.get("value") for name, row in rows.items()},
        "sensitive": sorted(name for name, row in rows.items() if row.get("sensitive")),
    }


def masked(state: Mapping[str, Any], masks: Mapping[str, list[str]]) -> dict[str, Any]:
    """A state without what is sensitive: by Terraform's marks, by the plan's, and by the sound of a name.

    A provider copies values (`terraform_data` its `input` into `output`) and the marks do not follow: what is equal to
    something that is marked, or holds it, goes too.
    """
    secrets = _secrets(state, masks)
    values = outputs(state)["values"]
    rows = {name: {**row, "value": values[name]} for name, row in state.get("outputs", {}).items()}
    resources = [
        {
            **resource,
            "instances": [_masked(one, masks.get(resource["type"], ()), secrets) for one in resource["instances"]],
        }
        for resource in state.get("resources", [])
    ]
    return {**state, "outputs": rows, "resources": resources}


def _secrets(state: Mapping[str, Any], masks: Mapping[str, list[str]]) -> set[str]:
    """Every text that stands where something is marked."""
    hidden: list[Any] = [row.get("value") for row in state.get("outputs", {}).values() if row.get("sensitive")]
    for resource in state.get("resources", []):
        for instance in resource["instances"]:
            attributes = instance.get("attributes", {})
            hidden += [attributes.get(name) for name in _marked(instance, masks.get(resource["type"], ()))]
    return {text for one in hidden for text in _texts(one)}


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str) and value:
        yield value
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _texts(one)


def _marked(instance: Mapping[str, Any], names: Any) -> set[str]:
    paths = instance.get("sensitive_attributes", [])
    return {path[0]["value"] for path in paths if path and "value" in path[0]} | set(names)


def _masked(instance: Mapping[str, Any], names: Any, secrets: set[str]) -> dict[str, Any]:
    secret_names = _marked(instance, names)
    attributes = {
        name: None if name in secret_names else _without_secrets(name, value, secrets)
        for name, value in instance.get("attributes", {}).items()
    }
    return {**{key: value for key, value in instance.items() if key != "private"}, "attributes": attributes}


def _without_secrets(name: str, value: Any, secrets: set[str]) -> Any:
    if isinstance(value, dict):
        return {key: _without_secrets(key, one, secrets) for key, one in value.items()}
    if isinstance(value, list):
        return [_without_secrets(name, one, secrets) for one in value]
    if not isinstance(value, str):
        return value
    is_secret = value in secrets or any(one in value for one in secrets if len(one) >= LONG_SECRET)
    return None if is_secret or SECRET_NAME.search(name) else value


def _key(key: Any) -> str:
    if key is None:
        return ""
    text = json.dumps(key, ensure_ascii=False)
    return f"[{text.replace('${', '$${').replace('%{', '%%{')}]"  # as Terraform writes it
