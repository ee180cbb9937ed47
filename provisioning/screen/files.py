"""Calls of functions that open files, and the paths that they get."""

import re
from collections.abc import Iterator
from pathlib import Path

from provisioning.screen import json_syntax, syntax
from provisioning.screen.errors import UnreadableError, UnresolvedError
from provisioning.screen.modules import Names, SourceFile
from provisioning.screen.refusal import Refusal
from provisioning.screen.template import template
from provisioning.screen.tree import Body, Expr
from provisioning.screen.types import FILE_FUNCTIONS, FIXED_NAMES, OWN_TAGS, PROVIDERS, REFUSED_FUNCTIONS
from provisioning.screen.values import ANY_PART, files_like, for_scope, inside, path_texts

MOST_TEMPLATE_BYTES = 1_000_000
_INSIDE = (
    "give a path that is written out, or begins with path.root, path.module or a variable whose value lies in the root"
)
_CALL = re.compile(rf"\b(?:{'|'.join(sorted(FILE_FUNCTIONS | REFUSED_FUNCTIONS.keys()))})\s*\(")

# A line of one text without marks is no code to Terraform, wherever it stands: a text ends on its own line.
_PLAIN_LINE = re.compile(r"^[ \t]*[A-Za-z_][\w-]*[ \t]*=[ \t]*\"[^\"\\$%\r\n]*\"[ \t]*\r?$", re.MULTILINE)


class Calls:
    """The calls in one file of code; counts them, so that a call that the reader missed is found."""

    def __init__(self, root: Path, file: SourceFile) -> None:
        self._root, self._file = root, file
        self._count = 0

    def within(self, expr: Expr, scope: Names) -> Iterator[Refusal]:
        """What stands against an expression and all in it."""
        inner = for_scope(expr, scope) if expr.kind in {"for", "template"} else scope
        for name in FIXED_NAMES & set(expr.text.split() if expr.kind in {"for", "template"} else ()):
            yield self._say(expr.line, f"a loop binds {name}, which means something else", "give the loop another name")
        if expr.kind == "call":
            yield from self._call(expr, scope)
        if expr.kind == "text" and expr.text in OWN_TAGS:
            yield self._say(
                expr.line, f"the tag {expr.text} says whose a thing is, and is the service's", "leave it out"
            )
        for part in expr.parts:
            yield from self.within(part, inner)

    def _call(self, expr: Expr, scope: Names) -> Iterator[Refusal]:
        name = expr.text
        if "::" in name and name.split("::")[:2] not in [["provider", local] for local in PROVIDERS.values()]:
            yield self._say(
                expr.line, f"{name}() is a function of a provider that is not allowed", "use a function of Terraform"
            )
        if name in REFUSED_FUNCTIONS:
            self._count += 1
            yield self._say(expr.line, f"{name}(): {REFUSED_FUNCTIONS[name][0]}", REFUSED_FUNCTIONS[name][1])
        if name not in FILE_FUNCTIONS:
            return
        self._count += 1
        yield from self.path(expr.parts[0] if expr.parts else Expr("word", expr.line), scope, f"{name}()")
        if name == "fileset":
            pattern = expr.parts[1] if len(expr.parts) == 2 else expr
            if pattern.kind != "text" or ".." in pattern.text or "\\" in pattern.text:
                yield self._say(
                    expr.line, "fileset() with a pattern that could lead out", "write the pattern out, without .."
                )
        if name == "templatefile" and expr.parts:
            yield from self._templates(expr.parts[0], scope)

    def path(self, expr: Expr, scope: Names, what: str) -> Iterator[Refusal]:
        """What stands against a path; `what` it is of."""
        try:
            texts = path_texts(expr, scope)
        except (UnresolvedError, UnreadableError) as error:
            yield self._say(expr.line, f"{what}: the path cannot be followed, {error}", _INSIDE)
            return
        for text in texts:
            if text is not None and not inside(self._root, text):
                brief = text.replace("\ue000", "*")[:80]
                yield self._say(expr.line, f"{what}: {brief} lies outside of the root", _INSIDE)

    def credentials(self, body: Body, scope: Names) -> Iterator[Refusal]:
        """What stands against shared_credentials_files: each must lie in the root, where no archive may put one."""
        expr = body.attributes.get("shared_credentials_files")
        for part in _choices(expr) if expr else ():
            yield from self.path(part, scope, "shared_credentials_files")
            try:
                texts = [text for text in path_texts(part, scope) if text]
            except UnresolvedError:
                continue
            if any(ANY_PART in text or (self._root / text).exists() for text in texts):
                yield self._say(
                    part.line,
                    "credentials that are, or may be, in the archive",
                    "leave it out; a job gets those of its farm",
                )

    def _templates(self, expr: Expr, scope: Names) -> Iterator[Refusal]:
        """A template may call functions, too: with paths that are written out, and no further template."""
        try:
            texts = [text for text in path_texts(expr, scope) if text and inside(self._root, text)]
        except UnresolvedError:
            return  # which was told
        for path in (path for text in texts for path in files_like(self._root, text)):
            name = path.relative_to(self._root).as_posix()
            try:
                yield from _of_template(path, name, self._root)
            except UnreadableError as error:
                yield Refusal(
                    name, error.line, f"a template that cannot be read: {error}", "write it as Terraform shows it"
                )

    def unseen(self) -> Iterator[Refusal]:
        """Calls that stand in the file's text and were not met in its tree; in doubt, a call that hides."""
        is_json = self._file.body.is_json
        text = self._file.raw.decode()
        if is_json:
            text = "\n".join(json_syntax.templates(json_syntax.parsed(self._file.raw)))
        count = len(_CALL.findall(text))
        if count > self._count and not is_json:
            text = _PLAIN_LINE.sub("", text)
            for comment in syntax.comments(self._file.raw):
                text = text.replace(comment, "\n", 1)
            count = len(_CALL.findall(text))
        if count > self._count:
            why = f"{count} calls of functions that open files stand in the text, and {self._count} in the code"
            yield self._say(1, why, "write no such call into a text")

    def _say(self, line: int, why: str, remedy: str) -> Refusal:
        return Refusal(self._file.name, line, why, remedy)


def _choices(expr: Expr) -> Iterator[Expr]:
    """The elements of a list, of each branch of a condition."""
    if expr.kind == "if":
        yield from (choice for part in expr.parts[1:] for choice in _choices(part))
    elif expr.kind == "list":
        yield from expr.parts
    else:
        yield expr


def _of_template(path: Path, name: str, root: Path) -> Iterator[Refusal]:
    if path.stat().st_size > MOST_TEMPLATE_BYTES:
        raise UnreadableError(f"more than {MOST_TEMPLATE_BYTES:,} bytes")
    tree = template(syntax.source(path.read_bytes()), 1, syntax.expression)
    for call in _calls(tree):
        argument = call.parts[0] if call.parts else call
        is_plain = argument.kind == "text" and call.text in FILE_FUNCTIONS - {"templatefile", "fileset"}
        if not is_plain or not inside(root, argument.text):
            why = f"{call.text}() in a template, with a path that is not written out within the root"
            yield Refusal(name, call.line, why, "read the file where the template is called, and hand its text in")


def _calls(expr: Expr) -> Iterator[Expr]:
    if expr.kind == "call" and (expr.text in FILE_FUNCTIONS or expr.text in REFUSED_FUNCTIONS or "::" in expr.text):
        yield expr
    for part in expr.parts:
        yield from _calls(part)
