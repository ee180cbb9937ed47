"""The shipped MQTT client at a peer that goes silent: `micropython run_client.py PORT IDENTITY SCALE ATTEMPTS [leave]`.

IDENTITY is a folder of certificates, or - for none. Every limit is SCALE times what it is on a board. After each
attempt a line: its number, its error, bytes of heap in use, open files. With `leave` it ends each by a farewell.
"""

import asyncio
import gc
import os
import ssl
import sys

from gateway import mqtt

port, identity, scale, attempts = int(sys.argv[1]), sys.argv[2], float(sys.argv[3]), int(sys.argv[4])
mqtt.CONNECT_TIMEOUT_S *= scale
mqtt.BACKOFF_S = (scale / 10, scale / 5)
plain = mqtt._connect
mqtt._connect = lambda client_id, _, will: plain(client_id, 60, will)  # the packet has whole seconds


def context():
    if identity == "-":
        return None
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.verify_mode = ssl.CERT_REQUIRED
    made.load_cert_chain(identity + "/certificate.der", identity + "/private_key.der")
    made.load_verify_locations(cafile=identity + "/root_ca.der")
    return made


async def attempt(client):
    """One connection, until it ends."""
    if sys.argv[5:] == ["leave"]:
        leaving = asyncio.create_task(leave(client))
        try:
            await client._session()
        finally:
            await leaving
            client._leaving = False
    else:
        await client._session()


async def leave(client):
    """Say farewell once it is online, or the attempt is over."""
    for _ in range(int(20 * scale / 0.01)):
        await asyncio.sleep(0.01)
        if client.online:
            await client.disconnect()
            return


async def main():
    client = mqtt.Client(
        "irrigation-gateway-1",
        ("127.0.0.1", port, "localhost"),
        context(),
        subscriptions=("a",),
        keepalive_s=60 * scale,
    )
    client.send("t", b"waits for its PUBACK", lambda: print("acked"))
    for number in range(attempts):
        try:
            await attempt(client)
            error = None
        except (mqtt.MqttError, OSError, EOFError, ValueError) as raised:
            error = raised
        await asyncio.sleep(client._backoff_s())
        told = f"{type(error).__name__} {error}"
        error = None
        gc.collect()
        print(number, gc.mem_alloc(), len(os.listdir("/proc/self/fd")), client.connects, told)


asyncio.run(main())
