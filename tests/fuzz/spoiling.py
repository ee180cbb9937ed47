"""JSON documents and bytes, spoiled at a random place: wrong values, names, shapes and numbers at every border."""

import copy
import json
import random
import re
from collections.abc import Sequence
from typing import Any

from tests.doors.spoiled import WORDS

DEEP = 60
# What stands for a value: borders of floats, of 53, 63 and 64 bits, of words and texts, words for "missing".
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 7, 100, 0.5, -0.0, 5e-324, 1e-7, -9999, -9999.0, 9999, 1e38, 1e39, 1.7e308),
    *(2**31 - 1, 2**31, 2**53 - 1, 2**53, 2**53 + 1, -(2**53), 2**63 - 1, 2**63, 2**64, 10**18, 10**400),
    *(1420070399, 1420070400, 1750000000, 4102444799, 4102444800, 86400, 86401, 1e9, 1e9 + 1, 1750000000.0),
    *(
        "",
        "x",
        "x" * 64,
        "x" * 65,
        "x" * 400,
        "x" * 401,
        "a.b",
        "a/b",
        "+",
        "#",
        "\0",
        "é",
        "\ud800",
        "\U0001f600",
        "Ωд日本\U0001f600\uffff",
        "NaN",
    ),
    *("irrigation-gateway-1", "irrigation-gateway-10", "irrigation-gateway-1.soil-b", "plot-1a", "all", "open", "mm"),
    *([], {}, [[]], [{}], {"": None}, [None], [0] * 201, {"plot-1a": 1}, {"vwc": 2.5}, {"plot-1a": None}),
)
# What JSON's readers differ in, as text; a value "@@n@@" becomes the nth.
TEXTS = (
    *("NaN", "-Infinity", "Infinity", "1e400", "-1e400", "1e38", "1e39", "9" * 400, "9" * 5000, "0." + "1" * 80, "-0"),
    *(
        "1.0",
        "1e0",
        "10E-1",
        "01",
        "+1",
        ".5",
        "1.",
        "0x10",
        "1_0",
        "-",
        "1e",
        "1e+",
        "9007199254740993",
        "1E+2",
        "0e99",
    ),
    *(
        '"\\ud800"',
        '"\\ud83d\\ude00"',
        '"\\u0076"',
        '"\\x41"',
        '"\\',
        "'a'",
        "True",
        "nul",
        "undefined",
        "",
        ",",
        "1 2",
    ),
    *("[" * DEEP + "]" * DEEP, '{"a":' * DEEP + "1" + "}" * DEEP, "[" * 19 + "]" * 19, "[1,]", '{"a":1,}', "{1:2}"),
    *("// x\n1", "/**/1", '"a\tb"', '"\\u000"', '"\\uD83D"', '"\\ude00\\ud83d"', '"é"', "-1", "1e-320", "0.1e1"),
)
_MARK = re.compile(r'"@@(\d+)@@"')
_TWICE = "@@twice@@"
_LAYOUTS: tuple[dict[str, Any], ...] = (
    *({},) * 6,
    {"separators": (",", ":")},
    {"ensure_ascii": False},
    {"indent": 0},
    {"sort_keys": True},
)
_BYTES = (
    b"",
    b"\0",
    b"\xff",
    b"\\\xff",
    b'"',
    b"\\",
    b"{",
    b"}",
    b"[",
    b",",
    b":",
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",
    b"\\u00",
    b"0",
    b" ",
)


def json_text(draw: random.Random, texts: Sequence[str]) -> bytes:
    """One of these JSON texts with none to three changes, laid out in one of several ways."""
    document = json.loads(draw.choice(texts))
    changes = draw.choice((0, 1, 1, 1, 1, 2, 3))
    for _ in range(changes):
        _change(draw, document, texts)
    text = json.dumps(document, **draw.choice(_LAYOUTS)).replace(_TWICE, "")
    if "@@" in text:
        text = _MARK.sub(lambda match: TEXTS[int(match[1]) % len(TEXTS)], text)
    data = text.encode(errors="surrogatepass")
    return spoiled_bytes(draw, data) if changes and draw.random() < 0.15 else data


def _places(document: Any) -> list[tuple[Any, Any]]:
    """Every entry of every object and list: its container and its key."""
    found, waiting = [], [document]
    while waiting:
        container = waiting.pop()
        for key in container if isinstance(container, dict) else range(len(container)):
            found.append((container, key))
            if isinstance(container[key], dict | list) and container[key]:
                waiting.append(container[key])
    return found


def _change(draw: random.Random, document: Any, texts: Sequence[str]) -> None:
    places = _places(document)
    if not places:
        return
    container, key = draw.choice(places)
    kind = draw.random()
    if kind < 0.25:
        container[key] = _value(draw)
    elif kind < 0.4:
        container[key] = f"@@{draw.randrange(len(TEXTS))}@@"
    elif kind < 0.55:
        container[key] = _near(draw, container[key])
    elif kind < 0.65:
        del container[key]
    elif kind < 0.75:
        other, name = draw.choice(places)
        container[key], other[name] = other[name], container[key]
    elif kind < 0.85:
        donors = _places(json.loads(draw.choice(texts)))
        donor, name = draw.choice(donors)
        container[key] = donor[name]
    else:
        _add(draw, container, key)


def _value(draw: random.Random) -> Any:
    """One of VALUES; a list or an object of its own, that further changes may go into."""
    return copy.deepcopy(draw.choice(VALUES))


def _near(draw: random.Random, value: Any) -> Any:
    """A value not far from another one: what a slip, another unit or a rounding makes of it."""
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float | str)
        or (not isinstance(value, str) and abs(value) > 1e40)
    ):
        return _value(draw)
    if isinstance(value, str):
        at = draw.randrange(len(value) + 1)
        return value[:at] + draw.choice(("", "x", ".", "-", "/", " ", "é", "0", "T")) + value[at + draw.randint(0, 1) :]
    changes = (
        value + 1,
        value - 1,
        -value,
        value * 100,
        value * 1000,
        value / 100,
        float(value),
        str(value),
        value + 1e-9,
    )
    return draw.choice(changes)


def _add(draw: random.Random, container: Any, key: Any) -> None:
    """An entry more: a name twice, a field of another kind, a list's entry again."""
    if isinstance(container, list):
        container.insert(key, copy.deepcopy(container[key]))
    elif draw.random() < 0.5:
        container[_TWICE + key] = draw.choice((copy.deepcopy(container[key]), _value(draw)))
    else:
        names = (
            "novelty",
            "v",
            "gateway_id",
            "zone_id",
            "vwc",
            "samples",
            "client_id",
            "out_of_range",
            "leak_s",
            "é",
            "",
        )
        container[draw.choice(names)] = _value(draw)


def spoiled_bytes(draw: random.Random, data: bytes) -> bytes:
    """Bytes with one or two changed, cut off, put in, doubled, or exchanged for a word that readers trip over."""
    for _ in range(draw.randint(1, 2)):
        at = draw.randrange(len(data) + 1)
        kind = draw.randrange(7)
        if kind == 0 and data:
            at = min(at, len(data) - 1)
            data = data[:at] + bytes([data[at] ^ 1 << draw.randrange(8)]) + data[at + 1 :]
        elif kind == 1:
            data = data[:at] + bytes([draw.randrange(256)]) + data[at + 1 :]
        elif kind == 2:
            data = data[:at]
        elif kind == 3:
            data = data[:at] + data[at + draw.randint(1, 9) :]
        elif kind == 4:
            end = at + draw.randint(1, 40)
            data = data[:end] + data[at:]
        elif kind == 5:
            data = data[:at] + draw.choice(_BYTES) + data[at:]
        else:
            word = draw.choice(WORDS)[:500].encode(errors="surrogatepass")
            data = data[:at] + word + data[at + draw.randint(0, 3) :]
    return data
