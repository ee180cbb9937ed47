"""A root module in Terraform's JSON syntax, from the same tree as the native one."""

import json
from typing import Any

from provisioning.job_files import hcl
from provisioning.job_files.tree import Encoded, Expression, Keyword, Root, TerraformBlock

_RETURN = '${"\\r"}'


def quoted(value: str) -> str:
    """A text that Terraform reads back as it is, once JSON's own quotes are off."""
    harmless = hcl.without_templates(value)
    # A carriage return as such makes Terraform read the templates of its text as they are written.
    return harmless.replace("\r", _RETURN) if '${"' in harmless else harmless


def text(root: Root) -> str:
    """The file's text."""
    document: dict[str, Any] = {"//": "\n".join(root.header)} if root.header else {}
    for block in root.blocks:
        _put(document, block)
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _put(document: dict[str, Any], block: TerraformBlock) -> None:
    """A block's place: under its kind and its labels; a second one of that name makes a list of them."""
    *way, name = [block.kind, *block.labels]
    for step in way:
        document = document.setdefault(step, {})
    body = _body(block)
    if name not in document:
        document[name] = body
    elif isinstance(document[name], list):
        document[name].append(body)
    else:
        document[name] = [document[name], body]


def _body(block: TerraformBlock) -> dict[str, Any]:
    body = {name: _value(value) for name, value in block.arguments.items()}
    for one in block.blocks:
        _put(body, one)
    return body


def _value(value: Any) -> Any:
    if isinstance(value, Keyword):
        return str(value)
    if isinstance(value, Expression | Encoded):
        return f"${{{hcl.one_line(value)}}}"
    if isinstance(value, dict):
        return {quoted(name): _value(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_value(one) for one in value]
    return quoted(value) if isinstance(value, str) else value
