"""Google's clients are an extra: nobody loads them who does not ask, and who lacks them is told what to do."""

import subprocess
import sys
from pathlib import Path

import pytest

from provisioning.farms.errors import MissingClientError
from provisioning.farms.google import firestore_client, secrets_client
from provisioning.farms.records_firestore import FirestoreRecords

ROOT = Path(__file__).parents[3]
GOOGLES = ("google.cloud", "google.api_core")


def test_nothing_of_google_is_loaded_unasked() -> None:
    """Who keeps records in SQLite or on AWS waits for no gRPC."""
    program = (
        "import sys; from provisioning.farms import records_firestore, records_sqlite, secrets_google, spec, tokens;"
        "print(*sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "provisioning.farms.secrets_google" in answer.stdout.split()
    assert [name for name in answer.stdout.split() if name.split(".")[0] in {"grpc", "google", "stdnum"}] == []


def test_who_lacks_the_clients_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line with the command, whichever of them is asked for first."""
    for name in GOOGLES:
        monkeypatch.setitem(sys.modules, name, None)
    remedy = (
        r"is not installed; remedy: pip install --require-hashes --requirement requirements/provisioning-google\.txt$"
    )
    for ask in (
        lambda: firestore_client("farms"),
        secrets_client,
        lambda: FirestoreRecords(None).get("farms/a"),
        lambda: FirestoreRecords(None).create("farms/a", {}),
    ):
        with pytest.raises(MissingClientError, match=remedy):
            ask()


@pytest.mark.parametrize("name", ["demo", "console"])
def test_a_farm_alone_needs_none_of_it(name: str) -> None:
    """What the demonstration and the console install has no gRPC in it, and no LGPL."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    assert "boto3==" in text or "fastapi==" in text
    assert not [word for word in ("grpcio", "google-", "protobuf", "stdnum") if f"\n{word}" in text]


def test_the_requirements_name_both_clients() -> None:
    """The file that the error names is there, and pins them by hash."""
    text = (ROOT / "requirements" / "provisioning-google.txt").read_text(encoding="utf-8")
    assert all(f"\n{name}==" in text for name in ("google-cloud-firestore", "google-cloud-secret-manager"))
    assert "--hash=sha256:" in text
