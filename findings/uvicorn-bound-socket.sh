#!/usr/bin/env bash
# A server that got its socket from somebody else: a manager of workers, systemd, or a program that wants port 0.
#
# Expected: uvicorn answers the same whether it opens its port itself or is handed one: connections of asyncio's have
#          TCP_NODELAY set, so that an answer in two packets does not wait for an acknowledgement.
# Happens: only where uvicorn opens the port itself. asyncio sets TCP_NODELAY if the socket's `proto` is 6 (TCP), and an
#          accepted socket has its listener's: 0 for whatever came from `socket.socket()` or `socket.create_server()`,
#          as in `Config.bind_socket()`, which uvicorn calls with `--workers` and `--reload`. A client that keeps its
#          connection and acknowledges late, as Linux does, then gets each answer some 40 ms later (headers and body
#          are two packets). Setting the option on the listener mends it: accepted sockets inherit it.
# Versions: uvicorn 0.54.0, h11 0.16.0, CPython 3.11.7 (3.8 to 3.13 alike). Date: 2026-11-28.
# Here: `web/serve.py` sets TCP_NODELAY on the listener. Beside an empty route the status of a job took 14 times as long
#       before, and less than twice after.
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check uvicorn==0.54.0 h11==0.16.0 || exit 2

cat >"$folder/look.py" <<'PYTHON'
import asyncio
import http.client
import socket
import statistics
import sys
import time

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

seen = []


class Seen(H11Protocol):
    def connection_made(self, transport):
        super().connection_made(transport)
        peer = transport.get_extra_info("socket")
        seen.append((peer.proto, peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0))


async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


def calls(port):
    """The median of forty answers over one connection, in ms."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    took = []
    for _ in range(40):
        begin = time.perf_counter()
        connection.request("GET", "/")
        connection.getresponse().read()
        took.append(1000 * (time.perf_counter() - begin))
    connection.close()
    return statistics.median(took)


async def served(handed, option=False):
    config = uvicorn.Config(app, port=0, http=Seen, lifespan="off", log_level="error")
    sockets = [config.bind_socket()] if handed else None
    if option:
        sockets[0].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve(sockets=sockets))
    while not server.started:
        await asyncio.sleep(0.01)
    port = (sockets or server.servers[0].sockets)[0].getsockname()[1]
    median = await asyncio.to_thread(calls, port)
    server.should_exit = True
    await task
    return (*seen[-1], median)


print("uvicorn", uvicorn.__version__, "Python", sys.version.split()[0])
rows = {
    "opened by uvicorn": asyncio.run(served(False)),
    "handed to it": asyncio.run(served(True)),
    "handed, option set": asyncio.run(served(True, True)),
}
for name, (proto, is_set, median) in rows.items():
    print(f"{name:20} proto {proto}, TCP_NODELAY {'set' if is_set else 'not set'}, median answer {median:.1f} ms")
sys.exit(0 if [(row[0], row[1]) for row in rows.values()] == [(6, True), (0, False), (0, True)] else 1)
PYTHON

"$folder/venv/bin/python" "$folder/look.py"
