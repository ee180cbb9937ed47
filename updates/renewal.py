"""A board's next certificate becomes a job of that board: `python -m certs renew` has made it, for a spare that it has.

    {"operation": "renew", "spare": 2, "certificate": "<DER, base64>"}

It needs no signature: a board takes nothing but a certificate for a key of its own, and keeps it only once its broker
let it in with it. A renewal is a job of its own, so that neither it nor a roll-out ends the other.
"""

import base64
import hashlib
import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID

from updates.errors import RenewalError
from updates.store import RENEWAL, Job, Store

SPARES = range(1, 6)  # what a board has files for
_THING = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True)
class Renewal:
    """What a board is given: a certificate in DER, and the number of the spare whose key it holds."""

    thing: str
    spare: int
    der: bytes
    serial: str  # upper-case hex, as the board's status shows it

    def document(self) -> str:
        """The job document."""
        certificate = base64.b64encode(self.der).decode()
        return json.dumps({"operation": "renew", "spare": self.spare, "certificate": certificate})


def read_renewal(certs: Path, thing: str) -> Renewal:
    """The next certificate of a thing in a folder of `python -m certs`. Raises RenewalError."""
    if not _THING.fullmatch(thing):
        raise RenewalError(f"{thing!r}: want a thing's name: letters, digits, '_' and '-'")
    folder = certs / thing
    if not (folder / "next" / "certificate.pem").exists():
        raise RenewalError(f"{folder}: no next certificate; make it with: python -m certs renew {thing}{_out(certs)}")
    before = _certificate(folder, f"make it whole: python -m certs issue --things {thing}{_out(certs)}")
    give_up = f"give it up: python -m certs withdraw {thing} --seen {_serial(before)}{_out(certs)}, then renew again"
    following = _certificate(folder / "next", give_up)
    for certificate in (before, following):
        if (certs / "ca" / "revoked" / f"{hashlib.sha256(_der(certificate)).hexdigest()}.pem").exists():
            raise RenewalError(f"{thing} was revoked, or its next certificate; it gets none any more")
    names = [str(name.value) for name in following.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if names != [thing]:
        raise RenewalError(
            f"{folder}: its next certificate is of {', '.join(names)}; remove {folder}/next, renew again"
        )
    if before == following:
        end = f"python -m certs settle {thing} --seen {_serial(before)}{_out(certs)}"
        raise RenewalError(f"{folder}: its next certificate is its own already; bring the settle to its end: {end}")
    spare = _spare(folder / "next" / "spare.txt", give_up)
    return Renewal(thing, spare, _der(following), _serial(following))


def publish_renewal(store: Store, renewal: Renewal, job: str | None, limit_s: int, now: int) -> Job:
    """Write the job down, of one board, which may take `limit_s` seconds; the service tells it. Raises JobError."""
    new = Job(
        id=job or _free_name(store, renewal),
        version=RENEWAL,
        document=renewal.document(),
        created_at=now,
        limit_s=limit_s,
        tolerances=(0,),
    )
    store.add(new, [[renewal.thing]])
    return new


def _free_name(store: Store, renewal: Renewal) -> str:
    """A name that says whose it is; given again, the same certificate has a number behind it."""
    base, names = f"renew-{renewal.thing[:40]}-{renewal.serial[:8].lower()}", {job.id for job in store.jobs()}
    return next(name for name in (base, *(f"{base}-{n}" for n in range(2, len(names) + 3))) if name not in names)


def aws_input(renewal: Renewal, job: str | None, arn: str, minutes: int) -> dict[str, Any]:
    """What `aws iot create-job` is given for a board. Raises RenewalError if the ARN is not that of the thing."""
    if not re.fullmatch(rf"arn:aws[a-z-]*:iot:[a-z0-9-]+:\d{{12}}:thing/{re.escape(renewal.thing)}", arn):
        raise RenewalError(f"--aws {arn}: want the ARN of the thing, arn:aws:iot:REGION:ACCOUNT:thing/{renewal.thing}")
    return {
        "jobId": job or f"renew-{renewal.thing[:40]}-{renewal.serial[:8].lower()}",
        "targets": [arn],
        "targetSelection": "SNAPSHOT",
        "document": renewal.document(),
        "timeoutConfig": {"inProgressTimeoutInMinutes": minutes},
    }


def aws_commands(renewal: Renewal, job: dict[str, Any], file: Path) -> Sequence[str]:
    """The lines that a person types: give it, and look how it went."""
    where = ("--job-id", job["jobId"], "--thing-name", renewal.thing)
    look = ("aws", "iot", "describe-job-execution", *where, "--query", "execution.[status,statusDetails]")
    give = ("aws", "iot", "create-job", "--cli-input-json", f"file://{file}")
    return [shlex.join(give), shlex.join(look)]


def _certificate(folder: Path, remedy: str) -> x509.Certificate:
    path = folder / "certificate.pem"
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise RenewalError(f"{path}: no certificate that can be read ({error}); {remedy}") from error


def _serial(certificate: x509.Certificate) -> str:
    """As the board's status shows it: whole bytes in upper-case hex."""
    digits = f"{certificate.serial_number:X}"
    return digits.zfill(len(digits) + len(digits) % 2)


def _out(certs: Path) -> str:
    """What a command of `certs` takes besides, to work in this folder."""
    return "" if certs == Path("certs/issued") else f" --out {certs}"


def _spare(path: Path, remedy: str) -> int:
    try:
        number = int(path.read_text())
    except (OSError, ValueError):
        number = 0
    if number not in SPARES:
        raise RenewalError(f"{path}: want the number of a spare, 1 to 5; {remedy}")
    return number


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)
