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


class OneReading(unittest.TestCase):
    def test_each_document_has_its_verdict(self):
        """A board and the service take and refuse the same updates."""
        for text, good in json_documents.documents(FIELDS):
            try:
                messages.decode(topics.UPDATES, text)
                found = True
            except ProtocolError:
                found = False
            self.assertEqual((text, found), (text, good))

    def test_the_scanner_agrees(self):
        """What a board scans is what CPython's own reader takes, up to what stands in a document."""
        for text, _ in json_documents.documents(FIELDS):
            verdicts = []
            for read in (json_text.loads, json_text.scan):
                try:
                    read(text)
                    verdicts.append(True)
                except ValueError:
                    verdicts.append(False)
            self.assertEqual((text, verdicts[0]), (text, verdicts[1]))

    def test_values_stay(self):
        """What is read is what the text says."""
        value = {"a": [1, -2.5, 1e3, True, None, 'x\\"\u00e9'], "b": {}}
        self.assertEqual(json_text.loads(json.dumps(value).encode()), value)

    def test_a_character_of_two_halves_is_one(self):
        """Escaped, as the service writes it, it is one letter to a board, too, and not two of a text's most."""
        for text, letters in (
            (b'"a\\ud83d\\ude00\\uD83D\\uDE00b"', 4),
            (b'"\\\\ud83d"', 6),
            (b'"\\\\\\ud83d\\ude00"', 2),
        ):
            self.assertEqual((text, len(json_text.loads(text))), (text, letters))
        self.assertEqual(json_text.loads(b'"\\ud83d\\ude00"').encode(), b"\xf0\x9f\x98\x80")
