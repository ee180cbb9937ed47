"""The inner broker starts, stops, and never outlives its parent."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest

from local_cloud.broker import Broker
from local_cloud.errors import BrokerError
from tests.waiting import LAST_RESORT_S, until_true

_DEAF = """#!{python}
import re, signal, socket, sys, time
heard = []
signal.signal(signal.SIGTERM, lambda *_: heard.append(1) or len(heard) > {deaf_to} and sys.exit())
port = re.search(r"listener (\\d+)", open(sys.argv[2]).read())[1]
listener = socket.create_server(("127.0.0.1", int(port)))
time.sleep(60)
"""


async def test_it_listens_on_loopback_until_stopped(broker: str) -> None:
    """The port answers after `start`, not after `stop`, and no process is left."""
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    inner = Broker(broker)
    port = await inner.start()
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()
    await writer.wait_closed()
    await inner.stop()
    await inner.stop()
    with pytest.raises(OSError):
        await asyncio.open_connection("127.0.0.1", port)
    assert {child.pid for child in psutil.Process().children(recursive=True)} <= before


def test_it_ends_with_a_killed_parent(broker: str, tmp_path: Path) -> None:
    """Killing the parent outright leaves neither a broker nor its folder."""
    program = (
        "import asyncio\nfrom local_cloud.broker import Broker\n"
        f"async def main():\n    print(await Broker({broker!r}).start(), flush=True)\n    await asyncio.sleep(60)\n"
        "asyncio.run(main())"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        cwd=Path(__file__).parents[2],
    )
    assert parent.stdout is not None
    parent.stdout.readline()
    children = psutil.Process(parent.pid).children(recursive=True)
    assert children
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    assert psutil.wait_procs(children, timeout=LAST_RESORT_S)[1] == []
    until_true(lambda: not list(tmp_path.glob("pythoflow-broker-*")), "the end of the broker's folder")


async def test_mosquitto_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its configuration goes with it."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    inner = Broker("mosquitto")
    await inner.start()
    assert len(list(tmp_path.glob("pythoflow-broker-*"))) == 1
    await inner.stop()
    assert list(tmp_path.glob("pythoflow-broker-*")) == []


@pytest.mark.parametrize("deaf_to", [1, 1_000])
async def test_a_mosquitto_deaf_to_sigterm_ends_all_the_same(
    deaf_to: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real one loses a SIGTERM that comes between its port being open and its main loop."""
    monkeypatch.setattr("local_cloud.broker._STOP_LIMIT_S", 5 if deaf_to == 1 else 0.5)
    program = tmp_path / "mosquitto"
    program.write_text(_DEAF.format(python=sys.executable, deaf_to=deaf_to))
    program.chmod(0o755)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    inner = Broker("mosquitto")
    port = await inner.start()
    async with asyncio.timeout(LAST_RESORT_S):
        await inner.stop()
    assert list(tmp_path.glob("pythoflow-broker-*")) == []
    with pytest.raises(OSError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_a_missing_mosquitto_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """The remedy is named."""
    monkeypatch.setattr("shutil.which", lambda *_args, **_more: None)
    with pytest.raises(BrokerError, match="apt install mosquitto"):
        await Broker("mosquitto").start()


def test_an_unknown_broker_is_one_line() -> None:
    """The choice is named."""
    with pytest.raises(BrokerError, match="embedded or mosquitto"):
        Broker("rabbit")
