"""The certificate by which the service connects, and the CA that it trusts: until when they hold."""

import logging
from pathlib import Path

from compute_service.domain.alarms import Identity

log = logging.getLogger(__name__)


def read(folder: Path) -> tuple[Identity, ...]:
    """Both, of a folder as `python -m certs issue` makes it; what cannot be read is told in the log, and left out."""
    from cryptography import x509  # noqa: PLC0415  # a twentieth of a second of every command's start, for `run` alone

    identities = []
    for name, is_ca in (("certificate.pem", False), ("root_ca.pem", True)):
        file = folder / name
        try:
            certificates = x509.load_pem_x509_certificates(file.read_bytes())
        except (OSError, ValueError) as error:
            log.warning("%s: cannot be read (%s), so nobody is told when it ends", file, error)
            continue
        ends = min(int(one.not_valid_after_utc.timestamp()) for one in certificates)
        identities.append(Identity(thing=folder.name, is_ca=is_ca, expires_at=ends, file=str(file)))
    return tuple(identities)
