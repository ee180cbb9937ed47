"""Walks through every interleaving of a board's renewal: its job, power cuts at each write, its broker and its host.

The board is renewal.py itself, over a flash that loses its power before each operation and within it. The host is the
rules of `python -m certs`: a certificate is registered beside the one before; the old one ends when the board has said
that the new one was taken, the new one when the board was seen with the old. After each event the promise is tested:
left alone from here on, with its broker there, the board comes online, whether a trial is refused or ends in a restart.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from gateway import der, renewal, store
from tests.vm.portable import fake_flash, test_renewal
from tests.vm.portable.fake_flash import PowerCut
from tests.vm.portable.test_renewal import NAME

Flash = Any  # what the portable tests have has no types
_Flash: Any = fake_flash.Flash
issued: Any = test_renewal.issued
key: Any = test_renewal.key
FIRST, SPARES = 0, (1, 2)
OFF, TRIED, OWN = "off", "/certs/next", "/certs"
MOST_STARTS = renewal.STARTS + 3
ROOT = b"root"

Files = tuple[tuple[str, bytes], ...]
Seen = dict[tuple[Any, ...], int]


class BrokenRenewalError(AssertionError):
    """A board that its broker would take no more; `story` is what happened."""

    def __init__(self, why: str, story: tuple[str, ...]) -> None:
        super().__init__(f"{why}, after {', '.join(story)}")
        self.story = story


@dataclass(frozen=True)
class World:
    """The flash, what the board does, whose certificates the broker takes, and what the host was told."""

    files: Files
    runs: str = OFF  # or the folder of this start's identity
    mine: int = FIRST  # whose certificate it connects with; what is in memory stays, whatever becomes of the files
    is_online: bool = False
    active: frozenset[int] = frozenset({FIRST})
    seen: int = FIRST  # whose certificate the last status told
    done: frozenset[int] = frozenset()  # spares whose job ended well
    cuts: int = 2  # that may still come
    sent: frozenset[int] = frozenset()  # spares that were certified


def begun() -> World:
    """A board with its first identity and two spares."""
    files = {"/certs/certificate.der": issued(FIRST), "/certs/private_key.der": key(FIRST), "/certs/root_ca.der": ROOT}
    files |= {f"/certs/spare_{number}.der": key(number) for number in SPARES}
    return World(_frozen(files))


class Explorer:
    """Counts the interleavings of so many events; a state that was met before is counted again, not walked again."""

    def __init__(self, kind: type[renewal.Renewal] = renewal.Renewal, host_waits: bool = True) -> None:
        self._kind, self._host_waits = kind, host_waits  # for the job's end, before it settles
        self._counted: Seen = {}
        self._well: set[tuple[Files, frozenset[int]]] = set()
        self.used: set[str] = set()  # events that happened
        self.ends: set[tuple[frozenset[int], int]] = set()  # who is taken, and with what the board was seen last

    def count(self, depth: int, world: World | None = None, story: tuple[str, ...] = ()) -> int:
        """The interleavings of `depth` events from a world on. Raises BrokenRenewalError."""
        world = world or begun()
        self._check(world, story)
        if not depth:
            self.ends.add((world.active, world.seen))
            return 1
        if (world, depth) not in self._counted:
            count = 0
            for name, after in self._next(world, story):
                self.used.add(name.partition(",")[0])
                count += self.count(depth - 1, after, (*story, name))
            self._counted[world, depth] = count
        return self._counted[world, depth]

    def _next(self, world: World, story: tuple[str, ...]) -> Iterator[tuple[str, World]]:
        if world.runs == OFF:
            yield from self._board("start", world, self._start, story)
        else:
            if world.cuts:
                yield "power cut", replace(world, runs=OFF, is_online=False, cuts=world.cuts - 1)
            yield from self._running(world, story)
        yield from self._host(world)

    def _running(self, world: World, story: tuple[str, ...]) -> Iterator[tuple[str, World]]:
        if not world.is_online and world.mine in world.active:
            yield "connects", replace(world, is_online=True, seen=world.mine)
        if world.is_online:
            yield "link lost", replace(world, is_online=False)
            for number in sorted(world.sent):
                for name, spare in (("job", number), ("job for another key", 3 - number)):
                    yield from self._board(f"{name} {number}", world, self._job(number, spare), story)
        if world.runs == TRIED:
            watch = self._keep if world.is_online else self._give_up
            yield from self._board("kept" if world.is_online else "given up", world, watch, story)

    def _host(self, world: World) -> Iterator[tuple[str, World]]:
        """By the rules of `renew`, `settle` and `withdraw`: one next certificate at a time."""
        own, pending = min(world.active), max(world.active)
        if len(world.active) == 1:
            for number in SPARES:
                if number > max({FIRST, *world.sent}) and number > own:
                    yield (
                        f"certified {number}",
                        replace(world, active=world.active | {number}, sent=world.sent | {number}),
                    )
                    break
        elif world.seen == pending and (pending in world.done or not self._host_waits):
            yield "settled", replace(world, active=frozenset({pending}))
        elif world.seen == own and not (world.is_online or pending in world.done):
            yield "withdrawn", replace(world, active=frozenset({own}))

    # what the board does; each may be cut off before each operation of the flash, and within it

    def _board(
        self, name: str, world: World, act: Callable[[World, Flash], World], story: tuple[str, ...]
    ) -> Iterator[tuple[str, World]]:
        flash = self._flash(world.files)
        try:
            after = act(world, flash)
        except BrokenRenewalError as broken:
            raise BrokenRenewalError(str(broken), (*story, name)) from broken
        yield name, replace(after, files=_frozen(flash.files))
        for number in range(len(flash.done) if world.cuts else 0):
            for part in ("before", "torn"):
                cut = self._flash(world.files)
                cut.cut = (number, part)
                with suppress(PowerCut):
                    act(world, cut)
                off = replace(world, runs=OFF, is_online=False, cuts=world.cuts - 1)
                yield f"{name}, cut {part} {number}", replace(off, files=_frozen(cut.files))

    def _start(self, world: World, flash: Flash) -> World:
        folder = der.own("")
        return replace(world, runs=folder, mine=_number(flash.files[folder + "/certificate.der"]), is_online=False)

    def _job(self, number: int, spare: int) -> Callable[[World, Flash], World]:
        def act(world: World, _flash: Flash) -> World:
            why = self._kind("").prepare(NAME, spare, issued(number))
            if why == "":
                return replace(world, runs=OFF, is_online=False)
            return replace(world, done=world.done | {number}) if why is None else world

        return act

    def _keep(self, world: World, _flash: Flash) -> World:
        self._kind("").keep()
        return world

    def _give_up(self, world: World, _flash: Flash) -> World:
        self._kind("").give_up()
        return replace(world, runs=OFF)

    def _flash(self, files: Files) -> Flash:
        flash = _Flash(dict(files))
        flash.folders.add(TRIED)
        flash.place_in(renewal, store, der)
        vars(renewal)["Renewal"] = self._kind
        return flash

    # the promise

    def _check(self, world: World, story: tuple[str, ...]) -> None:
        if (world.files, world.active) in self._well:
            return
        for is_told in (True, False):
            if not self._comes_online(world, is_told):
                raise BrokenRenewalError("the broker takes it no more", story)
        self._well.add((world.files, world.active))

    def _comes_online(self, world: World, is_told: bool) -> bool:
        """Start after start; a trial that is not taken is given up, or ends in one restart after the other."""
        flash = self._flash(world.files)
        for _ in range(MOST_STARTS):
            folder = der.own("")
            mine, secret = flash.files[folder + "/certificate.der"], flash.files[folder + "/private_key.der"]
            if der.facts(mine)[2] not in secret or flash.files[folder + "/root_ca.der"] != ROOT:
                return False
            if is_told and _number(mine) in world.active:
                return True
            if folder == OWN:
                return _number(mine) in world.active
            if is_told:
                self._kind("").give_up()
        return False


def _frozen(files: dict[str, bytes]) -> Files:
    return tuple(sorted(files.items()))


def _number(certificate: bytes) -> int:
    return {issued(number): number for number in (FIRST, *SPARES)}[certificate]


def restored() -> Callable[[], None]:
    """Call it before a walk; what it gives puts the modules back."""
    before = [(module, dict(vars(module))) for module in (renewal, store, der)]

    def back() -> None:
        for module, names in before:
            for name in set(vars(module)) - set(names):
                delattr(module, name)
            vars(module).update(names)

    return back
