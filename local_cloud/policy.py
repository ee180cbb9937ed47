"""AWS IoT policies as IoT Core judges them: default deny, an explicit deny wins.

The documents are the ones that Terraform attaches; nothing here knows a topic. `*` and `?` match any characters, `/`
included; MQTT's `+` and `#` are plain characters, which is why a filter is judged as the text that was asked for.
"""

import functools
import json
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from local_cloud.errors import PolicyError
from protocol import farms

Document = Mapping[str, Any]

# What the gate judges: action -> kind of resource.
KINDS = {
    "iot:Connect": "client",
    "iot:Publish": "topic",
    "iot:RetainPublish": "topic",
    "iot:Receive": "topic",
    "iot:Subscribe": "topicfilter",
}
# Allowed in a document too, but about services that are not here.
_ELSEWHERE = (
    "iot:AssumeRoleWithCertificate",
    "iot:DeleteThingShadow",
    "iot:DescribeJobExecution",
    "iot:GetPendingJobExecutions",
    "iot:GetRetainedMessage",
    "iot:GetThingShadow",
    "iot:ListNamedShadowsForThing",
    "iot:ListRetainedMessages",
    "iot:StartNextPendingJobExecution",
    "iot:UpdateJobExecution",
    "iot:UpdateThingShadow",
)
_VERSIONS = ("2008-10-17", "2012-10-17")
_DOCUMENT_KEYS = {"Version", "Id", "Statement"}
_STATEMENT_KEYS = {"Sid", "Effect", "Action", "Resource"}
_ESCAPES = {"*": "*", "?": "?", "$": "$"}  # ${*} is a plain star, as in IAM
_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_OF_OLD = re.compile(r"%\{ if old \}(.*?)%\{ endif \}", re.DOTALL)
_IN_TEMPLATE = re.compile(r"\$\$\{|\$\{\s*(\w+)\s*\}|\$\{|%\{")


class Policy:
    """What the documents attached to one certificate allow to one thing.

    `scope` is the beginning of every ARN that counts, as `arn:aws:iot:us-east-1:123456789012`.
    Raises PolicyError for a document that is malformed, or that uses what is not understood here.
    """

    def __init__(self, documents: Iterable[Document], thing: str, scope: str) -> None:
        values = {"iot:Connection.Thing.ThingName": thing, "iot:ClientId": thing, **_ESCAPES}
        self._scope = scope
        self._rules = [_rule(statement, values) for document in documents for statement in _statements(document)]
        self.allows = lru_cache(maxsize=4096)(self._allows)

    def _allows(self, action: str, name: str) -> bool:
        """True if `action` (a key of KINDS) on the topic, filter or client id `name` is allowed."""
        resource = f"{self._scope}:{KINDS[action]}/{name}"
        effects = {
            effect
            for effect, actions, resources in self._rules
            if any(a.fullmatch(action) for a in actions) and any(r.fullmatch(resource) for r in resources)
        }
        return effects == {"Allow"}


def render(path: Path, region: str, account: str, farm: str = farms.DEFAULT) -> dict[str, Any]:
    """Read a policy template for a farm as Terraform's `templatefile` does. Raises PolicyError, FarmError.

    Topics of older firmware, which `%{ if old }` is about, has the default farm alone.
    """
    values = {"region": region, "account": account, "root": farms.root(farm)}
    try:
        text = _OF_OLD.sub(r"\1" if farm == farms.DEFAULT else "", path.read_text(encoding="utf-8"))
        document = json.loads(_IN_TEMPLATE.sub(lambda match: _filled(match, values), text))
    except (OSError, ValueError) as error:
        raise PolicyError(f"{path}: {error}") from error
    except PolicyError as error:
        raise PolicyError(f"{path}: {error}") from error
    if not isinstance(document, dict):
        raise PolicyError(f"{path}: want a JSON object")
    return document


def _filled(match: re.Match[str], values: Mapping[str, str]) -> str:
    if match[0] == "$${":
        return "${"
    if match[1] not in values:
        raise PolicyError(f"{match[0]!r} is not understood; known: {', '.join(values)}")
    return values[match[1]]


def _statements(document: Document) -> list[Any]:
    if not isinstance(document, Mapping) or not document.keys() <= _DOCUMENT_KEYS:
        raise PolicyError(f"a policy is an object of {', '.join(sorted(_DOCUMENT_KEYS))}")
    if document.get("Version") not in _VERSIONS:
        raise PolicyError(f"Version: want {_VERSIONS[-1]}, got {document.get('Version')!r}")
    statements = document.get("Statement")
    rows = [statements] if isinstance(statements, Mapping) else statements
    if not isinstance(rows, list) or not rows:
        raise PolicyError("Statement: want a statement or more")
    return rows


_Rule = tuple[str, list[re.Pattern[str]], list[re.Pattern[str]]]


def _rule(statement: Any, values: Mapping[str, str]) -> _Rule:
    if not isinstance(statement, Mapping) or not statement.keys() <= _STATEMENT_KEYS:
        raise PolicyError(f"a statement is an object of {', '.join(sorted(_STATEMENT_KEYS))}; got {statement!r}")
    effect = statement.get("Effect")
    if effect not in ("Allow", "Deny"):
        raise PolicyError(f"Effect: want Allow or Deny, got {effect!r}")
    actions = [_action(text) for text in _texts(statement, "Action")]
    resources = [_resource(text, values) for text in _texts(statement, "Resource")]
    return effect, actions, resources


def _texts(statement: Mapping[str, Any], key: str) -> list[str]:
    value = statement.get(key)
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise PolicyError(f"{key}: want a text, or a list of texts")
    return texts


def _action(text: str) -> re.Pattern[str]:
    pattern = _pattern(text)
    if not any(pattern.fullmatch(action) for action in (*KINDS, *_ELSEWHERE)):
        raise PolicyError(f"Action: {text!r} is no action of AWS IoT")  # a misspelt deny would deny nothing
    return pattern


def _resource(text: str, values: Mapping[str, str]) -> re.Pattern[str]:
    if text != "*" and len(text.split(":", 5)) != 6:
        raise PolicyError(f"Resource: {text!r} is no ARN")
    parts = _VARIABLE.split(text)  # text, name, text, name, ..., text
    if any("${" in part for part in parts[::2]):
        raise PolicyError(f"Resource: {text!r} has an unfinished variable")
    unknown = [name for name in parts[1::2] if name not in values]
    if unknown:
        raise PolicyError(f"Resource: unknown variable {unknown[0]!r} in {text!r}")
    # A value is escaped: a star in a thing's name must never become a wildcard.
    pieces = [re.escape(values[part]) if index % 2 else _pattern(part).pattern for index, part in enumerate(parts)]
    return re.compile("".join(pieces), re.DOTALL)


@functools.lru_cache(maxsize=1024)  # every thing's policy is made of the same pieces
def _pattern(text: str) -> re.Pattern[str]:
    wildcards = {"*": ".*", "?": "."}
    return re.compile("".join(wildcards.get(character) or re.escape(character) for character in text), re.DOTALL)
