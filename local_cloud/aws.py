"""The AWS API on this machine: moto as a process of its own, on loopback, that never outlives who started it.

`python -m local_cloud.aws --port 5000` prints `READY http://127.0.0.1:5000`; it stops when its input closes, or on
SIGTERM.
"""

import argparse
import asyncio
import io
import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from local_cloud.errors import AwsError

HOST = "127.0.0.1"
READY = "READY "
PATIENCE_S = 5
STARTS_WITHIN_S = 60

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]  # WSGI's


def environment(endpoint: str) -> dict[str, str]:
    """The variables that lead boto3, in this process or another, to `endpoint`, and never to a real account."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",  # moto takes any
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "NO_PROXY": f"{HOST},localhost",
    }


def without_aws(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables but for those of AWS: a profile of the user's has no say here, and may not even exist."""
    return {name: value for name, value in environment.items() if not name.startswith("AWS_")}


class Aws:
    """Starts and stops the process. `port` 0 takes any free port; `plain` leaves out what only Terraform needs."""

    def __init__(self, port: int = 0, *, plain: bool = False) -> None:
        self._options = ("--port", str(port), *(["--plain"] if plain else []))
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> str:
        """Start and wait until it answers; gives the endpoint URL. Raises AwsError."""
        with tempfile.TemporaryFile() as errors:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "local_cloud.aws", *self._options),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                # A profile of the user's is none of its business, and one that does not exist would stop it.
                env=without_aws(os.environ),
                start_new_session=True,  # Ctrl-C in a terminal is for us; this process ends when we let it
            )
            assert self._process.stdout is not None
            with suppress(TimeoutError):
                async with asyncio.timeout(STARTS_WITHIN_S):
                    line = (await self._process.stdout.readline()).decode()
                if line.startswith(READY):
                    return line.removeprefix(READY).strip()
            await self.stop()
            errors.seek(0)
            raise AwsError((errors.read().decode(errors="replace").strip().splitlines() or ["moto did not start"])[-1])

    async def stop(self) -> None:
        """End the process; harmless if it never started."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(PATIENCE_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


def serve(port: int, *, plain: bool = False) -> None:
    """Serve until standard input closes, or SIGTERM; `plain`: without `aws_gaps`. Raises AwsError."""
    listener = _listen(port)
    server = _make_server(listener)
    if not plain:
        from local_cloud import aws_gaps  # noqa: PLC0415  # it loads half of moto, what EC2 knows of machines too

        aws_gaps.install()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    threading.Thread(target=_shut_down_at_end_of_input, args=(server,), daemon=True).start()
    sys.stdout.write(f"{READY}http://{HOST}:{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    with suppress(KeyboardInterrupt):
        server.serve_forever(poll_interval=0.05)


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server((HOST, port))
    except (OSError, OverflowError) as error:
        raise AwsError(f"port {port} on {HOST} cannot be used ({error}); choose another with --port") from error


def _make_server(listener: socket.socket) -> Any:
    # Here, so that whoever only starts the process does not load moto too.
    from moto import backends  # noqa: PLC0415  # see above
    from moto.core.config import default_user_config  # noqa: PLC0415  # see above
    from moto.moto_server import werkzeug_app as moto  # noqa: PLC0415  # see above
    from werkzeug.serving import make_server  # noqa: PLC0415  # see above

    class Handler(moto.MotoRequestHandler):
        # A connection that stays open makes a PUT more than twice as fast; Nagle's delay would undo that.
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log(self, *_: object) -> None:
            """Requests are not logged: it costs, and nobody reads it."""

    default_user_config["iot"] = {"use_valid_cert": True}  # a certificate's id is that of its DER, as on AWS
    default_user_config["lambda"] = {"use_docker": False}
    modules = frozenset(backends.list_of_moto_modules())  # moto looks at each of its 200 folders for each request
    backends.list_of_moto_modules = lambda: modules
    host, port = listener.getsockname()
    application = OneAtATime(moto.DomainDispatcherApplication(moto.create_backend_app))
    return make_server(host, port, application, threaded=True, request_handler=Handler, fd=listener.fileno())


class OneAtATime:
    """A WSGI application that works at one request at a time, whose body is in by then; connections stay side by side.

    moto's backends are plain dicts. Two requests that change them at once may answer 500 with the change half made;
    the AWS SDKs then send it again, and it is there twice, or never goes away.
    """

    def __init__(self, application: Application) -> None:
        self._application = application
        self._turn = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer; a client that is slow to send its body holds up nobody."""
        environ["wsgi.input"] = io.BytesIO(_body(environ))
        with self._turn:
            return self._application(environ, start_response)


def _body(environ: Mapping[str, Any]) -> bytes:
    stream = environ["wsgi.input"]
    if environ.get("wsgi.input_terminated"):  # it comes in chunks, and ends by itself
        return bytes(stream.read())
    return bytes(stream.read(int(environ.get("CONTENT_LENGTH") or 0)))


def _shut_down_at_end_of_input(server: Any) -> None:
    while os.read(0, 4096):  # not sys.stdin: its lock would stand in the way of SIGTERM
        pass
    server.shutdown()


def main(arguments: list[str] | None = None) -> int:
    """The command line; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m local_cloud.aws", description="The AWS API on this machine")
    parser.add_argument("--port", type=int, default=0, help="on 127.0.0.1; 0, the default, takes any free port")
    parser.add_argument("--plain", action="store_true", help="without what only Terraform asks for: it starts sooner")
    options = parser.parse_args(arguments)
    try:
        serve(options.port, plain=options.plain)
    except AwsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
