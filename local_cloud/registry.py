"""Who may connect: the things, certificates and policies that the AWS IoT API knows.

A certificate is recognised by the SHA-256 of its DER, computed here from the PEM that the API returns: the id that moto
gives it need not be that.
"""

import functools
import hashlib
import json
import logging
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from certs.authority import NEXT
from local_cloud.errors import PolicyError, RegistryError
from local_cloud.policy import Document, Policy
from protocol import farms

if TYPE_CHECKING:
    from types_boto3_iot import IoTClient

log = logging.getLogger(__name__)

_GATEWAY = "-gateway"  # how the name of a policy for a farm's gateways ends
CERTIFICATE = "certificate.pem"


@dataclass(frozen=True)
class Registration:
    """One entry of the registry: a certificate, and what is attached to it."""

    arn: str
    fingerprint: str  # SHA-256 of the DER, in hex
    things: frozenset[str]
    policies: Mapping[str, Policy]  # by thing


@dataclass(frozen=True)
class _Own:
    """A thing that is registered from this machine: its folder, and the names of its policies."""

    folder: Path
    policies: list[str]


class Registry:
    """A copy of the API's registry, in memory. Every method that asks the API blocks, and raises RegistryError.

    `revoked` is the folder of what `python -m certs revoke` revoked, a file `<fingerprint>.pem` each: nothing that the
    API says makes such a certificate count.
    """

    def __init__(self, iot: "IoTClient", revoked: Path) -> None:
        self._iot, self._revoked = iot, revoked
        self._entries: dict[str, Registration] = {}  # by certificate id
        self._active: dict[str, Registration] = {}  # by fingerprint
        self._own: dict[str, _Own] = {}  # by thing, what is registered from this machine

    def load(self) -> None:
        """Read everything again: new things, attachments and policy documents count from now on."""
        self._entries = {}
        self.refresh()

    def refresh(self) -> None:
        """Read every certificate's status, and the details of those that are new. One call if nothing is new.

        A next certificate that has come to a thing which was registered here is registered beside the one before.
        """
        with _translated():
            self._read()
            if self._register_next():
                self._read()

    def _read(self) -> None:
        certificates = list(self._certificates())
        document = functools.cache(self._document)  # a fleet shares one policy: read it once each time
        entries = {
            c["certificateId"]: self._entry(c["certificateId"], c["certificateArn"], document) for c in certificates
        }
        inactive = {c["certificateId"] for c in certificates if c["status"] != "ACTIVE"}
        self._entries = {name: entry for name, entry in entries.items() if entry is not None}
        revoked = {self._entries[name].fingerprint for name in inactive & self._entries.keys()}
        self._active = {e.fingerprint: e for e in self._entries.values() if e.fingerprint not in revoked}

    def find(self, fingerprint: str) -> Registration | None:
        """The entry of a certificate if it is ACTIVE, and not revoked on this machine.

        The API can hold one certificate twice; then every entry must be ACTIVE, so that revoking any of them counts.
        """
        return None if (self._revoked / f"{fingerprint}.pem").exists() else self._active.get(fingerprint)

    def things(self) -> list[str]:
        """The names that an ACTIVE certificate may connect as."""
        return sorted({thing for entry in self._active.values() for thing in entry.things})

    def register(self, things: Mapping[str, Path], documents: Mapping[str, Document]) -> None:
        """Make sure that each thing exists with the certificate in its folder and its policies of `documents`.

        `things`: thing name -> folder with `certificate.pem`, and `next/certificate.pem` while the thing is renewed,
        which counts, too. The policies whose name is a thing's, and that with
        `-` and more, belong to that thing; `FARM-gateway` and that with more to every other thing of the farm. What is
        of a farm without policies here gets none. A certificate that was revoked stays revoked.
        """
        with _translated():
            for name, document in documents.items():
                self._put_policy(name, json.dumps(document))
            self.refresh()
            arns = {entry.fingerprint: entry.arn for entry in self._entries.values()}
            for thing, folder in things.items():
                own = _Own(folder, _policies_of(thing, documents))
                self._put_thing(thing, own, arns)
                self._own[thing] = own
        self.load()

    def _register_next(self) -> bool:
        """Register the next certificates that are new; the ones before stay as they are. True if there was any."""
        fingerprints = {entry.fingerprint for entry in self._entries.values()}
        news = {}
        for thing, own in self._own.items():
            with suppress(OSError, ValueError):  # there is none, or it went in this moment, or it is damaged
                pem = (own.folder / NEXT / CERTIFICATE).read_text()
                if fingerprint_of(ssl.PEM_cert_to_DER_cert(pem)) not in fingerprints:
                    news[thing] = pem
        for thing, pem in news.items():
            self._attach(thing, self._register_certificate(pem), self._own[thing].policies)
        return bool(news)

    def _certificates(self) -> Iterator[Any]:
        for page in self._iot.get_paginator("list_certificates").paginate(PaginationConfig={"PageSize": 250}):
            yield from page["certificates"]

    def _entry(self, certificate_id: str, arn: str, document: Callable[[str], Any]) -> Registration | None:
        if certificate_id in self._entries:
            return self._entries[certificate_id]
        pem = self._iot.describe_certificate(certificateId=certificate_id)["certificateDescription"]["certificatePem"]
        try:
            fingerprint = fingerprint_of(ssl.PEM_cert_to_DER_cert(pem))
        except ValueError:
            log.warning("registry: certificate %s is no PEM; nobody can connect with it", certificate_id)
            return None
        things = frozenset(self._iot.list_principal_things(principal=arn)["things"])
        try:
            documents = [document(policy["policyName"]) for policy in self._attached(arn)]
            policies = {thing: Policy(documents, thing, arn.rsplit(":", 1)[0]) for thing in things}
        except PolicyError as error:
            log.warning("registry: certificate %s: %s; nobody can connect with it", certificate_id, error)
            return None
        return Registration(arn, fingerprint, things, policies)

    def _attached(self, arn: str) -> Any:
        return self._iot.list_attached_policies(target=arn)["policies"]

    def _document(self, name: str) -> Any:
        text = self._iot.get_policy(policyName=name)["policyDocument"]
        try:
            return json.loads(text)
        except ValueError as error:
            raise PolicyError(f"policy {name}: {error}") from error

    def _put_policy(self, name: str, document: str) -> None:
        with suppress(self._iot.exceptions.ResourceAlreadyExistsException):
            self._iot.create_policy(policyName=name, policyDocument=document)
            return
        if self._document(name) != json.loads(document):
            self._drop_old_versions(name)
            self._iot.create_policy_version(policyName=name, policyDocument=document, setAsDefault=True)

    def _drop_old_versions(self, name: str) -> None:
        for version in self._iot.list_policy_versions(policyName=name)["policyVersions"]:
            if not version["isDefaultVersion"]:  # AWS keeps five at most
                self._iot.delete_policy_version(policyName=name, policyVersionId=version["versionId"])

    def _put_thing(self, thing: str, own: _Own, arns: Mapping[str, str]) -> None:
        path = own.folder / CERTIFICATE
        try:
            pem = path.read_text()
            fingerprint = fingerprint_of(ssl.PEM_cert_to_DER_cert(pem))
        except (OSError, ValueError) as error:
            raise RegistryError(f"{path}: {error}; issue it with: python -m certs issue") from error
        self._iot.create_thing(thingName=thing)
        self._attach(thing, arns.get(fingerprint) or self._register_certificate(pem), own.policies)

    def _attach(self, thing: str, arn: str, policies: Iterable[str]) -> None:
        self._iot.attach_thing_principal(thingName=thing, principal=arn)
        for policy in policies:
            self._iot.attach_policy(policyName=policy, target=arn)

    def _register_certificate(self, pem: str) -> str:
        return self._iot.register_certificate_without_ca(certificatePem=pem, status="ACTIVE")["certificateArn"]


def _policies_of(thing: str, documents: Iterable[str]) -> list[str]:
    """Names of the policies that are the thing's own, in this order, or those of a gateway."""
    names = list(documents)
    gateways = _beginning(f"{farms.whose(thing)}{_GATEWAY}", names)
    own = _beginning(thing, names) if thing in names else []
    return [name for name in own if name not in gateways] or gateways


def _beginning(name: str, documents: Iterable[str]) -> list[str]:
    return [document for document in documents if document == name or document.startswith(f"{name}-")]


def fingerprint_of(der: bytes) -> str:
    """The id that AWS IoT gives a certificate: SHA-256 of its DER, in hex."""
    return hashlib.sha256(der).hexdigest()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise RegistryError(f"AWS IoT API: {error}") from error
    except KeyError as error:  # botocore takes an answer that was cut off on its way for an empty one
        raise RegistryError(f"AWS IoT API: an answer without {error}") from error
