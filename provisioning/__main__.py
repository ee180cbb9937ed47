"""Farms' infrastructure as durable Terraform jobs: `python -m provisioning --help`."""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

from provisioning.client import Client, to_stdout
from provisioning.errors import InputError, ProvisioningError
from provisioning.job_files.command import main as generate
from provisioning.keys import Keys, Scope
from provisioning.remote import LOCAL
from provisioning.store import Store
from provisioning.surroundings import DEFAULT_FARM, roles_of, setup_of
from web.errors import WebError

DATA = Path("provisioning-data")
URL = "http://localhost:8000"
INTERRUPTED = 130  # as shells have it: 128 and the number of SIGINT


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m provisioning", description=__doc__)
    verbs = parser.add_subparsers(dest="command", required=True)
    serve = verbs.add_parser("serve", help="serve jobs on this machine, until Ctrl-C; jobs at work go on")
    serve.add_argument("--data", type=Path, default=DATA, help="folder (default: %(default)s)")
    serve.add_argument("--port", type=int, default=8000, help="0 takes any that is free (default: %(default)s)")
    serve.add_argument("--open", action="store_true", help="ask for no key: whoever is on this machine may everything")
    serve.add_argument("--children", type=int, default=2, help="at most so many at once (default: %(default)s)")
    serve.add_argument(
        "--state", default=LOCAL, metavar="s3://BUCKET/PREFIX", help="where states are kept (default: %(default)s)"
    )
    serve.add_argument("--drift", metavar="CRON", help="look for drift at these times (UTC), like '0 5 * * *'")
    serve.add_argument("--backup", metavar="s3://BUCKET/PREFIX", help="copy states and the database there, encrypted")
    serve.add_argument("--role", action="append", default=[], metavar="FARM=ARN", help="what a farm's jobs assume")
    key = verbs.add_parser("key", help="keys of programs and people").add_subparsers(dest="verb", required=True)
    add = key.add_parser("add", help="make one; it is printed this once")
    add.add_argument("name", metavar="NAME")
    add.add_argument("--scopes", nargs="+", default=[Scope.ADMIN], metavar="SCOPE", help=f"of {', '.join(Scope)}")
    add.add_argument("--farms", nargs="+", default=[DEFAULT_FARM], metavar="FARM", help="default: %(default)s")
    add.add_argument("--max-monthly-usd", type=float, metavar="USD", help="a plan above it waits")
    revoke = key.add_parser("revoke", help="end one")
    revoke.add_argument("name", metavar="NAME")
    for verb in (add, revoke, key.add_parser("list", help="every one, without its secret")):
        verb.add_argument("--data", type=Path, default=DATA, help="folder (default: %(default)s)")
    recover = verbs.add_parser("recover", help="make a service's folder anew from its backup")
    recover.add_argument("place", metavar="s3://BUCKET/PREFIX")
    recover.add_argument("--data", type=Path, default=DATA, help="new folder (default: %(default)s)")
    verbs.add_parser("generate", help="root modules from job files; docs/job-files.md", add_help=False)
    _add_calls(verbs)
    return parser


def _add_calls(verbs: Any) -> None:
    deploy = verbs.add_parser("deploy", help="deploy the root module in a folder")
    deploy.add_argument("folder", type=Path, metavar="FOLDER")
    deploy.add_argument("--variables", type=Path, metavar="FILE", help="a JSON file of variables")
    deploy.add_argument("--approve", action="store_true", help="stop at the plan, until somebody confirms it")
    deploy.add_argument("--protect", action="store_true", default=None, help="its destroy waits to be confirmed")
    deploy.add_argument("--farm", help="if the key is of several")
    destroy = verbs.add_parser("destroy", help="destroy what a project has")
    for verb in (deploy, destroy):
        verb.add_argument("--project", required=True, metavar="NAME")
        verb.add_argument("--wait", action="store_true", help="until it has ended; the job goes on without us, too")
        verb.add_argument("--queue", action="store_true", help="behind a job of this project that is at work")
    restore = verbs.add_parser("restore", help="put a snapshot of a project's state back; without one, list them")
    restore.add_argument("project", metavar="PROJECT")
    restore.add_argument("snapshot", metavar="SNAPSHOT", type=int, nargs="?", help="its number")
    status = verbs.add_parser("status", help="a job, or a project")
    status.add_argument("name", metavar="JOB|PROJECT")
    cancel = verbs.add_parser("cancel", help="ask a job to end")
    cancel.add_argument("job", metavar="JOB")
    confirm = verbs.add_parser("confirm", help="let exactly this plan be applied")
    confirm.add_argument("job", metavar="JOB")
    confirm.add_argument("digest", metavar="DIGEST", help="of the plan: `status` has it")
    for verb in (deploy, destroy, restore, status, cancel, confirm):
        url = os.environ.get("TERRAFORM_RUNNER_URL", URL)
        verb.add_argument("--url", default=url, help="of the service; also TERRAFORM_RUNNER_URL (default: %(default)s)")


def _serve(arguments: argparse.Namespace) -> int:
    # Only a service needs them, and they take a second.
    from provisioning import cage  # noqa: PLC0415
    from provisioning.app import make_app  # noqa: PLC0415
    from provisioning.logs import write_logs  # noqa: PLC0415
    from provisioning.service import Service  # noqa: PLC0415
    from web.serve import Listen, address_of, bind, serve  # noqa: PLC0415

    setup = setup_of(
        arguments.data,
        os.environ,
        is_open=arguments.open,
        children=max(1, arguments.children),
        roles=roles_of(arguments.role),
        state=arguments.state,
        drift=arguments.drift,
        backup=arguments.backup,
        cage=cage.find(),
    )
    listen = Listen(port=arguments.port)
    listener = bind(listen, has_users=not arguments.open)
    service = Service(setup, time.time)
    write_logs(setup.data)
    address = address_of(listener, listen)
    serve(make_app(lambda: service), listener, listen, lambda: to_stdout(f"READY {address}"))
    to_stdout("stopped; jobs at work go on")
    return 0


def _key(arguments: argparse.Namespace) -> int:
    arguments.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    with closing(Store(arguments.data / "provisioning.db", time.time)) as store:
        keys = Keys(store)
        if arguments.verb == "add":
            print(keys.add(arguments.name, arguments.scopes, arguments.farms, arguments.max_monthly_usd))
        elif arguments.verb == "revoke":
            keys.revoke(arguments.name)
        else:
            for name, scopes, farms, is_revoked in keys.all():
                print(f"{name}  {scopes}  {farms}{'  revoked' if is_revoked else ''}")
    return 0


def _recover(arguments: argparse.Namespace) -> int:
    from provisioning.backup import recover  # noqa: PLC0415 - boto3 takes a second

    for project in recover(setup_of(arguments.data, os.environ), arguments.place, time.time):
        print(f"{project.id}  its state is at {project.state_at}; post its code again")
    return 0


def _deploy(arguments: argparse.Namespace) -> int:
    client = _client(arguments)
    job_id = client.deploy(
        arguments.folder,
        arguments.project,
        variables=_variables(arguments.variables) if arguments.variables else None,
        approve=arguments.approve or None,
        protect=arguments.protect,
        farm=arguments.farm,
        wait=arguments.queue or None,
    )
    return _follow(client, arguments, job_id)


def _destroy(arguments: argparse.Namespace) -> int:
    client = _client(arguments)
    body = {"projectId": arguments.project, "wait": arguments.queue}
    return _follow(client, arguments, client.begin("/api/deploy/destroy", body))


def _restore(arguments: argparse.Namespace) -> int:
    client, project = _client(arguments), arguments.project
    if arguments.snapshot is None:
        for row in client.call("GET", f"/api/deploy/snapshots/{_part(project)}")["snapshots"]:
            print("{snapshot}  {at}  {jobId}  {resources} resources, serial {serial}".format(**row))
        return 0
    body = {"projectId": project, "snapshot": arguments.snapshot}
    job_id = client.begin("/api/deploy/restore", body)
    print(job_id, flush=True)
    code = client.wait(job_id, to_stdout)
    if code == 0:
        drift = client.known(f"/api/deploy/drift/{_part(project)}")
        print(": ".join([drift["message"], *filter(None, [", ".join(drift["addresses"])])]))
    return code


def _status(arguments: argparse.Namespace) -> int:
    is_job = arguments.name.startswith(("deploy-", "destroy-", "restore-")) and arguments.name.count("-") == 2
    path = "status" if is_job else "infrastructure"
    print(json.dumps(_client(arguments).call("GET", f"/api/deploy/{path}/{_part(arguments.name)}"), indent=1))
    return 0


def _cancel(arguments: argparse.Namespace) -> int:
    print(_client(arguments).call("POST", f"/api/deploy/cancel/{_part(arguments.job)}").get("detail"))
    return 0


def _confirm(arguments: argparse.Namespace) -> int:
    body = {"digest": arguments.digest}
    print(_client(arguments).call("POST", f"/api/deploy/confirm/{_part(arguments.job)}", body).get("detail"))
    return 0


def _client(arguments: argparse.Namespace) -> Client:
    return Client(arguments.url, os.environ.get("PROVISIONING_KEY"))


def _follow(client: Client, arguments: argparse.Namespace, job_id: str) -> int:
    print(job_id, flush=True)
    try:
        return client.wait(job_id, to_stdout) if arguments.wait else 0
    except KeyboardInterrupt:
        print(f"{job_id} goes on; how it ended says: python -m provisioning status {job_id}", file=sys.stderr)
        return INTERRUPTED


def _part(name: str) -> str:
    """A name as one part of a path."""
    return quote(name, safe="")


def _variables(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise InputError(f"{path} is no JSON: {error}") from error


_COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "serve": _serve,
    "key": _key,
    "recover": _recover,
    "deploy": _deploy,
    "destroy": _destroy,
    "restore": _restore,
    "status": _status,
    "cancel": _cancel,
    "confirm": _confirm,
}


def main(words: Sequence[str] | None = None) -> int:
    """Run one command; a mistake of the user's is one line on stderr and code 2."""
    words = sys.argv[1:] if words is None else words
    if words[:1] == ["generate"]:  # its options and codes are the same as those of scripts/generate_terraform.py
        return generate(words[1:])
    arguments = _parser().parse_args(words)
    try:
        return _COMMANDS[arguments.command](arguments)
    except KeyboardInterrupt:
        return INTERRUPTED
    except (ProvisioningError, WebError, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
