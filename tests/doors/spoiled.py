"""Good documents spoiled at random, by a seed: what a stranger, a broken disk or a hurried hand makes of them."""

import random
from collections.abc import Iterator

# What stands in place of a word: words for "missing", numbers that no float holds, and what YAML and JSON trip over.
WORDS = (
    *("0", "1", "7", "0.2", "0.31", "12.5", "600", "loam", "soil-b", "2020-06-01"),
    "-9999",
    "NaN",
    "nan",
    "Infinity",
    "-Infinity",
    ".inf",
    ".nan",
    "9" * 400,
    "9" * 5000,
    "1" + "0" * 400 + ".0",
    "0x" + "f" * 4000,
    "1e999",
    "-1e308",
    "1e-400",
    "-0.0",
    "1_0",
    "1:2:3" + ":59" * 200,
    "1:1.5" + ":59" * 200,
    "null",
    "true",
    "[]",
    "{}",
    '""',
    "[[]]",
    "!!timestamp x",
    '!!int ""',
    "!!float ''",
    "!!binary é",
    "!!set {a}",
    "!!omap [a]",
    "!!bool x",
    "!!python/none x",
    "&a [*a]",
    "*a",
    "<<",
    "0001-01-01",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31 23:59",
    "2020-02-30",
    "\x00",
    "\ufeff",
    "\ud7ff",
    '"\\ud800"',
    "é" * 2000,
    "[" * 2000,
    "{" * 2000,
    "- " * 500,
    "? " * 300,
    "x: " * 50,
    "'",
    '"',
    "#",
    "|",
    "%",
    "\t",
)
MARKS = " \n,:[]{}\"'-\\"


def texts(good: str, seed: int, count: int) -> Iterator[bytes]:
    """So many spoiled copies of a text, the same for a seed: words in others' places, lines moved, bytes changed."""
    draw = random.Random(seed)
    for _ in range(count):
        text = good
        for _ in range(draw.randint(1, 3)):
            text = _spoiled(text, draw)
        data = text.encode(errors="surrogatepass")
        if draw.random() < 0.2 and data:
            at = draw.randrange(len(data))
            data = data[:at] + bytes([draw.randrange(256)]) + data[at + draw.randint(0, 3) :]
        yield data


def _spoiled(text: str, draw: random.Random) -> str:
    lines = text.split("\n")
    row = draw.randrange(len(lines))
    kind = draw.random()
    if kind < 0.75:
        words = _words(lines[row])
        begin, end = draw.choice(words) if words else (0, 0)
        lines[row] = lines[row][:begin] + draw.choice(WORDS) + lines[row][end:]
    elif kind < 0.85:
        lines.insert(draw.randrange(len(lines)), lines.pop(row))
    elif kind < 0.92:
        lines.insert(row, lines[row])
    else:
        at = draw.randrange(len(lines[row]) + 1)
        lines[row] = lines[row][:at] + draw.choice(MARKS) + lines[row][at + draw.randint(0, 1) :]
    return "\n".join(lines)


def _words(line: str) -> list[tuple[int, int]]:
    """Where the words of a line begin and end."""
    found, begin = [], None
    for at, letter in enumerate(line + " "):
        if letter in MARKS.replace("-", ""):
            if begin is not None:
                found.append((begin, at))
            begin = None
        elif begin is None:
            begin = at
    return found
