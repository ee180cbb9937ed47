"""What cannot be is told in one clear sentence, on the page and in the shell, and changes nothing; what comes twice."""

import socket
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from compute_service.__main__ import main as service_main
from console.__main__ import main as console_main
from tests.console.living import ZONES_FILE, LivingFarm, service_at_work
from tests.console.site_of_test import Site


class Mistake(NamedTuple):
    """A form, the same in the shell, and what is said of it."""

    form: dict[str, str]
    words: tuple[str, ...]
    sentence: str


MISTAKES = (
    Mistake(
        {"action": "open", "zone_id": "plot-9z", "minutes": "5"},
        ("open", "plot-9z", "--minutes=5"),
        "no zone 'plot-9z'",
    ),
    Mistake({"action": "close", "zone_id": "plot-9z"}, ("close", "plot-9z"), "no zone 'plot-9z'"),
    Mistake(
        {"action": "open", "zone_id": "plot-1a", "minutes": "31"},
        ("open", "plot-1a", "--minutes=31"),
        "plot-1a may run 30 min at most in one go, and this would take 31",
    ),
    Mistake(
        {"action": "open", "zone_id": "plot-1e", "minutes": "5"},
        ("open", "plot-1e", "--minutes=5"),
        "irrigation-gateway-2 is offline since",
    ),
)


def said(site: Site, form: dict[str, str]) -> str:
    """What the page says on which a form ends."""
    answer = site.ask("POST", "/orders", form=form)
    assert answer.status == 303
    cookie = answer.headers.get("Set-Cookie", "").partition(";")[0]
    page = site.page(answer.headers["Location"], Cookie=cookie, **{"Accept-Language": "en"})
    assert page.status == 200
    before, _, after = page.text.partition('id="said">')
    assert before.endswith('role="alert" ')
    assert 'id="said"' not in after
    return after.partition("</p>")[0].replace("&#39;", "'")


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda one: one.sentence)
def test_an_order_that_cannot_be(
    site: Site,
    farm: LivingFarm,
    capsys: pytest.CaptureFixture[str],
    mistake: Mistake,
) -> None:
    """A zone that is not there, minutes beyond the cap, a gateway that is offline."""
    farm.hear_status("irrigation-gateway-2", "offline")
    farm.beat()
    begin = farm.store.journal.newest()
    assert mistake.sentence in said(site, mistake.form)
    assert service_main([*mistake.words, f"--store={farm_path(site)}"]) == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err.count("\n")) == ("", 1)
    assert mistake.sentence in captured.err
    assert (farm.store.journal.newest(), farm.store.orders.last()) == (begin, [])


def farm_path(site: Site) -> Path:
    return site.folder / "compute.sqlite"


def test_a_zones_file_with_a_mistake(site: Site, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The page tells it with its line and has no button to save; the shell tells the same."""
    mistake = ZONES_FILE.replace("wilting_point: 0.12", "wilting_point: 0.9")
    answer = site.ask("POST", "/settings/check", form={"text": mistake}, headers={"Accept": "text/html"})
    mistakes = answer.text.split('role="alert"')[1].partition("</ul>")[0]
    [line] = [part.partition("</li>")[0] for part in mistakes.split("<li>")[1:2]]
    assert (answer.status, 'action="/settings"' in answer.text) == (422, False)
    draft = folder / "draft.yaml"
    draft.write_text(mistake, encoding="utf-8")
    assert service_main(["zones", str(draft)]) == 2
    told = capsys.readouterr().err
    assert "wilting_point" in line
    assert "wilting_point" in told.splitlines()[0]
    assert (folder / "zones.yaml").read_text() == ZONES_FILE


def test_a_port_that_is_taken(farm: LivingFarm, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line with the remedy, and the console ends."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        words = [f"--store={folder / 'compute.sqlite'}", f"--access={folder / 'people.sqlite'}", f"--port={port}"]
        assert console_main(words) == 2
    captured = capsys.readouterr()
    assert captured.err == (
        f"console: port {port} of 127.0.0.1 is taken by another program; end it, or give another --port\n"
    )


def test_a_store_of_another_version(site: Site, farm: LivingFarm, capsys: pytest.CaptureFixture[str]) -> None:
    """A newer service wrote it: page and shell say so, a program hears 503, and not a byte is another."""
    path = farm_path(site)
    with closing(sqlite3.connect(path)) as file:
        version = file.execute("PRAGMA user_version").fetchone()[0]
        file.execute("PRAGMA user_version=99")
    dump = contents(path)
    for answer in (site.page("/"), site.page("/zones/plot-1a"), site.ask("POST", "/orders", form={"action": "stop"})):
        assert answer.status == 503
        assert "schema 99" in answer.text
        assert "Traceback" not in answer.text
    assert site.ask("GET", "/api/v1/farm").json["error"].startswith(str(path))
    for words in (["status"], ["stop"]):
        assert service_main([*words, f"--store={path}"]) == 2
        told = capsys.readouterr().err
        assert (told.count("\n"), "schema 99" in told) == (1, True)
    assert console_main([f"--store={path}", f"--access={site.folder / 'people.sqlite'}", "--port=0"]) == 2
    assert "schema 99" in capsys.readouterr().err
    assert contents(path) == dump
    with closing(sqlite3.connect(path)) as file:
        file.execute(f"PRAGMA user_version={version}")


def contents(path: Path) -> list[Any]:
    with closing(sqlite3.connect(path)) as file:
        return list(file.iterdump())


def test_two_stops_at_once(site: Site, working: LivingFarm) -> None:
    """Two people press in one moment: the farm is held once, each board is told once, and both hear that it is done."""
    pages: list[str] = []
    together = threading.Barrier(2)

    def stop(key: str) -> None:
        together.wait()
        answer = site.ask("POST", "/orders", form={"action": "stop", "key": key})
        pages.append(answer.headers["Location"])

    people = [threading.Thread(target=stop, args=(key,)) for key in ("ana", "rui")]
    for one in people:
        one.start()
    for one in people:
        one.join()
    with working.lock:
        working.bench.tick()
        assert [hold.kind for hold in working.store.orders.holds()] == ["stop"]
        stops = [one for one in working.bench.commands() if one["action"] == "stop_all"]
        assert len({one["command_id"] for one in stops}) == 2  # one for each gateway
        for stop_all in {command["command_id"]: command for command in stops}.values():
            working.obey_stop(stop_all)
        assert [row.state for row in working.store.orders.last()] == ["done", "done"]
    assert len(set(pages)) == 2
    for address in pages:
        assert "done" in said_of(site, address)


def said_of(site: Site, address: str) -> str:
    return site.page(address, **{"Accept-Language": "en"}).text.partition('id="said"')[2].partition("</p>")[0]


@pytest.mark.parametrize(("action", "zone_id"), [("stop", ""), ("close", "plot-1e")])
def test_a_stop_for_a_gateway_that_is_offline(site: Site, farm: LivingFarm, action: str, zone_id: str) -> None:
    """It is kept and shown as waiting for an answer, hours later too, and obeyed when the gateway is back."""
    with service_at_work(farm):
        with farm.lock:
            farm.hear_status("irrigation-gateway-2", "offline")
        answer = site.ask("POST", "/orders", form={"action": action, "zone_id": zone_id})
        address = answer.headers["Location"]
        with farm.lock:
            farm.bench.tick()
            for one in farm.new_commands():
                if one["device_id"] == "irrigation-gateway-1":
                    farm.obey_stop(one)
            farm.bench.tick(4 * 3600)
            farm.beat()
        assert "It waits for the gateway's answer".replace("'", "&#39;") in said_of(site, address)
        assert "sent" in site.page("/", **{"Accept-Language": "en"}).text.partition("Orders under way")[2][:400]
        with farm.lock:
            farm.hear_status("irrigation-gateway-2")
            [again] = farm.new_commands()
            assert again["device_id"] == "irrigation-gateway-2"
            farm.obey_stop(again)
            farm.bench.tick()
        assert "done" in said_of(site, address)
