"""The service as a process beside a farm's own mosquitto, set up with the lines of docs/updates.md."""

import asyncio
import re
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from certs.authority import Authority
from tests.integrations.conftest import MOSQUITTO
from tests.local_cloud.conftest import Client
from tests.processes import end
from tests.updates.boards import Board
from tests.updates.bundles import FILES, write_bundle
from tests.waiting import eventually, free_port
from updates.service import DATABASE
from updates.store import Store

ROOT = Path(__file__).parents[2]
SERVICE, ONE, TWO = "irrigation-updates", "irrigation-gateway-1", "irrigation-gateway-2"


class Farm:
    """mosquitto with TLS, the identities, and a folder of updates."""

    def __init__(self, folder: Path) -> None:
        self.certs, self.data, self.port = folder / "issued", folder / "data", free_port()
        authority = Authority(self.certs)
        authority.issue_server(["localhost", "127.0.0.1"])
        for name in (SERVICE, ONE, TWO):
            authority.issue(name)
        self.bundle = write_bundle(folder / "bundle")
        page = (ROOT / "docs" / "updates.md").read_text()
        lines, rules = (part(page, kind) for kind in ("conf", "acl"))
        (folder / "acl").write_text(rules)
        server = self.certs / "localhost"
        own = (
            f"listener {self.port} 127.0.0.1",
            f"cafile {self.certs / 'ca' / 'certificate.pem'}",
            f"certfile {server / 'certificate.pem'}",
            f"keyfile {server / 'private_key.pem'}",
            "user root",  # else it drops to a user who may not read this folder
        )
        self.config = folder / "mosquitto.conf"
        self.config.write_text("\n".join(own) + "\n" + lines.replace("/etc/mosquitto/acl", str(folder / "acl")))

    @contextmanager
    def broker(self) -> Iterator[None]:
        with (self.config.parent / "broker.log").open("wb") as log:
            process = subprocess.Popen([MOSQUITTO, "-c", str(self.config)], stdout=log, stderr=log)
        try:
            yield
        finally:
            end(process)

    def command(self, *words: str) -> str:
        command = [sys.executable, "-m", "updates", *words, "--data", str(self.data)]
        return subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout

    def serve(self) -> subprocess.Popen[str]:
        identity = str(self.certs / SERVICE)
        where = ["--host", "localhost", "--port", str(self.port), "--certs", identity, "--data", str(self.data)]
        return subprocess.Popen(
            [sys.executable, "-m", "updates", "serve", *where], stdout=subprocess.PIPE, text=True, cwd=ROOT
        )

    async def client(self, name: str) -> Client:
        context = ssl.create_default_context(cafile=str(self.certs / "ca" / "certificate.pem"))
        context.load_cert_chain(self.certs / name / "certificate.pem", self.certs / name / "private_key.pem")
        return Client(*await asyncio.open_connection("localhost", self.port, ssl=context))

    def statuses(self) -> dict[str, str]:
        with closing(Store(self.data / DATABASE)) as store:
            return {one.thing: one.status for one in store.executions("update-7")}


def part(page: str, kind: str) -> str:
    """The only block of its kind on a page."""
    [found] = re.findall(rf"^```{kind}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    return str(found)


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[Farm]:
    """The broker runs, nothing is published."""
    farm = Farm(tmp_path)
    with farm.broker():
        yield farm


async def test_a_kill_forgets_nothing_and_a_rogue_gets_nothing(farm: Farm) -> None:
    """What a board reports while the service lies dead counts once it is back; another board's words never do."""
    told = farm.command("publish", str(farm.bundle), "--certs", str(farm.certs), "--stages", "2")
    assert told == "update-7  stage 1: 2 boards, of which 0 may fail or be silent\n"
    one, two = Board(ONE, await farm.client(ONE)), Board(TWO, await farm.client(TWO))
    with farm.serve() as service:
        assert service.stdout is not None
        assert "Ctrl-C stops" in service.stdout.readline()
        await eventually(lambda: farm.statuses()[ONE] == "QUEUED", "the first stage")
        await one.arrive()
        begun = await one.ask("jobs/start-next", {}, "jobs/start-next/accepted")
        await one._take_files(begun["execution"]["jobDocument"])
        assert one.files == FILES
        report = f"{one.root}/jobs/update-7/update"
        await one.client.publish(report, b'{"status": "IN_PROGRESS"}', retain=True)  # which the broker says again
        await one._until("jobs/update-7/update/accepted")
        service.kill()
    await one.client.publish(report, b'{"status": "SUCCEEDED", "expectedVersion": 3}')
    await two.arrive()
    await two.client.publish(report, b'{"status": "FAILED"}')
    assert set(await two.client.subscribe(f"{one.root}/jobs/#")) == {1}  # mosquitto says yes, and sends nothing of it
    with farm.serve() as service:
        await one._until("jobs/update-7/update/accepted")
        assert (await two._until("jobs/notify-next"))["execution"]["jobId"] == "update-7"
        await two.ask("jobs/update-7/update", {"status": "SUCCEEDED"}, "jobs/update-7/update/accepted")
        await eventually(lambda: "COMPLETED" in farm.command("status"), "the end")
        service.send_signal(signal.SIGINT)
        assert service.wait() == 0
    assert farm.statuses() == {ONE: "SUCCEEDED", TWO: "SUCCEEDED"}
    assert [topic for topic, _ in two.client.inbox if not topic.startswith(two.root)] == []
    assert all(not topic.startswith("$aws") for topic in two.heard)  # each below its own name
    await one.client.ping()
    assert not any("rejected" in topic for topic in (*one.heard, *(topic for topic, _ in one.client.inbox)))
    for board in (one, two):
        await board.client.close()
