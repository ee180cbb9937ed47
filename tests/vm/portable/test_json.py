"""JSON as all read it: the documents of `json_documents`, here on the interpreter that runs this."""

import json
import unittest

from protocol import json_text, messages, topics
from protocol.errors import ProtocolError
from tests.vm.portable import json_documents

FIELDS = (
    b'"update_id": "u1", "device_id": "all", "issued_at": 1800000000, "settings": {"sample_interval_s": 600}, '
    b'"boot_id": "a"'
)


# Bytes beside the borders of RFC 3629: what may begin a character, what may follow at once, and what after that.
FIRST = (
    0x7F,
    0x80,
    0xBF,
    0xC0,
    0xC1,
    0xC2,
    0xDF,
    0xE0,
    0xE1,
    0xEC,
    0xED,
    0xEE,
    0xEF,
    0xF0,
    0xF1,
    0xF3,
    0xF4,
    0xF5,
    0xFF,
)
SECOND = (0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0)
REST = (
    b"",
    b"\x80",
    b"\xc0",
    b"\x80\x80",
    b"\xbf\xbf",
    b"\x7f\x80",
    b"\xc0\x80",
    b"\x80\x7f",
    b"\x80\xc0",
    b"\x80\x80\x80",
)


def takes(read, text):
    try:
        read(text)
    except ValueError:
        return False
    return True


class OneReading(unittest.TestCase):
    def test_each_document_has_its_verdict(self):
        """A board and the service take and refuse the same updates."""
        for text, good in json_documents.documents(FIELDS):
            try:
                messages.decode(topics.updates(), text)
                found = True
            except ProtocolError:
                found = False
            self.assertEqual((text, found), (text, good))

    def test_the_scanner_agrees(self):
        """What a board scans is what CPython's own reader takes, up to what stands in a document."""
        for text, _ in json_documents.documents(FIELDS):
            self.assertEqual((text, takes(json_text.scan, text)), (text, takes(json_text.loads, text)))

    def test_the_scanner_knows_each_character(self):
        """Of two to four bytes, no half of one and none in more bytes than it needs, as the interpreter."""
        for first in FIRST:
            for second in SECOND:
                for rest in REST:
                    text = b'"' + bytes((first, second)) + rest + b'"'
                    self.assertEqual((text, takes(json_text.scan, text)), (text, takes(json_text.loads, text)))

    def test_a_text_that_breaks_off(self):
        """Wherever a text ends too early, it is refused, and by no other error."""
        text = b'{"a": [-1.5e+3, true, null, {"b\xc3\xa9": "\\n\\ud83d\\ude00"}, [false, {}]]}'
        self.assertTrue(takes(json_text.scan, text))
        for size in range(len(text)):
            self.assertEqual(
                (size, takes(json_text.scan, text[:size]), takes(json_text.loads, text[:size])), (size, False, False)
            )

    def test_values_stay(self):
        """What is read is what the text says."""
        value = {"a": [1, -2.5, 1e3, True, None, 'x\\"\u00e9'], "b": {}}
        self.assertEqual(json_text.loads(json.dumps(value).encode()), value)

    def test_a_character_of_two_halves_is_one(self):
        """Escaped, as the service writes it, it is one letter to a board, too, and not two of a text's most."""
        for text, value in (
            (b'"a\\ud83d\\ude00\\uD83D\\uDE00b"', b"a\xf0\x9f\x98\x80\xf0\x9f\x98\x80b"),
            (b'"\\udbff\\udfff\\n"', b"\xf4\x8f\xbf\xbf\n"),
            (b'"\\n\\uD800\\uDC00"', b"\n\xf0\x90\x80\x80"),
            (b'"\\\\ud83d"', b"\\ud83d"),
            (b'"\\\\\\ud83d\\ude00"', b"\\\xf0\x9f\x98\x80"),
        ):
            self.assertEqual((text, json_text.loads(text).encode()), (text, value))
