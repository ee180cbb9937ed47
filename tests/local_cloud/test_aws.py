"""The AWS API as a process: it serves, it ends with its parent, it says what is wrong."""

import asyncio
import hashlib
import io
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import boto3
import pytest

from certs.authority import Authority
from local_cloud.aws import READY, Aws, OneAtATime, environment
from local_cloud.errors import AwsError, LocalCloudError

ROOT = Path(__file__).parents[2]


def is_listening(endpoint: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(endpoint.rsplit(":", 1)[1]))) == 0


@pytest.mark.parametrize("plain", [False, True])
def test_it_serves_until_it_is_stopped(monkeypatch: pytest.MonkeyPatch, plain: bool) -> None:
    """An object that is put can be got; after `stop` nobody listens; both may be repeated, for Terraform too or not."""

    async def scenario() -> None:
        aws = Aws(plain=plain)
        await aws.stop()
        for _ in range(2):
            endpoint = await aws.start()
            await asyncio.to_thread(use, endpoint)
            await aws.stop()
            assert not is_listening(endpoint)

    def use(endpoint: str) -> None:
        for name, value in environment(endpoint).items():
            monkeypatch.setenv(name, value)
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket="farm")
        took = []
        for number in range(20):
            started = time.perf_counter()
            s3.put_object(Bucket="farm", Key=f"{number}", Body=b"wet" * number)
            took.append(time.perf_counter() - started)
        assert min(took) < 1  # each PUT that waits for "100 Continue" takes a second, beside any load
        assert s3.get_object(Bucket="farm", Key="7")["Body"].read() == b"wet" * 7
        s3.close()

    asyncio.run(scenario())


def test_requests_at_once_are_worked_at_one_at_a_time() -> None:
    """No backend is changed by two requests at once; a client that never sends its body keeps nobody waiting."""
    at_work: list[int] = []
    most: list[int] = []

    def slow(environ: dict[str, Any], _start_response: Any) -> list[bytes]:
        at_work.append(1)
        time.sleep(0.001)
        most.append(len(at_work))
        at_work.pop()
        return [environ["wsgi.input"].read()]

    class Stalled:
        def read(self, _size: int) -> bytes:
            never.wait()
            return b""

    never = threading.Event()
    application = OneAtATime(slow)
    try:
        threading.Thread(target=application, args=({"wsgi.input": Stalled(), "CONTENT_LENGTH": "9"}, None)).start()
        with ThreadPoolExecutor(8) as pool:
            bodies = [
                {"wsgi.input": io.BytesIO(b"%d, and what is no more of it" % n), "CONTENT_LENGTH": "1"}
                for n in range(8)
            ]
            answers = list(pool.map(lambda environ: application(environ, None), bodies))
        assert answers == [[b"%d" % n] for n in range(8)]
        assert most == [1] * 8
    finally:
        never.set()


def test_a_certificate_has_the_id_that_aws_gives_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The id is the SHA-256 of the DER, so that the gate can compute it from what TLS shows."""
    folder = Authority(tmp_path).issue("irrigation-gateway-1")

    async def scenario() -> str:
        aws = Aws(plain=True)
        try:
            return await asyncio.to_thread(register, await aws.start())
        finally:
            await aws.stop()

    def register(endpoint: str) -> str:
        for name, value in environment(endpoint).items():
            monkeypatch.setenv(name, value)
        iot = boto3.client("iot")
        pem = (folder / "certificate.pem").read_text()
        answer = iot.register_certificate_without_ca(certificatePem=pem, status="ACTIVE")
        iot.close()
        return str(answer["certificateId"])

    assert asyncio.run(scenario()) == hashlib.sha256((folder / "certificate.der").read_bytes()).hexdigest()


def test_a_profile_of_the_user_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """It starts although the profile that AWS_PROFILE names does not exist."""

    async def scenario() -> str:
        aws = Aws(plain=True)
        try:
            return await aws.start()
        finally:
            await aws.stop()

    monkeypatch.setenv("AWS_PROFILE", "nobody")
    assert asyncio.run(scenario()).startswith("http://")


def test_it_listens_on_loopback_only() -> None:
    """Nobody in the same network reaches it."""

    async def scenario() -> str:
        aws = Aws(plain=True)
        try:
            return await aws.start()
        finally:
            await aws.stop()

    assert urlparse(asyncio.run(scenario())).hostname == "127.0.0.1"


def test_a_taken_port_is_one_clear_line() -> None:
    """The error names the port and the remedy."""

    async def scenario(port: int) -> None:
        with pytest.raises(AwsError, match=rf"^port {port} on 127.0.0.1 cannot be used .* choose another with --port$"):
            await Aws(port).start()

    with socket.create_server(("127.0.0.1", 0)) as taken:
        asyncio.run(scenario(taken.getsockname()[1]))
    assert issubclass(AwsError, LocalCloudError)


@pytest.mark.parametrize("how", ["input closes", "SIGTERM"])
def test_it_ends_with_its_parent(how: str) -> None:
    """The command line says that it is ready, once, and ends cleanly with its input or by SIGTERM."""
    command = [sys.executable, "-m", "local_cloud.aws", "--port", "0", "--plain"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        endpoint = process.stdout.readline().removeprefix(READY).strip()
        assert is_listening(endpoint)
        process.stdin.close() if how == "input closes" else process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 0
        assert process.stdout.read() == ""
    assert not is_listening(endpoint)


def test_a_wrong_port_ends_with_code_2() -> None:
    """The command line shows one line, no traceback."""
    command = [sys.executable, "-m", "local_cloud.aws", "--port", "70000"]
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("port 70000 on 127.0.0.1 cannot be used")
    assert done.stderr.count("\n") == 1
