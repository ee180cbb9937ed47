"""`python -m firmware keygen` and `sign`; and the board's verification against another library's, over chance."""

import hashlib
import json
import stat
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware import __main__ as command_line
from firmware import build, flash, signing
from gateway import signature, update
from tests.vm.portable.update_world import PUBLIC, sign
from updates.bundle import read_bundle

ORDERS = st.integers(1, signature.N - 1)
KEYS = [ec.derive_private_key(number, ec.SECP256R1()) for number in (1, 2, signature.N - 1, 1 << 200)]


def holds(key: ec.EllipticCurvePublicKey, message: bytes, der: bytes) -> bool:
    point = key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    return [*signature.verification(point, hashlib.sha256(message).digest(), der)][-1]


def theirs(key: ec.EllipticCurvePublicKey, message: bytes, der: bytes) -> bool:
    try:
        key.verify(der, message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(KEYS), st.binary(max_size=300))
def test_whatever_is_signed_holds(key: ec.EllipticCurvePrivateKey, message: bytes) -> None:
    """Of keys at the ends of their range, too, whose points meet the base point's own."""
    assert holds(key.public_key(), message, key.sign(message, ec.ECDSA(hashes.SHA256())))


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(KEYS), ORDERS, ORDERS)
def test_chance_signs_nothing(key: ec.EllipticCurvePrivateKey, r: int, s: int) -> None:
    """Nor does it stop anything."""
    assert not holds(key.public_key(), b"message", encode_dss_signature(r, s))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_changed_signature_is_judged_as_elsewhere(data: st.DataObject) -> None:
    """Bytes replaced, removed or added anywhere: what cryptography refuses, a board refuses."""
    der = bytearray(sign(b"message"))  # type: ignore[no-untyped-call]  # portable tests have no types
    at, count = data.draw(st.integers(0, len(der) - 1)), data.draw(st.integers(0, 2))
    der[at : at + count] = data.draw(st.binary(max_size=2))
    public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), PUBLIC)
    assert holds(public, b"message", bytes(der)) == theirs(public, b"message", bytes(der))


@pytest.fixture
def key(tmp_path: Path) -> Path:
    assert command_line.main(["keygen", "--key", str(tmp_path / "update.key")]) == 0
    return tmp_path / "update.key"


def test_a_key_is_made_once(key: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """For its owner's eyes, and never over one that boards know; git ignores it."""
    before = key.read_bytes()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert command_line.main(["keygen", "--key", str(key)]) == 2
    key.with_suffix(".pub.pem").unlink()
    assert command_line.main(["keygen", "--key", str(key)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert key.read_bytes() == before
    assert "*.key" in (build.ROOT / ".gitignore").read_text().splitlines()


def test_a_bundle_is_what_a_board_takes(key: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every module of the build with its hash, signed; nothing that no update may change."""
    out = tmp_path / "update"
    assert command_line.main(["sign", "--key", str(key), "--version", "7", "--out", str(out)]) == 0
    assert "version 7: " in capsys.readouterr().out
    text = (out / "manifest.json").read_bytes()
    public = serialization.load_pem_public_key(key.with_suffix(".pub.pem").read_bytes())
    assert isinstance(public, ec.EllipticCurvePublicKey)
    assert holds(public, text, (out / "manifest.sig").read_bytes())
    manifest = json.loads(text)
    assert (manifest["version"], manifest["name"]) == (7, build.name())
    assert {row["path"] for row in manifest["files"]} == {target for _, target in build.sources()}
    for row in manifest["files"]:
        content = (out / "files" / row["path"]).read_bytes()
        assert (row["bytes"], row["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())


def test_mistakes(key: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line with the remedy: no key, a key that is none, a version that is none; nothing is built for it."""
    (tmp_path / "no.key").write_text("no key")
    other = ec.generate_private_key(ec.SECP384R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "other.key").write_bytes(other)
    for name, version in (("missing.key", 1), ("no.key", 1), ("other.key", 1), ("update.key", 0), ("update.key", -1)):
        words = ["sign", "--key", str(tmp_path / name), "--version", str(version), "--out", str(tmp_path / "out")]
        assert command_line.main(words) == 2
        [line] = capsys.readouterr().err.splitlines()
        assert line.startswith("firmware: ")
    assert not (tmp_path / "out").exists()
    with pytest.raises(signing.SigningError, match="no public key"):
        signing.public_keys([key])
    with pytest.raises(signing.SigningError, match="a board knows 2"):
        signing.public_keys([key.with_suffix(".pub.pem")] * 3)


def test_what_flash_lays_out(key: Path, tmp_path: Path, identity: Path) -> None:
    """The modules in /a, a mark that has them run, and who may sign: two keys at most."""
    order = flash.Order(
        port="none",
        config=build.FIRMWARE / "config_example.json",
        pins=build.FIRMWARE / "pins_example.json",
        certs=identity,
        update_keys=[key.with_suffix(".pub.pem")],
        version=6,
    )
    paths = {file.path for file in flash.lay_out(order, tmp_path / "flash")}
    assert {"boot.py", "main.py", "slots.py", "a/board.mpy", "a/lib/gateway/update.mpy"} <= paths
    assert not [
        path for path in paths if path.endswith(".mpy") and not path.startswith("a/") and path != "setup_page.mpy"
    ]
    [point] = json.loads((tmp_path / "flash" / "update_keys.json").read_text())
    assert (len(point), point[:2]) == (130, "04")
    data = (tmp_path / "flash" / "mark.0").read_bytes()
    assert hashlib.sha256(data[32:]).digest() == data[:32]
    assert json.loads(data[32:])["document"] == {"good": {"folder": "/a", "version": 6}}


def test_the_bundle_of_an_image(tmp_path: Path) -> None:
    """The build's program alone becomes one signed file; what has the boot loader before it is refused."""
    key = tmp_path / "update.key"
    signing.make_key(key)
    program, merged = tmp_path / "micropython.bin", tmp_path / "firmware.bin"
    program.write_bytes(b"\xe9" + bytes(31) + (0xABCD5432).to_bytes(4, "little") + bytes(5000))
    merged.write_bytes(b"\xe9" + bytes(0x10000) + program.read_bytes())
    for wrong in (merged, tmp_path / "update.key"):
        with pytest.raises(signing.SigningError, match=r"give the build's micropython\.bin"):
            signing.sign_image(tmp_path / "out", key, 2, wrong)
    [file] = signing.sign_image(tmp_path / "out", key, 2, program)
    bundle = read_bundle(tmp_path / "out")
    assert (file.path, bundle.version, [path.read_bytes() for path in bundle.files]) == (
        update.IMAGE,
        2,
        [program.read_bytes()],
    )
