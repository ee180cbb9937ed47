"""A board's flash in memory, on both runtimes, which can lose its power at each operation, before it or within it."""

import io

FOLDER = 0x4000


class PowerCut(BaseException):
    """The end of everything that runs on the board: nobody who takes errors takes it."""


class Flash:
    """Takes the place of `os` and `open` in a module. As harsh as the bench's: a cut leaves what was written so far.

    `cut` is the number of an operation and "before" or "torn"; `done` lists what was done as (operation, path).
    """

    def __init__(self, files=None):
        self.files = dict(files or {})
        self.folders = set()
        for path in list(self.files):
            self._know_folders(path)
        self.done = []
        self.cut = None
        self.full = False

    def place_in(self, *modules):
        for module in modules:
            module.os = self
            module.open = self.open

    def below(self, folder):
        """What is in a folder: path from there -> content."""
        return {path[len(folder) + 1 :]: self.files[path] for path in self.files if path.startswith(folder + "/")}

    # As `open` and `os`.

    def open(self, path, mode):
        if "r" in mode and path not in self.files:
            raise OSError(2)
        if mode == "wb" and self.files.get(path, b"x"):
            self._change("empty", path, lambda: self.files.update({path: b""}))
        return File(self, path, mode)

    def stat(self, path):
        if path in self.files:
            return (0x8000, 0, 0, 0, 0, 0, len(self.files[path]), 0, 0, 0)
        if path in self.folders:
            return (FOLDER, 0, 0, 0, 0, 0, 0, 0, 0, 0)
        raise OSError(2)

    def statvfs(self, _folder):
        free = 0 if self.full else 200
        return (4096, 4096, 240, free, free, 0, 0, 0, 0, 255)

    def urandom(self, size):
        return bytes(range(size))

    def listdir(self, folder):
        head = folder.rstrip("/") + "/"
        paths = [path[len(head) :] for path in list(self.files) + list(self.folders) if path.startswith(head)]
        return sorted({path.split("/")[0] for path in paths if path})

    def mkdir(self, path):
        if path in self.folders:
            raise OSError(17)
        self._change("mkdir", path, lambda: self.folders.add(path))

    def remove(self, path):
        if path not in self.files:
            raise OSError(2)
        self._change("remove", path, lambda: self.files.pop(path))

    def rename(self, old, new):
        if old not in self.files:
            raise OSError(2)
        self._change("rename", new, lambda: self.files.update({new: self.files.pop(old)}))

    # Inside.

    def _know_folders(self, path):
        at = path.find("/", 1)
        while at > 0:
            self.folders.add(path[:at])
            at = path.find("/", at + 1)

    def _change(self, what, path, apply, torn=None):
        if self.full:
            raise OSError(28)
        number = len(self.done)
        self.done.append((what, path))
        if self.cut and self.cut[0] == number:
            if self.cut[1] == "torn" and torn:
                torn()
            self.cut = None
            raise PowerCut
        apply()

    def write(self, path, at, data):
        def apply(count):
            before = self.files[path]
            self.files[path] = before[:at] + data[:count] + before[at + count :]

        self._change("write", path, lambda: apply(len(data)), lambda: apply(len(data) // 2))


class File:
    """An open file; what is written is in the flash at once."""

    def __init__(self, flash, path, mode):
        self._flash, self._path = flash, path
        self._at = len(flash.files[path]) if mode == "ab" else 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def __iter__(self):
        return iter(io.BytesIO(self.read()))

    def seek(self, at):
        self._at = at

    def read(self, count=None):
        content = self._flash.files[self._path]
        data = content[self._at : len(content) if count is None else self._at + count]
        self._at += len(data)
        return data

    def write(self, data):
        self._flash.write(self._path, self._at, data)
        self._at += len(data)
        return len(data)
