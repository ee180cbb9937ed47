"""The application as the seed starts it: `uvicorn provisioning.main:app --port 8000`. Keys are always asked.

`PROVISIONING_DATA` names the folder, `PROVISIONING_ROLES` the roles of farms (FARM=ARN, with commas),
`PROVISIONING_STATE` where states are kept (s3://BUCKET/PREFIX), `PROVISIONING_BACKUP` where they are copied to,
`PROVISIONING_DRIFT` when drift is looked for (cron, UTC).
"""

import os
import time
from pathlib import Path

from provisioning import cage
from provisioning.app import make_app
from provisioning.logs import write_logs
from provisioning.remote import LOCAL
from provisioning.service import Service
from provisioning.surroundings import roles_of, setup_of


def _open() -> Service:
    data = Path(os.environ.get("PROVISIONING_DATA", "provisioning-data"))
    roles = roles_of(os.environ.get("PROVISIONING_ROLES", "").split(","))
    state, drift = os.environ.get("PROVISIONING_STATE", LOCAL), os.environ.get("PROVISIONING_DRIFT")
    backup = os.environ.get("PROVISIONING_BACKUP")
    setup = setup_of(data, os.environ, roles=roles, state=state, drift=drift, backup=backup, cage=cage.find())
    service = Service(setup, time.time)
    write_logs(setup.data)
    return service


app = make_app(_open)
