"""One word for one thing: variables are nouns, class names stand once in a room, long records are made by name."""

import ast
import functools
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = (
    "protocol",
    "firmware",
    "gateway_sim",
    "compute_service",
    "lambda_functions",
    "certs",
    "agronomy",
    "local_cloud",
    "field_time",
    "checked_yaml",
    "web",
    "console",
    "integrations",
    "views",
    "notices",
    "updates",
    "provisioning",
    "demo",
    "benchmarks",
    "scripts",
)
# What was done to a thing is not its name: `told` was a sample, a row, a text and a depth in one room.
WORDS = """
    begun bent bitten blown borne bought broken brought built caught chosen dealt done drawn driven eaten fallen felt
    found forgotten frozen given gone grown heard held hidden kept known laid left lent lost made meant met paid read
    ridden risen said seen sent shaken shown slept sold sought spent spoken stolen stood stuck struck swept taken taught
    thought thrown told torn understood won worn woven written
    accepted added allowed arrived asked believed cached called changed checked collected computed converted counted
    created decoded described expected fetched granted guessed joined listed loaded matched merged moved named needed
    noticed packed parsed placed planned played printed processed promised received refused removed repeated reported
    returned saved selected stored updated used wanted watched
"""
PARTICIPLES = frozenset(WORDS.split())
MOST_SHARE = 0.002  # of a room's bindings: what the codebases have that this one learns from
# Participles that are the field's own word, each with its reason. `file: name`, or a name alone for every file.
ALLOWED = {
    "lambda_functions/lake/checkpoint.py: processed": "a key of the journal on disk, written by the name of its field",
    "local_cloud/topic_rule.py: received": "a count, beside `rejected` and `delivered`",
    "agronomy/fusion.py: used": "a key of the belief on disk, written by the name of its field",
    "agronomy/probes.py: STUCK": "a verdict's name on disk and in the report's words",
    "provisioning/keys.py: READ": "a scope, by the name that keys are given",
    "agronomy/strategy.py: counted": "a share, as docs/water.md names it",
}
# Words of a theatre, and words that no reader of another project would look for.
STRANGE = ("cast", "company", "desk", "gauss", "hearsay", "link", "scenery", "stage", "story")
MOST_BY_POSITION = 5  # fields
# Tuples that are rows of a table, or unpacked where they are made, each with its reason.
LONG_TUPLES = {
    "compute_service/domain/zone_model.py: Fluxes": "rows of a table that are summed column by column; made by name",
}
SPANS = {"DAY": 86400, "HOUR": 3600}


class Binding(NamedTuple):
    """A name that is given a value: its line, and whether that value is plainly true or false."""

    line: int
    name: str
    is_boolean: bool


def files(root: Path, room: str) -> Iterator[Path]:
    return (path for path in sorted((root / room).rglob("*.py")) if not {"build", "node_modules"} & set(path.parts))


class Outline(NamedTuple):
    """What a file names: its bindings, its classes with their fields alone, and the assignments of the module."""

    bindings: tuple[Binding, ...]
    classes: tuple[ast.ClassDef, ...]
    assignments: tuple[ast.Assign, ...]


@functools.cache  # every test asks for the same files, and a whole tree is too big to keep
def outline(path: Path) -> Outline:
    tree = ast.parse(path.read_text(), filename=str(path))
    nodes = list(ast.walk(tree))
    classes = tuple(node for node in nodes if isinstance(node, ast.ClassDef))
    names = Outline(tuple(bindings(nodes)), classes, tuple(node for node in tree.body if isinstance(node, ast.Assign)))
    for node in classes:
        node.body = [part for part in node.body if isinstance(part, ast.AnnAssign)]
    return names


def bindings(nodes: Sequence[ast.AST]) -> Iterator[Binding]:
    """Targets of assignments, loops, `with`, walrus and comprehensions, attributes among them, and parameters."""
    booleans = {name for name, value in values(nodes) if is_boolean(value)}
    for node in nodes:
        if isinstance(node, ast.arg):
            yield Binding(node.lineno, node.arg, node.arg in booleans)
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield Binding(node.lineno, name_of(node), name_of(node) in booleans)


def values(nodes: Sequence[ast.AST]) -> Iterator[tuple[str, ast.expr | None]]:
    """Names with what is assigned to them, or with their annotation."""
    for node in nodes:
        if isinstance(node, ast.Assign):
            yield from ((name_of(target), node.value) for target in node.targets)
        elif isinstance(node, ast.AnnAssign):
            yield name_of(node.target), node.annotation
        elif isinstance(node, ast.NamedExpr):
            yield name_of(node.target), node.value
        elif isinstance(node, ast.arg):
            yield node.arg, node.annotation


def is_boolean(value: ast.expr | None) -> bool:
    match value:
        case ast.Constant(value=bool()) | ast.Compare() | ast.UnaryOp(op=ast.Not()) | ast.Name(id="bool"):
            return True
        case ast.Call(func=ast.Name(id="any" | "all" | "bool" | "isinstance")):
            return True
        case ast.BoolOp(values=parts):
            return all(is_boolean(part) for part in parts)
        case _:
            return False


def name_of(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def participles(root: Path, room: str) -> tuple[list[str], int]:
    """`file:line:name` of each binding that is a bare participle, and the number of all bindings of the room."""
    spots, count = [], 0
    for path in files(root, room):
        file = path.relative_to(root).as_posix()
        for binding in outline(path).bindings:
            count += 1
            word = binding.name.lstrip("_").lower()
            is_allowed = binding.is_boolean or f"{file}: {binding.name}" in ALLOWED or binding.name in ALLOWED
            if word in PARTICIPLES and not is_allowed:
                spots.append(f"{file}:{binding.line}:{binding.name}")
    return spots, count


def classes(root: Path, room: str) -> Iterator[tuple[str, ast.ClassDef]]:
    for path in files(root, room):
        file = path.relative_to(root).as_posix()
        yield from ((file, node) for node in outline(path).classes)


def doubled_classes(root: Path, room: str) -> list[str]:
    places = defaultdict(list)
    for file, node in classes(root, room):
        if not node.name.startswith("_"):
            places[node.name].append(f"{file}:{node.lineno}")
    return [f"{name}: {', '.join(lines)}" for name, lines in places.items() if len(lines) > 1]


def strange_names(root: Path, room: str, glossary: str) -> list[str]:
    words = [word for word in STRANGE if not re.search(rf"^\| [^|]*\b{word}\b", glossary, re.MULTILINE | re.IGNORECASE)]
    modules = [(path.relative_to(root).as_posix(), path.stem) for path in files(root, room)]
    named = [*modules, *((f"{file}:{node.lineno}", node.name) for file, node in classes(root, room))]
    return [f"{place}: {name}" for place, name in named for word in words if word in words_of(name)]


def words_of(name: str) -> list[str]:
    """`FleetPart` and `fleet_part`: fleet, part."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+", name)]


def records_by_position(root: Path, room: str) -> list[str]:
    """Records of many fields that may be made by position, where a new field would push the others along."""
    spots = []
    for file, node in classes(root, room):
        fields = [
            field for field in node.body if isinstance(field, ast.AnnAssign) and "ClassVar" not in ast.dump(field)
        ]
        marks = [index for index, field in enumerate(fields) if ast.unparse(field.annotation) == "KW_ONLY"]
        fields = fields[: marks[0]] if marks else fields  # what comes after the mark is given by name
        kinds = [ast.unparse(decorator) for decorator in node.decorator_list if "dataclass" in ast.unparse(decorator)]
        is_tuple = any(ast.unparse(base).endswith("NamedTuple") for base in node.bases)
        is_by_position = any("kw_only=True" not in kind for kind in kinds) or is_tuple
        if len(fields) > MOST_BY_POSITION and is_by_position and f"{file}: {node.name}" not in LONG_TUPLES:
            spots.append(f"{file}:{node.lineno}: {node.name}")
    return spots


def spans_of_time(root: Path, room: str) -> Counter[str]:
    """How often a room says what a day or an hour is, in seconds."""
    counts = Counter[str]()
    for path in files(root, room):
        for node in outline(path).assignments:
            if isinstance(node.value, ast.Constant):
                names = [name_of(target).upper() for target in node.targets]
                counts.update(
                    word
                    for word, seconds in SPANS.items()
                    if node.value.value == seconds and any(word in name.split("_") for name in names)
                )
    return counts


@pytest.mark.parametrize("room", ROOMS)
def test_variables_are_nouns(room: str) -> None:
    """Who reads a line learns what the thing is, and not only what was done to it."""
    spots, count = participles(ROOT, room)
    assert len(spots) <= MOST_SHARE * count, f"{len(spots)} of {count}:\n" + "\n".join(spots)


@pytest.mark.parametrize("room", ROOMS)
def test_a_class_name_stands_once_in_a_room(room: str) -> None:
    """No import has to say `Hour as Sky`, and a search for a class finds one."""
    assert doubled_classes(ROOT, room) == []


@pytest.mark.parametrize("room", ROOMS)
def test_files_and_classes_have_the_names_of_the_field(room: str) -> None:
    """A newcomer guesses the file; a word of our own stands in the glossary."""
    assert strange_names(ROOT, room, (ROOT / "docs" / "glossary.md").read_text()) == []


@pytest.mark.parametrize("room", ROOMS)
def test_long_records_are_made_by_name(room: str) -> None:
    """A field more cannot push the other values of a record into the wrong place."""
    assert records_by_position(ROOT, room) == []


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_says_once_how_long_a_day_is(room: str) -> None:
    """And an hour: who looks for the number finds it with its unit, in one place."""
    assert {word: count for word, count in spans_of_time(ROOT, room).items() if count > 1} == {}


@pytest.mark.parametrize(
    "source",
    [
        "told = read()",
        "_told = read()",
        "def play(told): ...",
        "def play(*, told: str): ...",
        "for told in rows: ...",
        "for told, one in rows: ...",
        "rows = [told for told in all_rows]",
        "with open(name) as told: ...",
        "if told := read(): ...",
        "class Player:\n    def hear(self, news):\n        self._told = news",
        "class Player:\n    told: str",
        "told += 1",
        "FOUND = 1",
    ],
)
def test_a_bare_participle_is_found(tmp_path: Path, source: str) -> None:
    """However it is bound, with its file and line."""
    plant(tmp_path, source)
    [spot], _ = participles(tmp_path, "room")
    assert re.fullmatch(r"room/thing\.py:\d+:_?(told|FOUND)", spot)


@pytest.mark.parametrize(
    "source",
    [
        "told_rows = read()",
        "closed_at = 7",
        "is_known = True",
        "seen = False",
        "seen: bool = look()",
        "seen = not hidden_rows",
        "seen = any(rows) and not hidden_rows",
        "def play(allowed: bool) -> None: ...",
        "print(told)",
        "def read(): ...",
    ],
)
def test_an_adjective_and_a_boolean_pass(tmp_path: Path, source: str) -> None:
    """`kept_rows` says what is kept, and a yes or no may be called by what was done."""
    plant(tmp_path, source)
    assert participles(tmp_path, "room")[0] == []


def test_every_exception_is_still_needed() -> None:
    """A name that has gone leaves the lists of those that may stay."""
    known_names, tuples = set(), set()
    for room in ROOMS:
        for path in files(ROOT, room):
            file = path.relative_to(ROOT).as_posix()
            names = {binding.name for binding in outline(path).bindings}
            known_names |= names | {f"{file}: {name}" for name in names}
        tuples |= {f"{file}: {node.name}" for file, node in classes(ROOT, room)}
    assert set(ALLOWED) <= known_names
    assert set(LONG_TUPLES) <= tuples


def test_what_is_looked_for_is_found(tmp_path: Path) -> None:
    """A doubled class, a word of the theatre, a long record, a second day: each is named."""
    fields = "\n    ".join(f"{letter}: int" for letter in "abcdef")
    plant(tmp_path, f"@dataclass\nclass Link:\n    {fields}\nDAY_S = 86400\n", "one.py")
    plant(tmp_path, f"@dataclass(kw_only=True)\nclass Link:\n    {fields}\nSECONDS_A_DAY = 86400\n", "desk.py")
    assert doubled_classes(tmp_path, "room") == ["Link: room/desk.py:2, room/one.py:2"]
    assert strange_names(tmp_path, "room", "| Link | its meaning |") == ["room/desk.py: desk"]
    assert records_by_position(tmp_path, "room") == ["room/one.py:2: Link"]
    assert spans_of_time(tmp_path, "room") == {"DAY": 2}


def plant(root: Path, source: str, file: str = "thing.py") -> None:
    (root / "room").mkdir(exist_ok=True)
    (root / "room" / file).write_text(source)
