"""What a board reads in its certificates: small ones by hand here, real ones in tests/firmware/test_der.py."""

import unittest

from gateway import der


def element(tag, *parts):
    """One DER element; lengths of 128 and more take their long form."""
    body = b"".join(parts)
    size = bytes([len(body)]) if len(body) < 128 else bytes([0x82]) + len(body).to_bytes(2, "big")
    return bytes([tag]) + size + body


VERSION = b"\xa0\x03\x02\x01\x02"


def certificate(ends, serial=b"\x07", version=VERSION, issuer=b"", bits=b"\x00\x04key"):
    """The parts of a certificate that are read, and something in place of the others."""
    validity = element(0x30, element(0x17, b"200101000000Z"), ends)
    key = element(0x30, element(0x30, element(6, b"\x2a")), element(3, bits))
    parts = (version, element(2, serial), element(0x30), element(0x30, issuer), validity, element(0x30), key)
    return element(0x30, element(0x30, b"".join(parts)), element(0x30), element(3, b"\x00"))


class ACertificate(unittest.TestCase):
    def test_its_facts(self):
        """Serial number, end, and the public key's bits without the count of unused ones."""
        self.assertEqual(der.facts(certificate(element(0x17, b"491231235959Z"))), ("7", 2524607999, b"\x04key"))

    def test_both_forms_of_a_time(self):
        """Two digits are from 1950 to 2049, four digits any year; leap days count."""
        for kind, text, unix_s in (
            (0x17, b"700101000000Z", 0),
            (0x17, b"500101000000Z", -631152000),
            (0x17, b"000229000000Z", 951782400),
            (0x18, b"20500101000000Z", 2524608000),
            (0x18, b"21000301000000Z", 4107542400),
            (0x18, b"99991231235959Z", 253402300799),
        ):
            self.assertEqual(der.facts(certificate(element(kind, text)))[1], unix_s, text)

    def test_any_length_of_a_part(self):
        """A serial of 20 bytes, whose sign takes one more; an issuer of two hundred letters; no version."""
        serial = b"\x00" + b"\xfe" * 20
        text = certificate(element(0x17, b"300101000000Z"), serial, b"", b"x" * 200)
        self.assertEqual(der.facts(text)[0], "FE" * 20)

    def test_what_is_none(self):
        """Cut short at any byte, it is no certificate, and never an end of the program."""
        whole = certificate(element(0x17, b"300101000000Z"))
        for size in range(len(whole) - 12):
            with self.assertRaises(ValueError):
                der.facts(whole[:size])
        for ends in (element(0x17, b""), element(0x17, b"30010100000xZ"), element(0x17, b"\xff" * 13)):
            with self.assertRaises(ValueError):
                der.facts(certificate(ends))
