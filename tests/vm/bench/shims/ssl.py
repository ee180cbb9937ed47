"""Simulated for the bench, never upload it to a board: TLS contexts, whose handshakes the host does."""

import _wires
import uctypes

PROTOCOL_TLS_CLIENT, PROTOCOL_TLS_SERVER = 0, 1
CERT_NONE, CERT_OPTIONAL, CERT_REQUIRED = 0, 1, 2


class SSLContext:
    def __init__(self, _protocol):
        self._id = _wires.context()
        self._verify_mode = CERT_NONE  # what older ports begin with: who forgets to ask for more is found out
        self._trusts = False

    @property
    def verify_mode(self):
        return self._verify_mode

    @verify_mode.setter
    def verify_mode(self, mode):
        self._verify_mode = mode
        _wires.verify(self._id, mode)

    def load_cert_chain(self, certfile, keyfile):
        certificate, key = _bytes(certfile), _bytes(keyfile)
        fault = _wires.chain(
            self._id, uctypes.addressof(certificate), len(certificate), uctypes.addressof(key), len(key)
        )
        if fault:
            raise ValueError("invalid cert" if fault == 1 else "invalid key")

    def load_verify_locations(self, cafile=None, cadata=None):
        data = _bytes(cafile or cadata)
        if _wires.trust(self._id, uctypes.addressof(data), len(data)):
            raise ValueError("invalid cert")
        self._trusts = True


def _bytes(given):
    if isinstance(given, str):
        with open(given, "rb") as file:
            given = file.read()
    return given or b"\0"
