"""JSON in one reading for board, service and lake: what one of them refuses, all do.

The standard's grammar (RFC 8259) without its choices: a name once in an object, no number that readers take for
different ones (RFC 7493), no half of a character, and a depth that a board has room for. MicroPython's reader takes
much that is no JSON, so there the text is scanned before it is read; CPython's own reader is as strict, and quicker.
"""

import json
import sys

MOST_DEPTH = 20
MOST_INT = 2**53  # beyond, a reader with floats alone has others
MOST_FLOAT = 1e38  # beyond, a board's 32 bits have none
MOST_DIGITS = 64
_SPACE = b" \t\n\r"
_DIGITS = b"0123456789"


def loads(data):
    """The value that a JSON text, in UTF-8, stands for. Raises ValueError for any other, whatever it is."""
    text = bytes(data).decode()
    if _LENIENT or "\\u" in text or text.count("[") + text.count("{") > MOST_DEPTH:
        scan(data)
    return json.loads(_joined(text)) if _LENIENT else json.loads(text, **_STRICT)


def _joined(text):
    """The same JSON with whole characters in place of escaped halves, of which MicroPython's reader makes two."""
    parts, begin, at = [], 0, text.find("\\")
    while at != -1:
        end = at + 2
        if text[at + 1] == "u" and int(text[end : at + 6], 16) >> 10 == 54:
            high, low = int(text[end : at + 6], 16), int(text[at + 8 : at + 12], 16)
            parts += [text[begin:at], chr(65536 + ((high & 1023) << 10) + (low & 1023))]
            begin = end = at + 12
        at = text.find("\\", end)
    return "".join(parts) + text[begin:] if parts else text  # no copy: a board reads its configuration through here


def scan(data):
    """Hold a text against the grammar, byte by byte; raises ValueError."""
    data = bytes(data) + b"\0"  # no token goes on through it
    at = _space(data, _value(data, 0, 0))
    if at != len(data) - 1:
        _fail(at)


def _fail(at):
    raise ValueError("no JSON that all read alike, at byte %d" % at)


def _space(data, at):
    while data[at] in _SPACE:
        at += 1
    return at


def _value(data, at, depth):
    at = _space(data, at)
    mark = data[at]
    if mark == 34:
        return _string(data, at)
    if mark in b"{[":
        return _inside(data, at, depth + 1)
    for word in (b"true", b"false", b"null"):
        if data[at : at + len(word)] == word:
            return at + len(word)
    return _number(data, at)


def _inside(data, at, depth):
    """An object or a list: its bracket's partner is two codes on."""
    names = set() if data[at] == 123 else None
    close = data[at] + 2
    at = _space(data, at + 1)
    if depth > MOST_DEPTH:
        _fail(at)
    if data[at] == close:
        return at + 1
    while True:
        if names is not None:
            begin = _space(data, at)
            at = _string(data, begin)
            name = json.loads(_joined(data[begin:at].decode()))
            if name in names:
                _fail(begin)
            names.add(name)
            at = _space(data, at)
            if data[at] != 58:
                _fail(at)
            at += 1
        at = _space(data, _value(data, at, depth))
        if data[at] == close:
            return at + 1
        if data[at] != 44:
            _fail(at)
        at += 1


def _string(data, at):
    if data[at] != 34:
        _fail(at)
    at += 1
    while data[at] != 34:
        code = data[at]
        if code < 32:
            _fail(at)
        at = _escape(data, at + 1) if code == 92 else at + 1 if code < 128 else _wide(data, at)
    return at + 1


def _escape(data, at):
    if data[at] not in b'"\\/bfnrtu':
        _fail(at)
    if data[at] != 117:
        return at + 1
    code = _hex(data, at + 1)
    if code >> 11 != 27:
        return at + 5
    if code >> 10 != 54 or data[at + 5 : at + 7] != b"\\u" or _hex(data, at + 7) >> 10 != 55:
        _fail(at)  # half of a character
    return at + 11


def _hex(data, at):
    digits = data[at : at + 4]
    for digit in digits:
        if digit not in b"0123456789abcdefABCDEF":
            _fail(at)
    return int(digits.decode(), 16)


def _wide(data, at):
    """A character of two to four bytes, in the shortest way, and no half of one (RFC 3629)."""
    code, second = data[at], data[at + 1]
    more = 1 if code < 224 else 2 if code < 240 else 3
    least = {224: 160, 240: 144}.get(code, 128)
    most = {237: 159, 244: 143}.get(code, 191)
    if not 194 <= code <= 244 or not least <= second <= most:
        _fail(at)
    for other in data[at + 2 : at + 1 + more]:
        if other >> 6 != 2:
            _fail(at)
    return at + 1 + more


def _number(data, at):
    begin = at
    if data[at] == 45:
        at += 1
    whole = at
    at = _digits(data, at)
    if data[whole] == 48 and at > whole + 1:
        _fail(begin)
    is_int = True
    if data[at] == 46:
        at, is_int = _digits(data, at + 1), False
    if data[at] in b"eE":
        at, is_int = _digits(data, at + 2 if data[at + 1] in b"+-" else at + 1), False
    (_int if is_int else _float)(data[begin:at].decode())
    return at


def _digits(data, at):
    begin = at
    while data[at] in _DIGITS:
        at += 1
    if at == begin:
        _fail(at)
    return at


def _int(text):
    number = int(text[:MOST_DIGITS])  # what is longer is too much even so
    if not -MOST_INT <= number <= MOST_INT:
        _differs(text)
    return number


def _float(text):
    number = float(text)
    if len(text) > MOST_DIGITS or not -MOST_FLOAT < number < MOST_FLOAT:
        _differs(text)
    return number


def _differs(text):
    raise ValueError("a number that readers take for different ones: %s" % text[:MOST_DIGITS])


def _no_number(text):
    raise ValueError("%s is no number" % text)


def _object(pairs):
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return value


_LENIENT = sys.implementation.name == "micropython"
_STRICT = {"object_pairs_hook": _object, "parse_int": _int, "parse_float": _float, "parse_constant": _no_number}
