"""The resources of a plan (`terraform show -json PLAN`), or of a state."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from provisioning.costs.errors import CostsError

_GOES, _COMES = -1, 1
_CHANGES = {  # what each list of actions takes away, and what it brings
    ("create",): (False, True),
    ("delete",): (True, False),
    ("update",): (True, True),
    ("delete", "create"): (True, True),
    ("create", "delete"): (True, True),
    ("forget",): (True, False),
}


class Resource(NamedTuple):
    """One instance that Terraform manages. `region` is None where nothing says it; `sign` is -1 for what goes."""

    address: str
    type: str
    values: Mapping[str, Any]
    region: str | None = None
    sign: int = 1


def of_plan(show_json: Mapping[str, Any], which: str = "after") -> list[Resource]:
    """What there will be after a plan, or (`change`) what comes and what goes. Raises CostsError if it is no plan."""
    if which not in {"after", "change"}:
        raise CostsError([f"{which!r} of a plan is not known; say after or change"])
    if "planned_values" not in show_json:
        raise CostsError(["no planned_values in the plan; give what `terraform show -json PLAN` prints"])
    regions = _Regions(show_json)
    if which == "after":
        resources = list(_of_module(show_json["planned_values"].get("root_module", {})))
    else:
        resources = [each for change in show_json.get("resource_changes", ()) for each in _of_change(change)]
    return [each._replace(region=each.region or regions.of(each.address)) for each in resources]


def of_state(state_json: Mapping[str, Any]) -> list[Resource]:
    """What a state holds: version 4 as it is stored, or as `terraform show -json` prints it. Raises CostsError."""
    if state_json.get("version") == 4 and isinstance(state_json.get("resources"), list):
        return [each for row in state_json["resources"] for each in _of_row(row)]
    if isinstance(state_json.get("values"), Mapping):
        return list(_of_module(state_json["values"].get("root_module", {})))
    if state_json.get("format_version") and "values" not in state_json:
        return []
    raise CostsError(["no state of version 4; give what `terraform state pull` prints"])


def _of_module(module: Mapping[str, Any]) -> Iterator[Resource]:
    for row in module.get("resources", ()):
        if row.get("mode") == "managed":
            yield _resource(row["address"], row["type"], row.get("values"), _COMES)
    for child in module.get("child_modules", ()):
        yield from _of_module(child)


def _of_change(row: Mapping[str, Any]) -> Iterator[Resource]:
    change = row["change"]
    goes, comes = _CHANGES.get(tuple(change["actions"]), (False, False))
    if row.get("mode") == "managed" and goes:
        yield _resource(row["address"], row["type"], change.get("before"), _GOES)
    if row.get("mode") == "managed" and comes:
        yield _resource(row["address"], row["type"], change.get("after"), _COMES)


def _of_row(row: Mapping[str, Any]) -> Iterator[Resource]:
    if row.get("mode") != "managed":
        return
    name = ".".join(part for part in (row.get("module"), row["type"], row["name"]) if part)
    for instance in row.get("instances", ()):
        key = instance.get("index_key")
        index = "" if key is None else f'["{key}"]' if isinstance(key, str) else f"[{key}]"
        yield _resource(name + index, row["type"], instance.get("attributes"), _COMES)


def _resource(address: str, kind: str, values: Mapping[str, Any] | None, count: int) -> Resource:
    values = values or {}
    return Resource(address, kind, values, _own_region(values), count)


def _own_region(values: Mapping[str, Any]) -> str | None:
    """The region that a resource says itself, or that its ARN holds."""
    if isinstance(values.get("region"), str):
        return str(values["region"])
    parts = str(values.get("arn", "")).split(":")
    return parts[3] or None if len(parts) > 5 else None


class _Regions:
    """The region of the provider of each resource, where the plan's configuration says it."""

    def __init__(self, plan: Mapping[str, Any]) -> None:
        configuration = plan.get("configuration", {})
        self._providers = configuration.get("provider_config", {})
        self._variables = plan.get("variables", {})
        self._keys = dict(_provider_keys(configuration.get("root_module", {}), ""))

    def of(self, address: str) -> str | None:
        """None where it is not known before the apply."""
        provider = self._providers.get(self._keys.get(_without_index(address), ""), {})
        region = provider.get("expressions", {}).get("region", {})
        if "constant_value" in region:
            return str(region["constant_value"])
        names = [name.removeprefix("var.") for name in region.get("references", ()) if name.startswith("var.")]
        value = self._variables.get(names[0], {}).get("value") if len(names) == 1 else None
        return str(value) if value else None


def _provider_keys(module: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for row in module.get("resources", ()):
        yield prefix + row["address"], row.get("provider_config_key", "")
    for name, call in module.get("module_calls", {}).items():
        yield from _provider_keys(call.get("module", {}), f"{prefix}module.{name}.")


def _without_index(address: str) -> str:
    """`module.a.aws_b.c` of `module.a["x"].aws_b.c[0]`."""
    plain, depth, is_text = "", 0, False
    for char in address:
        is_text = is_text != (char == '"')
        depth += 0 if is_text else (char == "[") - (char == "]")
        plain += char if depth == 0 and char != "]" else ""
    return plain
