"""A deployed thing's identity: certificate and endpoint from AWS IoT, key from Secrets Manager; and its revocation."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from certs.errors import (
    AwsRefusedError,
    CertsError,
    KeyOnBoardError,
    MismatchError,
    NoKeyError,
    NotRegisteredError,
    RevokedError,
    StorageError,
)
from certs.folder import AMAZON_ROOT, identity_files, load_key, write_files
from protocol.farms import DEFAULT

if TYPE_CHECKING:
    from types_boto3_iot import IoTClient
    from types_boto3_iot.type_defs import CertificateDescriptionTypeDef

ENDPOINT = "iot:Data-ATS"
ON_BOARD = "on its board alone"  # what Terraform stores in place of a key that nobody else has
_PATIENCE = {"connect_timeout": 10, "retries": {"max_attempts": 2}}


class Account:
    """The AWS account that a deployment is in. Makes no call yet. Raises AwsRefusedError."""

    def __init__(
        self,
        environment: str = "dev",
        region: str | None = None,
        endpoint_url: str | None = None,
        farm: str = DEFAULT,
    ) -> None:
        self._keys = f"{farm}/{environment}"  # what the names of its secrets begin with
        make: Any = boto3.client  # its overloads want literals
        with _refusals():
            self._iot: IoTClient = make("iot", region_name=region, endpoint_url=endpoint_url)
            self._secrets = make("secretsmanager", region_name=region, endpoint_url=endpoint_url)

    def fetch(self, thing_name: str, into: Path, root_ca: Path = AMAZON_ROOT) -> Path:
        """Write the files of `certs.folder` to `<into>/<thing_name>/`, and return that folder.

        Nothing is written unless key and an ACTIVE certificate match. Raises CertsError: AwsRefusedError,
        NotRegisteredError, RevokedError, NoKeyError, KeyOnBoardError, MismatchError, StorageError.
        """
        root = _read_root(root_ca)
        with _refusals():
            certificates = self._active_certificates(thing_name)
            key = self._key(thing_name)
            endpoint = self._iot.describe_endpoint(endpointType=ENDPOINT)["endpointAddress"]
        for certificate in certificates:
            if key is not None and certificate.public_key() == key.public_key():
                files = {"endpoint.txt": endpoint.encode(), **identity_files(thing_name, key, certificate, root)}
                write_files(into / thing_name, files)
                return into / thing_name
        raise MismatchError(thing_name)

    def revoke(self, thing_name: str) -> list[str]:
        """Make every certificate of the thing INACTIVE and take its policies away; gives the certificates' ids.

        IoT Core ends what is connected with one within a minute. Again, it does nothing more. Terraform leaves the
        status as it is. Raises AwsRefusedError, NotRegisteredError.
        """
        with _refusals():
            certificate_ids = self._certificate_ids(thing_name)
            for certificate_id in certificate_ids:  # all of them first: nothing else locks a thief out
                if self._describe(certificate_id)["status"] == "ACTIVE":
                    self._iot.update_certificate(certificateId=certificate_id, newStatus="INACTIVE")
            for certificate_id in certificate_ids:
                arn = self._describe(certificate_id)["certificateArn"]
                pages = self._iot.get_paginator("list_attached_policies").paginate(target=arn)
                for name in [policy["policyName"] for page in pages for policy in page["policies"]]:
                    self._iot.detach_policy(policyName=name, target=arn)
        return sorted(certificate_ids)

    def close(self) -> None:
        """Let the connections go."""
        self._iot.close()
        self._secrets.close()

    def _active_certificates(self, thing_name: str) -> list[x509.Certificate]:
        """More than one while a rotation is under way."""
        certificates = [self._describe(certificate_id) for certificate_id in self._certificate_ids(thing_name)]
        active = [entry["certificatePem"] for entry in certificates if entry["status"] == "ACTIVE"]
        if not active:
            raise RevokedError(thing_name, ", ".join(entry["status"] for entry in certificates))
        return [x509.load_pem_x509_certificate(pem.encode()) for pem in active]

    def _describe(self, certificate_id: str) -> "CertificateDescriptionTypeDef":
        return self._iot.describe_certificate(certificateId=certificate_id)["certificateDescription"]

    def _certificate_ids(self, thing_name: str) -> list[str]:
        try:
            pages = self._iot.get_paginator("list_thing_principals").paginate(thingName=thing_name)
            arns = [arn for page in pages for arn in page["principals"] if ":cert/" in arn]
        except self._iot.exceptions.ResourceNotFoundException:
            arns = []
        if not arns:
            raise NotRegisteredError(thing_name, self._iot.meta.region_name)
        return [arn.rsplit("/", 1)[1] for arn in arns]

    def _key(self, thing_name: str) -> ec.EllipticCurvePrivateKey | None:
        name = f"{self._keys}/{thing_name}/private-key"
        try:
            text = self._secrets.get_secret_value(SecretId=name)["SecretString"]
        except self._secrets.exceptions.ResourceNotFoundException as error:
            raise NoKeyError(name) from error
        if text == ON_BOARD:
            raise KeyOnBoardError(thing_name)
        return load_key(text.encode())


def _read_root(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except OSError as error:
        raise StorageError(path, error) from error
    except ValueError as error:
        raise CertsError(f"{path}: no certificate in PEM; give another --root-ca") from error


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except KeyError as error:  # botocore takes an answer that was cut off on its way for an empty one
        raise AwsRefusedError(f"an answer without {error}") from error
    except (BotoCoreError, ClientError) as error:
        raise AwsRefusedError(str(error).rstrip(".")) from error
