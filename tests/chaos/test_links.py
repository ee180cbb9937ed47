"""A link carries what it is given, and does to it what its weather says: else a chaos run would be fair weather."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.chaos.links import DOWN, HTTP_500, UP, Link, Weather
from tests.waiting import LAST_RESORT_S, eventually

WORDS = b"what a gateway says, and hears again"
Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def on_link(weather: Weather, walk: Callable[[Link, Ends], Awaitable[None]]) -> Link:
    """Walk at one end of a link of that weather; at the other, everything comes back."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while block := await reader.read(1000):
            writer.write(block)
        writer.close()

    async def play() -> Link:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        link = Link("a link", server.sockets[0].getsockname()[1])
        await link.start()
        link.set(weather)
        ends = await asyncio.open_connection("127.0.0.1", link.port)
        ends[1].write(WORDS)
        await walk(link, ends)
        ends[1].close()
        await link.stop()
        server.close()
        return link

    return asyncio.run(asyncio.wait_for(play(), LAST_RESORT_S))


@pytest.mark.parametrize(
    ("weather", "seen"),
    [(Weather(), "accepted"), (Weather(delay_s=0.01), "delayed"), (Weather(bytes_per_s=2000), "throttled")],
)
def test_all_of_it_arrives(weather: Weather, seen: str) -> None:
    """In good weather, late, or piece by piece."""

    async def walk(_link: Link, ends: Ends) -> None:
        assert await ends[0].readexactly(len(WORDS)) == WORDS

    assert on_link(weather, walk).seen[seen] >= 1


@pytest.mark.parametrize(
    ("weather", "seen", "answer"),
    [
        (Weather(refuses=True), "refused", b""),
        (Weather(tears=True), "torn", WORDS[: len(WORDS) // 2]),
        (Weather(answers_500=True), "answered_500", HTTP_500),
    ],
)
def test_the_connection_ends(weather: Weather, seen: str, answer: bytes) -> None:
    """At once, in the middle of what was said, or with an error's answer; nothing more of it is heard."""

    async def walk(link: Link, ends: Ends) -> None:
        heard = b""
        try:
            while block := await ends[0].read(1000):
                heard += block
        except ConnectionResetError:
            pass
        assert answer.startswith(heard)
        assert link.live == 0

    assert on_link(weather, walk).seen[seen] == 1


@pytest.mark.parametrize(
    ("weather", "seen"),
    [
        (Weather(is_silent=True), "unanswered"),
        (Weather(swallows=UP), "swallowed"),
        (Weather(swallows=DOWN), "swallowed"),
        (Weather(is_stalled=True), "stalled"),
    ],
)
def test_nothing_is_heard(weather: Weather, seen: str) -> None:
    """The connection stands; a stalled one carries everything once the weather is good again."""

    async def walk(link: Link, ends: Ends) -> None:
        await eventually(lambda: link.seen[seen] > 0, seen)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ends[0].read(1), 0.05)
        if weather.is_stalled:
            link.set(Weather())
            assert await ends[0].readexactly(len(WORDS)) == WORDS

    on_link(weather, walk)


def test_a_cut_link_can_be_connected_again() -> None:
    """Both ends are hung up on, and the next connection is served."""

    async def walk(link: Link, ends: Ends) -> None:
        await ends[0].readexactly(len(WORDS))
        link.cut()
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            await ends[0].readexactly(1)
        reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
        writer.write(b"again")
        assert await reader.readexactly(5) == b"again"
        writer.close()

    assert on_link(Weather(), walk).seen["accepted"] == 2
