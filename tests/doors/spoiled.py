"""Good documents spoiled at random: what a stranger, a broken disk or a hurried hand makes of them."""

import random
from collections.abc import Sequence

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
    "<<: [*a, *b]",
    "&a",
    "&a {b: *a}",
    "!!merge x",
    "!!python/object/apply:os.getcwd []",
    "!!map [a]",
    "!!str 1",
    "!!seq {}",
    "!local x",
    "0o17",
    "0b1",
    "1e3",
    "1.",
    "2020-06-01T00:00:00Z",
    "yes",
    "~",
    "---",
    "...",
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


def spoiled(draw: random.Random, goods: Sequence[str]) -> bytes:
    """One of the texts with up to three changes: words in others' places, lines moved or of another text, bytes."""
    text = draw.choice(goods)
    for _ in range(draw.choice((0, 1, 1, 1, 2, 2, 3))):
        text = _changed(text, draw, goods)
    data = text.encode(errors="surrogatepass")
    if draw.random() < 0.15 and data:
        at = draw.randrange(len(data))
        data = data[:at] + bytes([draw.randrange(256)]) + data[at + draw.randint(0, 3) :]
    return data[: draw.randrange(len(data) + 1)] if draw.random() < 0.02 else data


def _changed(text: str, draw: random.Random, goods: Sequence[str]) -> str:
    lines = text.split("\n")
    row = draw.randrange(len(lines))
    kind = draw.random()
    if kind < 0.65:
        words = _words(lines[row])
        begin, end = draw.choice(words) if words else (0, 0)
        lines[row] = lines[row][:begin] + _word(draw, lines[row][begin:end], goods) + lines[row][end:]
    elif kind < 0.73:
        lines.insert(draw.randrange(len(lines)), lines.pop(row))
    elif kind < 0.78:
        lines.insert(row, lines[row])
    elif kind < 0.83:
        lines.insert(row, draw.choice(draw.choice(goods).split("\n")))
    elif kind < 0.88:
        lines.pop(row)
    elif kind < 0.91:
        lines[row] = draw.choice(("", " ", "  ", "\t")) + lines[row].lstrip()
    else:
        at = draw.randrange(len(lines[row]) + 1)
        lines[row] = lines[row][:at] + draw.choice(MARKS) + lines[row][at + draw.randint(0, 1) :]
    return "\n".join(lines)


def _word(draw: random.Random, word: str, goods: Sequence[str]) -> str:
    """What stands in place of a word: one that readers trip over, another of the texts, or nearly the same."""
    kind = draw.random()
    if kind < 0.5:
        return draw.choice(WORDS)
    if kind < 0.75:
        others = _words(line := draw.choice(draw.choice(goods).split("\n")))
        begin, end = draw.choice(others) if others else (0, 0)
        return line[begin:end]
    at = draw.randrange(len(word) + 1)
    return word[:at] + draw.choice(("", "0", "9", ".", "-", "e", "x", "é", "00")) + word[at + draw.randint(0, 1) :]


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
