"""Give a fleet its next firmware over the air, in stages, and boards their next certificate: `python -m updates -h`."""

import argparse
import json
import logging
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from protocol import farms
from updates.aws_job import Target, commands, inputs, write_inputs
from updates.bundle import read_bundle
from updates.connection import Address, Connection
from updates.errors import JobError, StoreError, UpdatesError
from updates.publish import JOB_ID, Plan, fleet, publish
from updates.renewal import aws_commands, aws_input, publish_renewal, read_renewal
from updates.rollout import abort
from updates.service import DATABASE, Service
from updates.store import WAITING, Job, Store


def _now() -> int:
    return int(time.time())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m updates", description=__doc__)
    verbs = parser.add_subparsers(dest="command", required=True)
    give = verbs.add_parser("publish", help="give a bundle to a fleet, some boards first, then the rest")
    give.add_argument("bundle", type=Path, metavar="BUNDLE", help="a folder of: python -m firmware sign")
    give.add_argument(
        "--certs", type=Path, default=Path("certs/issued"), help="every board in it (default: %(default)s)"
    )
    give.add_argument("--things", nargs="+", metavar="NAME", help="these boards, instead of those in --certs")
    give.add_argument("--first", nargs="+", default=[], metavar="NAME", help="boards that lead the first stage")
    give.add_argument(
        "--stages",
        nargs="+",
        default=["1", "10%"],
        metavar="SIZE",
        help="boards in each stage, as 5 or 10%%, before the rest (default: 1 10%%)",
    )
    give.add_argument(
        "--failures", default="10%", metavar="SIZE", help="of a stage, may fail (default: 10%%, rounded down)"
    )
    serve = verbs.add_parser("serve", help="serve jobs and streams beside a broker, until Ctrl-C")
    serve.add_argument("--host", required=True, help="the farm's broker")
    serve.add_argument("--port", type=int, default=8883, help="default: %(default)s")
    serve.add_argument("--certs", type=Path, help="the service's own identity (default: certs/issued/FARM-updates)")
    for verb in (give, serve):
        farms.add_option(verb)
    status = verbs.add_parser("status", help="how far each job is")
    status.add_argument("job", nargs="?", metavar="JOB", help="with every board of this one")
    stop = verbs.add_parser("abort", help="end a job: boards that have not begun are let off")
    stop.add_argument("job", metavar="JOB")
    stop.add_argument("--force", action="store_true", help="those at work, too")
    renew = verbs.add_parser("renew", help="give one board its next certificate, which `python -m certs renew` made")
    _add_renew(renew)
    for verb in (give, serve, status, stop, renew):
        verb.add_argument("--data", type=Path, default=Path("build/updates"), help="folder (default: %(default)s)")
    _add_aws(verbs.add_parser("aws", help="write what AWS IoT is given for a bundle, and print the commands"), give)
    return parser


def _add_aws(aws: argparse.ArgumentParser, give: argparse.ArgumentParser) -> None:
    aws.add_argument("bundle", type=Path, metavar="BUNDLE")
    aws.add_argument("--bucket", required=True, help="for the files")
    aws.add_argument("--role", required=True, metavar="ARN", help="by which AWS IoT reads the bucket")
    aws.add_argument("--first", required=True, nargs="+", metavar="ARN", help="of things that get it first")
    aws.add_argument("--rest", required=True, nargs="+", metavar="ARN", help="of things or thing groups")
    aws.add_argument("--failures-percent", type=int, choices=range(1, 101), default=10, metavar="N")
    aws.add_argument("--out", type=Path, default=Path("build/aws-update"), help="folder (default: %(default)s)")
    for verb in (give, aws):
        verb.add_argument("--minutes", type=_minutes, default=60, help="of a board, or a stage (default: %(default)s)")
        verb.add_argument("--job", metavar="NAME", help="default: update- and the version")


def _add_renew(renew: argparse.ArgumentParser) -> None:
    renew.add_argument("thing", metavar="THING")
    renew.add_argument(
        "--certs", type=Path, default=Path("certs/issued"), help="where its next certificate is (default: %(default)s)"
    )
    renew.add_argument(
        "--minutes", type=_minutes, default=1440, help="until the board has ended, or is let off (default: %(default)s)"
    )
    renew.add_argument("--job", metavar="NAME", help="default: renew-, the thing and the serial's begin")
    renew.add_argument("--aws", metavar="ARN", help="of the thing: write what AWS IoT is given, and print the commands")
    renew.add_argument(
        "--out", type=Path, default=Path("build/aws-renewal"), help="folder for it (default: %(default)s)"
    )


def _minutes(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 10_080:
        raise argparse.ArgumentTypeError(f"want 1 to 10080, got {text}")
    return number


def _publish(arguments: argparse.Namespace) -> None:
    bundle = read_bundle(arguments.bundle)
    plan = Plan(
        things=arguments.things or fleet(arguments.certs, arguments.farm),
        first=arguments.first,
        sizes=arguments.stages,
        failures=arguments.failures,
        limit_s=60 * arguments.minutes,
    )
    with closing(Store(arguments.data / DATABASE)) as store:
        job_id = arguments.job or f"update-{bundle.version}"
        job = publish(store, arguments.data, bundle, plan, job_id, _now())
        for number, tolerance in enumerate(job.tolerances):
            count = sum(store.counts(job.id, number).values())
            print(f"{job.id}  stage {number + 1}: {count} boards, of which {tolerance} may fail or be silent")


def _renew(arguments: argparse.Namespace) -> None:
    renewal = read_renewal(arguments.certs, arguments.thing)
    if arguments.aws:
        job = aws_input(renewal, arguments.job, arguments.aws, arguments.minutes)
        _write(arguments.out, {"job.json": job})
        print("\n".join(aws_commands(renewal, job, arguments.out / "job.json")))
        return
    if arguments.job and not JOB_ID.fullmatch(arguments.job):
        raise JobError(f"--job {arguments.job!r}: want 1 to 64 of a-z, A-Z, 0-9, _ and -")
    with closing(Store(arguments.data / DATABASE)) as store:
        job_id = publish_renewal(store, renewal, arguments.job, 60 * arguments.minutes, _now()).id
    print(f"{job_id}  {renewal.thing} gets the certificate for its spare {renewal.spare}, serial {renewal.serial}")


def _write(folder: Path, content: dict[str, dict[str, Any]]) -> None:
    try:
        write_inputs(folder, content)
    except OSError as error:
        raise StoreError(f"--out {folder}: {error.strerror}; choose another folder") from error


def _serve(arguments: argparse.Namespace) -> None:
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    identity = arguments.certs or Path("certs/issued", f"{arguments.farm}-updates")
    address = Address(host=arguments.host, port=arguments.port, client_id=identity.name, identity=identity)
    with closing(Service(arguments.data, _now, time.monotonic, arguments.farm)) as service:
        connection = Connection(address, service)
        print(f"updates of {arguments.data} at {address.host}:{address.port}; Ctrl-C stops", flush=True)
        connection.run(stop)
    print("stopped")


def _status(arguments: argparse.Namespace) -> None:
    with closing(_existing(arguments.data)) as store:
        for job in [store.job(arguments.job)] if arguments.job else store.jobs():
            print(_line(job))
            for number in range(0 if job.is_renewal else len(job.tolerances)):
                counts = store.counts(job.id, number)
                words = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
                print(f"  stage {number + 1}: {words}")
            for one in store.executions(job.id) if arguments.job or job.is_renewal else []:
                if one.status != WAITING or job.is_renewal:
                    details = " ".join(f"{name}={value}" for name, value in one.details.items())
                    print(f"  {one.thing:<32} {one.status:<12} {details}".rstrip())


def _line(job: Job) -> str:
    what = f"spare {json.loads(job.document)['spare']}" if job.is_renewal else f"version {job.version}"
    return f"{job.id}  {what}  {job.state}  {job.reason}".rstrip()


def _abort(arguments: argparse.Namespace) -> None:
    with closing(_existing(arguments.data)) as store:
        print(_line(abort(store, arguments.job, _now(), force=arguments.force)))


def _aws(arguments: argparse.Namespace) -> None:
    bundle = read_bundle(arguments.bundle)
    job_id = arguments.job or f"update-{bundle.version}"
    target = Target(
        bucket=arguments.bucket,
        role=arguments.role,
        first=arguments.first,
        rest=arguments.rest,
        failures_percent=arguments.failures_percent,
        minutes=arguments.minutes,
    )
    _write(arguments.out, inputs(bundle, job_id, target))
    print("\n".join(commands(bundle, job_id, target.bucket, arguments.out)))


def _existing(data: Path) -> Store:
    if not (data / DATABASE).is_file():
        raise StoreError(f"{data}: nothing was published there; name the folder with --data")
    return Store(data / DATABASE)


_COMMANDS: dict[str, Callable[[argparse.Namespace], None]] = {
    "publish": _publish,
    "renew": _renew,
    "serve": _serve,
    "status": _status,
    "abort": _abort,
    "aws": _aws,
}


def main(words: Sequence[str] | None = None) -> int:
    """Run one command; a mistake of the user's is one line on stderr and code 2."""
    arguments = _parser().parse_args(words)
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    try:
        _COMMANDS[arguments.command](arguments)
    except UpdatesError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
