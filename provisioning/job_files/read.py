"""Reads job files, and the tag fields of the assets and connectors that they name: each mistake with its file and line.

A job file is ours: what is not known in it is refused. Assets and connectors are other programs', too: only the fields
that become tags are looked at.
"""

import os
import re
from collections.abc import Mapping as Table
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from checked_yaml import checks, document
from checked_yaml.checks import Check, anything, one_of, whole_number
from checked_yaml.errors import CheckedYamlError
from checked_yaml.mapping import Mapping, Mistakes
from provisioning.job_files.errors import JobFileError
from provisioning.job_files.limits import AWS, FARGATE, RESOURCE_TYPES, SERVICE, TARGETS, Target, is_pinned
from provisioning.job_files.secrets import PUBLIC_MARK
from provisioning.job_files.tags import ASSET, CONNECTOR, JOB, Origin, Tag, Written, merge

GUIDE = "docs/job-files.md"
BY_ENVIRONMENT, BY_SEED = "environment", "seed"
UNDERSCORE, HYPHEN = "underscore", "hyphen"
_MOST_NAME = 63
_NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
_ASSET_NAME = re.compile(r"[a-z][a-z0-9]*(?:[_-][a-z0-9]+)*")
_FINOPS = ("cost_center", "business_tags", "project", "environment")
_LISTS = ("business_tags", "classification", "classification_overrides", "regulations")


@dataclass(frozen=True, slots=True)
class Flags:
    """What the command line says of the target; None where it says nothing."""

    cloud: str | None = None
    resource_type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFile:
    """A job file that is whole. `target` is None if it has no infrastructure."""

    path: str
    tenant: str
    environment: str
    asset: str
    tags: list[Tag]
    target: Target | None = None
    runtime: dict[str, Any] = field(default_factory=dict)
    labels: list[Tag] = field(default_factory=list)  # that the job wrote as labels, for Google alone
    workspace: str | None = None
    naming: str = BY_ENVIRONMENT
    key_style: str = UNDERSCORE
    warnings: tuple[str, ...] = ()

    @property
    def word(self) -> str:
        """The asset's name as names of resources have it."""
        return self.asset.replace("_", "-")

    @property
    def file(self) -> str:
        """Name of the root module that is made of it, without an ending."""
        return f"{self.tenant}-{self.word}"

    @property
    def name(self) -> str:
        """Name of its resources."""
        return self.file if self.naming == BY_SEED else f"{self.file}-{self.environment}"

    @property
    def label(self) -> str:
        """Name of its resources within the root module."""
        return self.asset.replace("-", "_")


class Reader:
    """Reads jobs below one folder; an asset that many jobs name is read once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._place = root.resolve()
        self._others: dict[tuple[str, str], _Other | str] = {}  # by kind and path; or why there is none

    def read(self, path: Path, flags: Flags = Flags()) -> JobFile:
        """A job. Raises JobFileError with every mistake."""
        try:
            return self._read(path, flags)
        except CheckedYamlError as error:
            raise JobFileError(error.mistakes) from error

    def _read(self, path: Path, flags: Flags) -> JobFile:
        source = _Source(path, "job file")
        root = source.root
        tenant, environment = source.name(root, "tenant_id"), source.name(root, "environment")
        shape = root.inner("infrastructure", required=False)
        free, labels = _tag_fields(source, shape)
        asset = self._named(ASSET, root, "asset_path", required=True)
        connector = self._named(CONNECTOR, root, "source_connector_path")
        self._named(CONNECTOR, root, "target_connector_path")
        target, runtime, warnings = _runtime(source, shape, flags)
        root.end()
        root.mistakes.raise_if_any()
        assert asset is not None
        if connector is not None:
            connector.raise_if_any()
        asset.raise_if_any()
        sources = {JOB: source.entries, ASSET: asset.entries, CONNECTOR: connector.entries if connector else {}}
        workspace = source.entries.get("infrastructure.metadata.terraform_workspace")
        job = JobFile(
            path=str(path),
            tenant=tenant,
            environment=environment,
            asset=str(asset.entries["name"].value),
            tags=merge(sources, free),
            target=target,
            runtime=runtime,
            labels=[Tag(key, entry) for key, entry in labels],
            workspace=str(workspace.value) if workspace else None,
            naming=shape.value("naming") or BY_ENVIRONMENT,
            key_style=shape.value("key_style") or UNDERSCORE,
            warnings=tuple(warnings),
        )
        if target is not None and len(job.name) > target.names:
            why = f"{target.type} takes names of {target.names} characters, not {len(job.name)}: {job.name}"
            root.wrong("asset_path", why)
            root.mistakes.raise_if_any()
        return job

    def _named(self, kind: str, root: Mapping, name: str, *, required: bool = False) -> "_Other | None":
        """The file that a job names, which lies below the root folder."""
        if name not in root and not required:
            root.value(name)
            return None
        text = root.take(name, checks.text)
        if text is None:
            return None
        if (kind, text) not in self._others:
            self._others[kind, text] = self._other(kind, text)
        other = self._others[kind, text]
        if isinstance(other, str):
            root.wrong(name, other)
            return None
        return other

    def _other(self, kind: str, text: str) -> "_Other | str":
        """The file of a path below the root folder, or why there is none."""
        if "\0" in text or Path(text).is_absolute():
            return "want the path of a file, relative to --root"
        path = self._root / text
        place = os.path.realpath(path)  # which a loop of links does not stop
        if not Path(place).is_relative_to(self._place):
            return "leaves the folder of --root; name a file below it"
        if not os.path.isfile(place):  # noqa: PTH113  # Path's own raises an error for a name that is too long
            return f"no such file below {self._root}; write the {kind}, or correct the path"
        return _Other(kind, path)


class _Source:
    """A file whose values become tags: what was written, by the dotted name of its place."""

    def __init__(self, path: Path, what: str) -> None:
        self.path = path
        self.root = Mapping(document.read(path, GUIDE), "", Mistakes(path, GUIDE, what))
        self.entries: dict[str, Written] = {}
        self._file = str(path)

    def take(self, mapping: Mapping, place: str) -> None:
        """Note a tag's value, if it is there and good."""
        name = place.rpartition(".")[2]
        if name not in mapping:
            mapping.value(name)
            return
        node = mapping.nodes[name]
        why = _CHECKS.get(name, _text)(node) if isinstance(node, yaml.ScalarNode) or name in _LISTS else _NO_TEXT
        if why is None and isinstance(node, yaml.SequenceNode):
            why = _list(node)
        if why:
            mapping.wrong(name, why)
            return
        mapping.value(name)
        self.entries[place] = self._written(node, place)

    def name(self, mapping: Mapping, name: str) -> str:
        """A word that becomes a part of names."""
        check = _form(_NAME, "lower case letters, digits and single hyphens, a letter first, as acme")
        if mapping.take(name, check) is None:
            return ""
        self.entries[name] = self._written(mapping.nodes[name], name)
        return str(self.entries[name].value)

    def free(self, metadata: Mapping, name: str) -> list[tuple[str, Written]]:
        """Tags or labels that a job writes by their own keys."""
        mapping = metadata.inner(name, required=False)
        rows = []
        for key in mapping:
            mapping.value(key)
            node = mapping.nodes[key]
            why = _text(node) if isinstance(node, yaml.ScalarNode) else _NO_TEXT
            if why:
                mapping.wrong(key, why)
            else:
                rows.append((key, self._written(node, f"infrastructure.metadata.{name}.{key}")))
        return rows

    def _written(self, node: yaml.Node, place: str) -> Written:
        is_list = isinstance(node, yaml.SequenceNode)
        value = tuple(str(one.value) for one in node.value) if is_list else _as_written(node)
        line = node.start_mark.line + 1
        return Written(value, Origin(self._file, line, place), document.line(node).endswith(PUBLIC_MARK))


class _Other(_Source):
    """An asset or a connector."""

    def __init__(self, kind: str, path: Path) -> None:
        super().__init__(path, kind)
        root = self.root
        if kind == ASSET:
            root.take("name", _form(_ASSET_NAME, "lower case letters, digits and '_', a letter first, as soil_samples"))
            root.value("version")
            for name in ("name", "version"):
                self.take(root, name)
            if "version" not in root:
                root.take("version", anything)  # which says that it is missing
        finops = root.inner("finops", required=False)
        for name in _FINOPS:
            self.take(finops, f"finops.{name}")
        compliance = root.inner("compliance", required=False)
        for name in ("classification", "regulations", "retention_days"):
            self.take(compliance, f"compliance.{name}")
        security = compliance.inner("security", required=False)
        for name in ("encryption_required", "access_control"):
            self.take(security, f"compliance.security.{name}")
        self.take(root.inner("team", required=False), "team.owner")
        for name in ("domain", "dataProduct"):
            self.take(root, name)

    def raise_if_any(self) -> None:
        """Raise CheckedYamlError with every mistake."""
        self.root.mistakes.raise_if_any()


def _tag_fields(source: _Source, shape: Mapping) -> tuple[list[tuple[str, Written]], list[tuple[str, Written]]]:
    """What a job says of its tags; gives those that it writes by their own keys, and its labels."""
    root = source.root
    metadata = shape.inner("metadata", required=False)
    for name in ("terraform_workspace", "cost_center", "environment"):
        source.take(metadata, f"infrastructure.metadata.{name}")
    free, labels = source.free(metadata, "tags"), source.free(metadata, "labels")
    metadata.end()
    shape.take("naming", one_of((BY_ENVIRONMENT, BY_SEED)), BY_ENVIRONMENT)
    shape.take("key_style", one_of((UNDERSCORE, HYPHEN)), UNDERSCORE)
    finops = root.inner("finops", required=False)
    for name in _FINOPS:
        source.take(finops, f"finops.{name}")
    finops.end()
    overrides = root.inner("governance_overrides", required=False)
    for name in ("owner", "domain", "data_product", "retention_days"):
        source.take(overrides, f"governance_overrides.{name}")
    overrides.end()
    source.take(root, "classification_overrides")
    return free, labels


def _runtime(source: _Source, shape: Mapping, flags: Flags) -> tuple[Target | None, dict[str, Any], list[str]]:
    """The target that YAML and flags agree on, and what it is given."""
    runtime = shape.inner("runtime", required="infrastructure" in source.root)
    if "infrastructure" not in source.root:
        why = f"{source.path}: no infrastructure block, so there is nothing to generate; {GUIDE} has one"
        return None, {}, [why]
    shape.end()
    if "runtime" not in shape:
        return None, {}, []
    target = _target(runtime, flags)
    if target is None:
        return None, {}, []
    values = {name: _field(runtime, name, one.check, one.default) for name, one in target.fields.items()}
    runtime.end("type")
    if runtime.good() and (trouble := target.together(values)):
        runtime.wrong(*trouble)
    _hold_together(runtime, values)
    return target, values, _warnings(source, runtime, target, values)


def _field(runtime: Mapping, name: str, check: Check, default: Any) -> Any:
    return runtime.take(name, check) if default is ... else runtime.take(name, check, default)


def _hold_together(runtime: Mapping, values: Table[str, Any]) -> None:
    if values.get("kind") == SERVICE and values.get("schedule"):
        runtime.wrong("schedule", "a service runs always; leave the schedule out, or write kind: job")
    if "timezone" in runtime and not values.get("schedule"):
        runtime.wrong("timezone", "is of a schedule, and there is none")


def _warnings(source: _Source, runtime: Mapping, target: Target, values: Table[str, Any]) -> list[str]:
    warnings = []
    image = values.get("image_uri")
    if image and not is_pinned(image):
        place = f"{source.path}:{runtime.nodes['image_uri'].start_mark.line + 1}"
        warnings.append(f"{place}: {image} is a tag, which others may move; a digest (@sha256:...) stays what it is")
    if target is FARGATE and "timeout" in runtime:
        place = f"{source.path}:{runtime.nodes['timeout'].start_mark.line + 1}"
        warnings.append(f"{place}: Fargate ends no task by time; the job itself has to")
    return warnings


def _target(runtime: Mapping, flags: Flags) -> Target | None:
    """What `type` names, else what the flags name, else Fargate."""
    by_flags = _by_flags(flags)
    if "type" not in runtime:
        runtime.value("type")
        if by_flags is None and flags.cloud is not None:
            raise JobFileError([f"--cloud {flags.cloud}: give --resource-type, or runtime.type in the job file"])
        return by_flags or FARGATE
    name = runtime.take("type", one_of(tuple(TARGETS)))
    if name is None:
        return None
    target = TARGETS[name]
    if flags.cloud in {None, target.cloud} and flags.resource_type in {None, target.resource_type}:
        return target
    other = f"type: {by_flags.type}" if by_flags else f"a type of {flags.cloud}"
    options = f"--cloud {target.cloud} --resource-type {target.resource_type}"
    runtime.wrong("type", f"the command line says otherwise; give {options}, or write {other} in another file")
    return None


def _by_flags(flags: Flags) -> Target | None:
    if flags.cloud is None and flags.resource_type is None:
        return None
    if flags.resource_type is None:
        return FARGATE if flags.cloud == AWS else None
    target = RESOURCE_TYPES[flags.resource_type]
    if flags.cloud not in {None, target.cloud}:
        raise JobFileError(
            [f"--resource-type {flags.resource_type} is of {target.cloud}, not of --cloud {flags.cloud}"]
        )
    return target


_NO_TEXT = "want one text"
_WRITTEN_AS_IT_IS = {"str", "int", "float", "timestamp"}  # kinds of YAML


def _form(pattern: re.Pattern[str], want: str) -> Check:
    def check(value: Any) -> str | None:
        is_good = isinstance(value, str) and len(value) <= _MOST_NAME and pattern.fullmatch(value)
        return None if is_good else f"want {want}"

    return check


def _as_written(node: yaml.Node) -> str:
    text = str(node.value)
    return text.lower() if str(node.tag).endswith(":bool") else text


def _text(node: yaml.Node) -> str | None:
    """A text or a number, as it stands there: `1.0` is a version, and no number."""
    kind = str(node.tag).rpartition(":")[2]
    if kind not in _WRITTEN_AS_IT_IS or not str(node.value).strip():
        return "want a text; put it in quotes"
    return "want one line of text" if "\n" in node.value else None


def _list(node: yaml.SequenceNode) -> str | None:
    if not node.value:
        return "an empty list; leave it out, or write what is in it"
    return next((why for one in node.value if (why := _list_entry(one))), None)


def _list_entry(node: yaml.Node) -> str | None:
    return _text(node) if isinstance(node, yaml.ScalarNode) else "want a list of texts"


def _text_or_list(node: yaml.Node) -> str | None:
    if isinstance(node, yaml.SequenceNode):
        return _list(node)
    return _text(node) if isinstance(node, yaml.ScalarNode) else "want a text, or a list of texts"


def _boolean(node: yaml.Node) -> str | None:
    return None if str(node.value).lower() in {"true", "false"} else "want true or false"


def _days(node: yaml.Node) -> str | None:
    is_whole = str(node.value).isascii() and str(node.value).isdigit() and not str(node.value).startswith("0")
    return whole_number(1, 36_500)(int(node.value) if is_whole and len(node.value) < 10 else None)


_CHECKS: dict[str, Any] = {
    **dict.fromkeys(_LISTS, _text_or_list),
    "retention_days": _days,
    "encryption_required": _boolean,
}
