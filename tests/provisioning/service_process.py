"""The service as a process that a test can kill, as `python -m provisioning serve --open` is, but for its setup."""

import json
import os
import sys
import time
from pathlib import Path

from provisioning.app import make_app
from provisioning.logs import write_logs
from provisioning.service import Service
from provisioning.surroundings import setup_of
from tests.provisioning.broken import BROKEN
from web.serve import Listen, address_of, bind, serve


def main(document: str) -> None:
    """Serve until killed; `document` is JSON: data, more, patience_s, state, broken."""
    options = json.loads(document)
    setup = setup_of(
        Path(options["data"]),
        os.environ,
        is_open=True,
        more=options["more"],
        patience_s=tuple(options["patience_s"]),
        pulse_s=5.0,
        state=options["state"],
    )
    listen = Listen()
    listener = bind(listen, has_users=False)
    service = Service(setup, time.time)
    if options["broken"]:
        BROKEN[options["broken"]](service)
    write_logs(setup.data)
    serve(
        make_app(lambda: service),
        listener,
        listen,
        lambda: print(f"READY {address_of(listener, listen)}", flush=True),  # noqa: T201
    )


if __name__ == "__main__":
    main(sys.argv[1])
