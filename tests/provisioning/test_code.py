"""What may be posted as a root module: text, JSON, and archives that stay within their folder and their limits."""

import base64
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from provisioning import code
from provisioning.code import MIB, Code, digest, pack
from provisioning.errors import InputError, TooLargeError

Member = tuple[tarfile.TarInfo, bytes]


def archive(*members: Member) -> str:
    """A tar.gz in base64."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for info, content in members:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return base64.b64encode(buffer.getvalue()).decode()


def member(name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE) -> Member:
    """One file of it, or something else."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, "/etc/passwd" if kind in {tarfile.SYMTYPE, tarfile.LNKTYPE} else ""
    return info, content


MAIN = member("main.tf", b"# nothing")


def test_text_is_main_tf_and_json_is_json(tmp_path: Path) -> None:
    """By what it parses as; variables lie beside it, for their owner alone."""
    Code(text="# code", variables={"a": 1}).write(tmp_path / "text")
    Code(text='{"output": {}}').write(tmp_path / "json")
    assert (tmp_path / "text" / "main.tf").read_text() == "# code"
    assert (tmp_path / "json" / "main.tf.json").exists()
    variables = tmp_path / "text" / "terraform.tfvars.json"
    assert (variables.read_text(), variables.stat().st_mode & 0o777) == ('{\n "a": 1\n}', 0o600)


def test_folders_are_their_owners_alone(tmp_path: Path) -> None:
    """Those above it too, which were missing."""
    Code(archive=archive(MAIN, member("a/b/main.tf"))).write(tmp_path / "projects" / "p" / "root")
    folders = [path for path in tmp_path.rglob("*") if path.is_dir()]
    assert len(folders) == 5
    assert {path.stat().st_mode & 0o777 for path in folders} == {0o700}


def test_an_archive_of_a_byte_too_many(tmp_path: Path) -> None:
    """413, before anybody looks what it is."""
    for count, kind in ((20 * MIB, InputError), (20 * MIB + 1, TooLargeError)):
        with pytest.raises(kind):
            Code(archive=base64.b64encode(bytes(count)).decode()).write(tmp_path / "root")


def test_a_folder_comes_through_as_it_is(tmp_path: Path) -> None:
    """What `deploy FOLDER` packs is what the job gets, without state, credentials and what Terraform left."""
    root = tmp_path / "root"
    for name in (
        "main.tf",
        "modules/a/main.tf",
        "files/x.bin",
        "terraform.tfstate",
        "credentials",
        ".terraform/x",
        "a.tfvars",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    (root / "link.tf").symlink_to("main.tf")
    Code(archive=pack(root)).write(tmp_path / "job")
    files = {path.relative_to(tmp_path / "job").as_posix() for path in (tmp_path / "job").rglob("*") if path.is_file()}
    assert files == {"main.tf", "modules/a/main.tf", "files/x.bin"}
    with pytest.raises(InputError, match=r"no \.tf file"):
        pack(tmp_path / "root" / "files")


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ([member("../main.tf")], "no plain relative path"),
        ([member("/etc/main.tf")], "no plain relative path"),
        ([member("a/../../main.tf")], "no plain relative path"),
        ([MAIN, member("link", kind=tarfile.SYMTYPE)], "no regular file"),
        ([MAIN, member("link", kind=tarfile.LNKTYPE)], "no regular file"),
        ([MAIN, member("pipe", kind=tarfile.FIFOTYPE)], "no regular file"),
        ([MAIN, member("disk", kind=tarfile.BLKTYPE)], "no regular file"),
        ([MAIN, MAIN], "twice"),
        ([MAIN, member("backend.tf.json")], "the service's own"),
        ([MAIN, member("adopt.tf.json")], "the service's own"),
        ([MAIN, member("terraform.tfvars.json")], "the service's own"),
        ([MAIN, member(".terraform/providers/evil")], "the service's own"),
        ([MAIN, member("x.auto.tfvars")], "the service's own"),
        ([MAIN, member("x.auto.tfvars.json")], "the service's own"),
        ([MAIN, member("credentials")], "the service's own"),
        ([MAIN, member("a/credentials")], "the service's own"),
        ([member("a/main.tf")], "no .tf file at its top"),
        ([member("a\nb.tf")], "no plain relative path"),
    ],
)
def test_an_archive_stays_in_its_folder(tmp_path: Path, members: list[Member], why: str) -> None:
    """What leads out of it, or is ours to write, is refused, and nothing is written."""
    with pytest.raises(InputError, match=why):
        Code(archive=archive(*members)).write(tmp_path / "job")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "make",
    [
        lambda: "no base64!",
        lambda: base64.b64encode(b"no gzip").decode(),
        lambda: archive(MAIN)[:40],
        lambda: "",
    ],
)
def test_what_is_no_archive_is_refused(tmp_path: Path, make: Callable[[], str]) -> None:
    """With a sentence."""
    with pytest.raises(InputError):
        Code(archive=make()).write(tmp_path / "job")


def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its size counts as it comes, not as it says; and a hundred small ones count together."""
    monkeypatch.setattr(code, "MOST_UNPACKED_BYTES", 10_000)
    with pytest.raises(TooLargeError):
        Code(archive=archive(MAIN, member("big", b"0" * 10_001))).write(tmp_path / "job")
    with pytest.raises(TooLargeError):
        Code(archive=archive(MAIN, *(member(f"f{n}", b"0" * 200) for n in range(100)))).write(tmp_path / "job")
    monkeypatch.setattr(code, "MOST_FILES", 3)
    with pytest.raises(TooLargeError):
        Code(archive=archive(MAIN, *(member(f"f{n}") for n in range(4)))).write(tmp_path / "job")


def test_one_byte_is_another_digest(tmp_path: Path) -> None:
    """And so is another name."""
    digests = set()
    for number, (name, content) in enumerate([("a.tf", "x"), ("a.tf", "y"), ("b.tf", "x"), ("a.tfx", "")]):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / name).write_text(content)
        digests.add(digest(folder))
    assert len(digests) == 4
