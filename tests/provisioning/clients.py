"""The service in the test's own process, behind a real socket and a client."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from provisioning.app import make_app
from provisioning.service import Service
from provisioning.surroundings import setup_of
from tests.provisioning.conftest import short_folder
from tests.provisioning.house import seldom
from tests.waiting import until_true


class Client(httpx.Client):
    """A client that knows the service behind its URL."""

    def __init__(self, url: str, service: Service) -> None:
        super().__init__(base_url=url, timeout=60, trust_env=False)
        self.service = service


@contextmanager
def in_process(
    mirror: Path, folder: Path | None = None, now: Callable[[], float] = time.time, **options: Any
) -> Iterator[Client]:
    """A service over a new folder, and its client."""
    with short_folder() as new_folder:
        setup = setup_of((folder or new_folder) / "d", {"TF_MIRROR": str(mirror)}, **options)
        service = Service(setup, now)
        listener = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(make_app(lambda: service), log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            until_true(lambda: server.started or not thread.is_alive(), "the server")
            with Client(f"http://127.0.0.1:{listener.getsockname()[1]}", service) as client:
                yield client
        finally:
            server.should_exit = True
            thread.join()
            listener.close()


def ended(client: Client, job_id: str, headers: dict[str, str] | None = None) -> Any:
    """The job, once it has ended."""

    def job() -> Any:
        return client.get(f"/api/deploy/status/{job_id}", headers=headers).json()

    until_true(lambda: seldom(job()["endTime"] is not None), f"the end of {job_id}")
    return job()
