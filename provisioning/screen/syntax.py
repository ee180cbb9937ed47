"""HCL to the screen's own tree, by python-hcl2's grammar, and only where Terraform surely reads the same.

The grammar is wider than Terraform's in places, so that a text could be one thing here and another there: an escaped
`$${` swallows what follows up to the next brace, a heredoc ends later, `\\"` opens a text. What could be such a
place is refused, whatever it holds.
"""

import re
from collections.abc import Callable, Iterator

from hcl2.api import parses_to_tree
from lark import Token, Tree
from lark.exceptions import LarkError

from provisioning.screen.errors import UnreadableError
from provisioning.screen.template import template
from provisioning.screen.tree import Block, Body, Expr

Node = Tree[Token] | Token
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff]|\r(?!\n)")
_TOO_MANY = re.compile(r"([$%])\1{2,}\{")
_ESCAPED = re.compile(r"(?:\$\$|%%)\{(?:[^\"\\\n$%]|\\.|[$%](?!\{))*")
_HEREDOC = re.compile(r"<<-?([A-Za-z][A-Za-z0-9._-]*)\r?\n(.*)", re.DOTALL)


def read(raw: bytes) -> Body:
    """The body of a .tf file. Raises UnreadableError."""
    return _body(_grammar(source(raw)))


def source(raw: bytes) -> str:
    """The text of a file. Raises UnreadableError for what editors do not write, and readers may take differently."""
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise UnreadableError("not UTF-8", raw.count(b"\n", 0, error.start) + 1) from error
    for bad, why in (
        (_CONTROL, "a control character or byte order mark"),
        (_TOO_MANY, "three or more $ or % before {"),
    ):
        match = bad.search(text)
        if match:
            raise UnreadableError(why, text.count("\n", 0, match.start()) + 1)
    return text


def expression(text: str, line: int) -> Expr:
    """One expression, as it stands between ${ and }. Raises UnreadableError."""
    body = _body(_grammar(f"x = ({text}\n)"), line - 1)
    if set(body.attributes) != {"x"} or body.blocks:
        raise UnreadableError("no single expression within ${...}", line)
    return body.attributes["x"]


def comments(raw: bytes) -> Iterator[str]:
    """Every comment of a .tf file."""
    for token in _grammar(source(raw)).scan_values(lambda value: isinstance(value, Token)):
        if token.type == "NL_OR_COMMENT":
            yield str(token)


def _grammar(text: str) -> Tree[Token]:
    try:
        return parses_to_tree(text)
    except LarkError as error:
        line = getattr(error, "line", 1)
        raise UnreadableError(f"not HCL as it is known here, {_brief(error)}", line if line > 0 else 1) from error


def _brief(error: LarkError) -> str:
    return str(error).splitlines()[0][:100]


def _inner(tree: Tree[Token]) -> list[Node]:
    """Children that mean something."""
    return [
        child
        for child in tree.children
        if child is not None and not (isinstance(child, Tree) and child.data == "new_line_or_comment")
    ]


def _trees(tree: Tree[Token]) -> list[Tree[Token]]:
    return [child for child in _inner(tree) if isinstance(child, Tree)]


def _body(tree: Tree[Token], shift: int = 0) -> Body:
    """`start` or `body`; `shift` is added to its lines."""
    if tree.data == "start":
        return _body(_trees(tree)[0], shift)
    body = Body()
    for child in _trees(tree):
        line = child.meta.line + shift
        if child.data == "block":
            body.blocks.append(_block(child, line, shift))
            continue
        name, value = _trees(child)
        key = _word(name)
        if key in body.attributes:
            raise UnreadableError(f"{key} is written twice", line)
        body.attributes[key] = _expr(value, shift)
    return body


def _block(tree: Tree[Token], line: int, shift: int) -> Block:
    *heads, body = _trees(tree)
    labels = [_label(head, line) for head in heads]
    return Block(labels[0], tuple(labels[1:]), line, _body(body, shift))


def _label(tree: Tree[Token], line: int) -> str:
    if tree.data != "string":
        return _word(tree)
    text = "".join(str(token) for token in tree.scan_values(lambda value: isinstance(value, Token)))
    label = unquoted(text)
    if not NAME.fullmatch(label):
        raise UnreadableError(f"the label {text[:60]} is no plain name, of ASCII letters, digits, - and _", line)
    return label


def unquoted(text: str) -> str:
    """A label as Terraform means it: since its version 8 the grammar leaves the quotation marks in."""
    return text[1:-1]


def _word(tree: Tree[Token]) -> str:
    return str(tree.children[0])


def _expr(node: Node, shift: int) -> Expr:
    if isinstance(node, Token):
        raise UnreadableError("an expression that is not known here", (node.line or 1) + shift)
    line = node.meta.line + shift
    how = _EXPRESSIONS.get(str(node.data))
    if how is None:
        raise UnreadableError("an expression that is not known here", line)
    return how(node, line, shift)


def _parts(tree: Tree[Token], shift: int) -> tuple[Expr, ...]:
    return tuple(_expr(child, shift) for child in _trees(tree))


def _only(tree: Tree[Token], _line: int, shift: int) -> Expr:
    [child] = _trees(tree)
    return _expr(child, shift)


def _as(kind: str) -> "Reader":
    return lambda tree, line, _shift: Expr(kind, line, _word(tree))


def _of(kind: str) -> "Reader":
    return lambda tree, line, shift: Expr(kind, line, "", _parts(tree, shift))


def _string(tree: Tree[Token], line: int, shift: int) -> Expr:
    parts = [_string_part(child.children[0], line, shift) for child in _trees(tree)]
    loops = [inner for loop in tree.find_data("template_for_start") for inner in _trees(loop)]
    names = " ".join(_word(name) for name in loops if name.data == "identifier")
    pieces = [part for part in parts if part]
    if all(part.kind == "text" for part in pieces):
        return Expr("text", line, "".join(part.text for part in pieces))
    return Expr("template", line, names, tuple(pieces))


def _string_part(node: Node, line: int, shift: int) -> Expr | None:
    if isinstance(node, Tree):
        if node.data == "interpolation":
            return _only(node, line, shift)
        trees = [child for child in _trees(node) if child.data != "identifier"]
        return _expr(trees[0], shift) if trees else None
    if node.type.startswith("ESCAPED") and not _ESCAPED.fullmatch(str(node).removesuffix("}")):
        raise UnreadableError("$${ or %%{ with a quotation mark or an expression behind it", line)
    if "\n" in str(node):
        raise UnreadableError("a text over several lines", line)
    return Expr("text", line, str(node))


def _heredoc(tree: Tree[Token], line: int, _shift: int) -> Expr:
    match = _HEREDOC.fullmatch(_word(tree))
    if not match:
        raise UnreadableError("a heredoc that cannot be read", line)
    *lines, end = match[2].rstrip("\r\n").split("\n")
    if end.strip(" \t") != match[1] or any(text.strip() == match[1] for text in lines):
        raise UnreadableError("a heredoc whose end is not sure", line)
    return template("\n".join(lines), line + 1, expression)


def _call(tree: Tree[Token], line: int, shift: int) -> Expr:
    names = [_word(child) for child in _trees(tree) if child.data == "identifier"]
    arguments = next((child for child in _trees(tree) if child.data == "arguments"), None)
    parts = _parts(arguments, shift) if arguments else ()
    if arguments and any(isinstance(child, Token) and child.type == "ELLIPSIS" for child in arguments.children):
        parts = (*parts[:-1], Expr("spread", line, "", parts[-1:]))
    return Expr("call", line, "::".join(names), parts)


def _attr(tree: Tree[Token], line: int, shift: int) -> Expr:
    base, get = _trees(tree)
    return Expr("attr", line, _word(_trees(get)[0]), (_expr(base, shift),))


def _index(tree: Tree[Token], line: int, shift: int) -> Expr:
    base, key = _trees(tree)
    return Expr("index", line, "", (_expr(base, shift), *(_parts(key, shift) if key.data == "braces_index" else ())))


def _splat(tree: Tree[Token], line: int, shift: int) -> Expr:
    base, rest = _trees(tree)
    keys = [_expr(part, shift) for index in rest.find_data("braces_index") for part in _trees(index)]
    return Expr("splat", line, "", (_expr(base, shift), *keys))


def _object(tree: Tree[Token], line: int, shift: int) -> Expr:
    parts: list[Expr] = []
    for element in _trees(tree):
        key, value = _trees(element)
        parts += [_key(key, shift), _expr(value, shift)]
    return Expr("object", line, "", tuple(parts))


def _key(tree: Tree[Token], shift: int) -> Expr:
    [inner] = _trees(tree)
    if inner.data == "keyword":
        return Expr("text", inner.meta.line + shift, _word(inner))
    expr = _expr(inner, shift)
    is_bare = expr.kind == "name" and not any(isinstance(child, Token) for child in inner.children)
    return Expr("text", expr.line, expr.text) if is_bare else expr


def _for(tree: Tree[Token], line: int, shift: int) -> Expr:
    intro, *rest = _trees(tree)
    *names, collection = _trees(intro)
    results = [_only(part, line, shift) if part.data == "for_cond" else _expr(part, shift) for part in rest]
    condition = [Expr("op", line, "if", (results.pop(),))] if rest[-1].data == "for_cond" else []
    words = " ".join(_word(name) for name in names)
    return Expr("for", line, words, (_expr(collection, shift), *results, *condition))


def _binary(tree: Tree[Token], line: int, shift: int) -> Expr:
    first, term = _trees(tree)
    operator, second = _trees(term)
    return Expr("op", line, _word(operator), (_expr(first, shift), _expr(second, shift)))


def _unary(tree: Tree[Token], line: int, shift: int) -> Expr:
    return Expr("op", line, str(tree.children[0]), _parts(tree, shift))


Reader = Callable[[Tree[Token], int, int], Expr]
_EXPRESSIONS: dict[str, Reader] = {
    "expr_term": _only,
    "identifier": _as("name"),
    "int_lit": _as("number"),
    "float_lit": _as("number"),
    "literal_value": _as("word"),
    "string": _string,
    "tuple": _of("list"),
    "object": _object,
    "function_call": _call,
    "heredoc_template": _heredoc,
    "heredoc_template_trim": _heredoc,
    "get_attr_expr_term": _attr,
    "index_expr_term": _index,
    "attr_splat_expr_term": _splat,
    "full_splat_expr_term": _splat,
    "for_tuple_expr": _for,
    "for_object_expr": _for,
    "conditional": _of("if"),
    "binary_op": _binary,
    "unary_op": _unary,
}
