"""Private keys are found wherever Terraform could have left one."""

import json
import zipfile
from pathlib import Path

from certs.authority import Authority
from demo.deploy.keys import files_with_keys, key_lines


def test_a_key_is_found_however_it_is_kept(tmp_path: Path) -> None:
    """As text, in JSON, without its header, in a saved plan, which is an archive; what holds none is not named."""
    key = Authority(tmp_path / "issued").issue("irrigation-gateway-1") / "private_key.pem"
    folder = tmp_path / "work"
    folder.mkdir()
    body = "".join(key.read_text().splitlines()[1:-1])
    (folder / "terraform.tfstate").write_text(json.dumps({"secret": key.read_text()}))
    (folder / "terraform.tfstate.backup").write_text(body)
    (folder / "other.key").write_text("-----BEGIN RSA " + "PRIVATE" + " KEY-----")  # not one of ours
    (folder / "clean").write_text((key.parent / "certificate.pem").read_text())
    with zipfile.ZipFile(folder / "first.tfplan", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("tfstate", key.read_text())
        archive.writestr("tfconfig", "nothing")
    found = files_with_keys(folder, key_lines([key]))
    assert found == ["first.tfplan:tfstate", "other.key", "terraform.tfstate", "terraform.tfstate.backup"]


def test_the_lines_of_a_key_are_long(tmp_path: Path) -> None:
    """What is looked for cannot stand in another file by chance."""
    key = Authority(tmp_path).issue("irrigation-gateway-1") / "private_key.pem"
    lines = key_lines([key])
    assert len(lines) >= 2
    assert all(len(line) >= 24 for line in lines)
