"""The stores: files that are replaced in one step, or appended to, on both runtimes' file systems."""
# MicroPython has no pathlib.
# ruff: noqa: PTH102, PTH106, PTH107, PTH208

import os
import unittest

from gateway.errors import StorageError
from gateway.journal import Journal
from gateway.store import FileStore, MemoryStore

try:
    from tempfile import mkdtemp
except ImportError:  # the VM's file system is thrown away with it

    def mkdtemp():
        os.mkdir("stores")
        return "stores"


class Stores(unittest.TestCase):
    def setUp(self):
        self.folder = mkdtemp()
        self.stores = [MemoryStore(), FileStore(self.folder), FileStore(self.folder + "/other", sync=False)]
        os.mkdir(self.folder + "/other")

    def tearDown(self):
        for folder in (self.folder + "/other", self.folder):
            for name in os.listdir(folder):
                if name != "other":
                    os.remove(folder + "/" + name)
            os.rmdir(folder)

    def test_what_is_saved_is_loaded(self):
        """A save replaces, an append adds, a removed name is gone; an unknown name is nothing, not an error."""
        for store in self.stores:
            self.assertTrue(store.load("a") is None)
            store.remove("a")
            store.append("a", b"one")
            store.append("a", b"two")
            self.assertEqual(store.load("a"), b"onetwo")
            store.save("a", b"three")
            store.append("a", b"\n")
            self.assertEqual(store.load("a"), b"three\n")
            store.remove("a")
            self.assertTrue(store.load("a") is None)

    def test_a_folder_that_is_not_there(self):
        """Every operation says so as a StorageError that names the path."""
        store = FileStore(self.folder + "/nowhere")
        for act in (
            lambda: store.load("a"),
            lambda: store.save("a", b""),
            lambda: store.append("a", b""),
            lambda: store.remove("a"),
        ):
            try:
                act()
            except StorageError as error:
                self.assertTrue("nowhere" in str(error))
            else:
                self.fail("no error")


def text(record):
    """A record in one piece."""
    return (record.encode(),)


class TheJournal(unittest.TestCase):
    def test_records_come_back_in_order(self):
        """What was appended, and the snapshot that it follows."""
        store = MemoryStore()
        journal = Journal(store, "j")
        self.assertEqual((journal.size, journal.load()), (0, (None, [], [])))
        journal.rewrite({"a": 1}, [text("[1]")])
        journal.append([text("[2]"), text("[3]")])
        self.assertEqual(Journal(store, "j").load(), ({"a": 1}, [[1]], [[2], [3]]))
        journal.rewrite(None, [text("[4]")])
        self.assertEqual(Journal(store, "j").load(), (None, [[4]], []))

    def test_of_files_a_record_at_a_time_is_in_memory(self):
        """Neither is a segment read as a whole nor a snapshot written as one; both are the same as in any store."""
        pieces = []

        class Frugal(FileStore):
            def load(self, name):
                raise AssertionError("all of " + name)

            def save_all(self, name, lines):
                return super().save_all(name, (pieces.append(line) or line for line in lines))

            def append_all(self, name, lines):
                return super().append_all(name, (pieces.append(line) or line for line in lines))

        folder = mkdtemp()
        for store in (Frugal(folder), MemoryStore()):
            journal = Journal(store, "j")
            journal.open()
            journal.rewrite({"a": 1}, (text(f"[{number}]") for number in range(50)))
            journal.append([(b"[", b"50]"), text("[51]")])
            again = Journal(store, "j")
            self.assertEqual(again.open(), {"a": 1})
            expected = [(number > 49, f"[{number}]".encode()) for number in range(52)]
            self.assertEqual(list(again.records()), expected)
            self.assertEqual(again.size, journal.size)
        self.assertEqual((len(pieces), max([len(piece) for piece in pieces]) < 50), (3 * 53 + 1, True))
        for name in os.listdir(folder):
            os.remove(folder + "/" + name)
        os.rmdir(folder)

    def test_what_follows_a_torn_record_is_read(self):
        """A record cut short, or spoilt later, costs itself and no other."""
        store = MemoryStore()
        journal = Journal(store, "j")
        journal.rewrite(None, [])
        journal.append([text('["one"]')])
        journal.append([text('["two"]')])
        whole = store.load("j.0")
        store.save("j.0", whole[:-3])
        journal.append([text('["three"]')])
        self.assertEqual(Journal(store, "j").load()[2], [["one"], ["three"]])
        store.save("j.0", whole.replace(b"one", b"eno"))
        self.assertEqual(Journal(store, "j").load()[2], [["two"]])

    def test_a_snapshot_cut_short_leaves_the_old_segment(self):
        """The generation counts from the line that completes a snapshot; what it replaces is removed after that."""
        store = MemoryStore()
        journal = Journal(store, "j")
        journal.rewrite("first", [text("[1]")])
        old = store.load("j.0")
        journal.rewrite("second", [text("[2]")])
        new = store.load("j.1")
        self.assertTrue(store.load("j.0") is None)
        for kept in range(len(new) + 1):
            store.save("j.0", old)
            store.save("j.1", new[:kept])
            expected = ("second", [[2]], []) if kept == len(new) else ("first", [[1]], [])
            self.assertEqual(Journal(store, "j").load(), expected)

    def test_what_is_written_is_what_another_firmware_reads(self):
        """To the letter: newline, checksum, JSON; each snapshot has the next generation and the other segment."""
        store = MemoryStore()
        journal = Journal(store, "j")
        journal.rewrite("first", [text("[1]")])
        journal.append([text("[2]")])
        self.assertEqual(store.load("j.0"), b'\n080a9ed4[1]\n7cfbff9c["head", 1, "first"]\n038966de[2]')
        journal.rewrite("second", [text("[3]")])
        self.assertEqual(store.load("j.1"), b'\n06d033ec[3]\na66d3ede["head", 2, "second"]')
        journal.rewrite("third", [])
        self.assertEqual(store.load("j.0"), b'\nbfae8678["head", 3, "third"]')

    def test_no_file_stays_open(self):
        """Whoever looks for a snapshot has given each file back when it is found: a board's are few."""
        is_open = {}

        class Watched(MemoryStore):
            def lines(self, name):
                is_open[name] = True
                try:
                    yield from ((self.load(name) or b"").replace(b"\n", b"\n|")).split(b"|")
                finally:
                    is_open[name] = False

        journal = Journal(Watched(), "j")
        journal.open()
        journal.rewrite("first", [text("[1]")])
        journal.append([text("[2]")])
        self.assertEqual((journal.open(), is_open), ("first", {"j.0": False, "j.1": False}))


if __name__ == "__main__":
    unittest.main()
