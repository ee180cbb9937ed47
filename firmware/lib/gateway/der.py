"""What certificates say of themselves (X.509 in DER, RFC 5280). It reads, and verifies nothing: TLS does that."""

import json
import os

from gateway.errors import StorageError
from gateway.store import FileStore
from protocol.messages import EARLIEST, LATEST

_UTC_TIME = 0x17  # with two digits for the year
_VERSION = 0xA0


def facts(der: bytes) -> "tuple[str, int, bytes]":
    """Serial number in upper-case hex, end in Unix seconds, and the public key's bits. Raises ValueError."""
    try:
        at = _inside(der, _inside(der, 0))
        if der[at] == _VERSION:
            at = _end(der, at)
        serial, at = _body(der, at), _end(der, at)
        validity = _end(der, _end(der, at))  # after algorithm and issuer
        ends = _end(der, _inside(der, validity))
        key = _end(der, _end(der, validity))  # after the subject
        bits = _body(der, _end(der, _inside(der, key)))
        return "%X" % int.from_bytes(serial, "big"), _unix_s(der[ends], _body(der, ends).decode()), bits[1:]
    except IndexError as error:
        raise ValueError("cut short") from error


def is_for(certificate: bytes, key: bytes, name: str) -> bool:
    """True for a certificate of this P-256 key and this common name. Raises ValueError for none."""
    point, text = facts(certificate)[2], name.encode()
    return len(point) > 2 and point in key and bytes([12, len(text)]) + text in certificate  # as a UTF8String


def own(root: str) -> str:
    """The folder of this start's identity, another one than usual while that is on trial.

    What a status says of it is written to /certs/identity.json, if it is not there yet: in memory it would take room.
    """
    folder = certs = root + "/certs"
    if "renewal.0" in os.listdir(certs):
        from gateway.renewal import Renewal  # noqa: PLC0415  # few starts have to choose

        folder = Renewal(root).chosen()
    files = FileStore(certs)
    serial, ends, ca_ends = identity(folder)
    about = json.dumps({"certificate": serial, "certificate_expires_at": ends, "ca_expires_at": ca_ends}).encode()
    if files.load("identity.json") != about:
        try:
            files.save("identity.json", about)
        except StorageError:
            pass  # a full flash: the status says less
    return folder


def identity(folder: str) -> "tuple[str | None, int | None, int | None]":
    """A board's certificate: its serial number, its end and its CA's in Unix seconds; None for what cannot be told."""
    (serial, ends), (_, ca_ends) = [_facts(f"{folder}/{name}.der") for name in ("certificate", "root_ca")]
    return serial, ends, ca_ends


def _facts(path: str) -> "tuple[str | None, int | None]":
    try:
        with open(path, "rb") as file:
            serial, ends, _ = facts(file.read())
    except (OSError, ValueError):
        return None, None
    return serial if len(serial) <= 40 else None, ends if EARLIEST <= ends < LATEST else None


def _span(der: bytes, at: int) -> "tuple[int, int]":
    """Where the content of the element at `at` begins, and ends."""
    begin, length = at + 2, der[at + 1]
    if length > 127:
        begin += length & 127
        length = int.from_bytes(der[at + 2 : begin], "big")
    if begin + length > len(der):
        raise ValueError("cut short")
    return begin, begin + length


def _inside(der: bytes, at: int) -> int:
    return _span(der, at)[0]


def _end(der: bytes, at: int) -> int:
    return _span(der, at)[1]


def _body(der: bytes, at: int) -> bytes:
    begin, end = _span(der, at)
    return der[begin:end]


def _unix_s(kind: int, text: str) -> int:
    """Of a UTCTime or a GeneralizedTime in UTC, which RFC 5280 asks for."""
    year = int(text[:-11])
    if kind == _UTC_TIME:
        year += 1900 if year >= 50 else 2000
    month, day, hour, minute, second = [int(text[place : place + 2]) for place in range(-11, -1, 2)]
    if month < 3:  # the year begins in March, so that a leap day is its last
        year, month = year - 1, month + 12
    days = 365 * year + year // 4 - year // 100 + year // 400 + (153 * month - 457) // 5 + day - 719469
    return ((days * 24 + hour) * 60 + minute) * 60 + second
