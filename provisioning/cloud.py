"""What the service itself asks AWS: a farm's role, what carries its project's tags, what is there of a plan."""

import json
import os
import pwd
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from functools import cache, partial
from typing import Any, NamedTuple

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from provisioning import asks
from provisioning.errors import CloudError
from provisioning.identities import IDENTITIES, NUMBERED, Owner, exact, import_id, is_named, pattern
from provisioning.surroundings import Setup

FARM_TAG, PROJECT_TAG = "provisioning_farm", "provisioning_project"
ROLE_S = 3600  # how long an assumed role holds
CLOCKS_DIFFER_S = 60.0
FORCE = "if nobody is at work there, end it with terraform force-unlock"
QUICK = Config(connect_timeout=5, read_timeout=20, retries={"total_max_attempts": 3})
ONCE = Config(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 1})


class Cloud:
    """AWS as one farm's children see it. Every method raises CloudError."""

    def __init__(self, setup: Setup, farm: str, project_id: str) -> None:
        self._setup = setup
        self._farm = farm
        self._project_id = project_id
        self.tags = {FARM_TAG: farm, PROJECT_TAG: project_id}

    def variables(self) -> dict[str, str]:
        """The `AWS_*` variables of a child: those of the farm's role, else the service's own."""
        role, own = self._setup.roles.get(self._farm), dict(self._setup.aws)
        if role is None:
            return own
        try:
            session = f"provisioning-{self._project_id}"[:64]
            answer = client_of(own, "sts", self._setup.region).assume_role(
                RoleArn=role, RoleSessionName=session, DurationSeconds=ROLE_S
            )
        except (BotoCoreError, ClientError) as error:
            raise CloudError(f"the role {role} of farm {self._farm} cannot be assumed: {error}") from error
        keys = answer["Credentials"]
        profile = {"AWS_PROFILE", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"}
        return {name: value for name, value in own.items() if name not in profile} | {
            "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
            "AWS_SESSION_TOKEN": keys["SessionToken"],
        }

    def complaint(self) -> str:
        """Why AWS cannot be asked now, or nothing where it answers."""
        try:
            client_of(self._setup.aws, "sts", self._setup.region, ONCE).get_caller_identity()
        except (BotoCoreError, ClientError) as error:
            return str(error)
        return ""

    def free_lock(self, since: float) -> str:
        """Take away the lock of a state in S3 that a dead Terraform of this machine's has left; gives what was done.

        `since`: when the one began of which nobody lives any more. A lock of anybody else's stays, and is told.
        """
        remote, region = self._setup.remote, self._setup.region
        if remote is None:
            return ""
        s3 = client_of(self.variables(), "s3", region)
        place = {"Bucket": remote.bucket, "Key": f"{remote.state(self._farm, self._project_id)}.tflock"}
        try:
            info = json.loads(s3.get_object(**place)["Body"].read())
            if info["Who"] != _who() or _seconds(info["Created"]) < int(since):
                return f"the state is locked by {info['Who']} since {info['Created']}, lock {info['ID']}: {FORCE}"
            s3.delete_object(**place)
        except s3.exceptions.NoSuchKey:
            return ""
        except (BotoCoreError, ClientError, ValueError, KeyError, TypeError) as error:
            raise CloudError(f"it cannot be seen whether the state is still locked: {error}") from error
        return f"the lock {info['ID']} of a Terraform that was killed was taken away"

    def look(self) -> "Look":
        """What is there now."""
        variables = self.variables()
        try:
            account = client_of(variables, "sts", self._setup.region).get_caller_identity()["Account"]
            owner = Owner(account, self._setup.region)
            client = cache(partial(client_of, variables, region=self._setup.region))
            look = Look(owner, set(self._tagged(variables)), self.tags, client)
            look.forget_gone()
        except (BotoCoreError, ClientError) as error:
            raise CloudError(f"AWS cannot be asked what project {self._project_id} has: {error}") from error
        return look

    def _tagged(self, variables: Mapping[str, str]) -> Iterator[str]:
        client = client_of(variables, "resourcegroupstaggingapi", self._setup.region)
        filters = [{"Key": name, "Values": [value]} for name, value in self.tags.items()]
        for page in client.get_paginator("get_resources").paginate(TagFilters=filters):
            yield from (row["ResourceARN"] for row in page["ResourceTagMappingList"])


class Thing(NamedTuple):
    """Something that is there, and the id to import it by; None if Terraform cannot import it."""

    arn: str
    import_id: str | None


class Look:
    """What the tagging API told at one moment, and a way to ask by name for what it may leave out."""

    def __init__(self, owner: Owner, arns: set[str], tags: Mapping[str, str], client: Callable[[str], Any]) -> None:
        self.owner = owner
        self.arns = {arn.removesuffix(":*") for arn in arns}
        self._tags = tags
        self._client = client
        self._lists: dict[str, list[asks.Row]] = {}

    def forget_gone(self) -> None:
        """Of EC2's, whose tags outlive them for a while, only what is listed stays in `arns`. Raises ClientError."""
        for listing in asks.LISTINGS:
            arns = {arn for arn in self.arns if f":{self.owner.account}:{listing.kind}/" in arn}
            rows = asks.listed(listing, self._client, self._tags) if arns else ()
            self.arns -= arns - {asks.arn_of("aws_vpc", row.name, self.owner) for row in rows}

    def things(self, type_: str, facts: asks.Facts, since: float) -> list[Thing]:
        """The project's things that a planned creation would make again. Raises CloudError.

        A project's is what carries its tags; and what has none, bears the planned name and was made since then.
        """
        try:
            if type_ in IDENTITIES:
                return self._named(type_, facts, since)
            return [
                Thing(asks.arn_of(type_, row.name, self.owner), row.import_id)
                for row in self._rows(type_, facts)
                if self._is_ours(row.sign, since)
            ]
        except ClientError as error:
            if asks.is_absence(error):
                return []
            raise CloudError(f"AWS cannot be asked for {type_}: {error}") from error
        except BotoCoreError as error:
            raise CloudError(f"AWS cannot be asked for {type_}: {error}") from error

    def remove_certificate(self, arn: str, since: float) -> bool:
        """Remove a certificate that was made since then and that nothing uses; True if it is gone. Raises CloudError.

        Terraform has no import for one, and registers none twice.
        """
        iot, number = self._client("iot"), arn.rpartition("/")[2]
        if not self.things("aws_iot_certificate", {"fingerprint": number}, since):
            return False
        try:
            if iot.list_attached_policies(target=arn)["policies"] or iot.list_principal_things(principal=arn)["things"]:
                return False
            iot.update_certificate(certificateId=number, newStatus="INACTIVE")
            iot.delete_certificate(certificateId=number)
        except (BotoCoreError, ClientError) as error:
            raise CloudError(f"{arn} cannot be removed: {error}") from error
        return True

    def _named(self, type_: str, facts: asks.Facts, since: float) -> list[Thing]:
        mask = pattern(type_, facts, self.owner)
        if type_ in asks.QUESTIONS and mask is not None:
            self._ask(type_, facts, since)
        arns = {arn for arn in self.arns if is_named(arn, mask)}
        if arns and type_ == "aws_sqs_queue":
            facts = {**facts, "url": asks.url_of(self._client, facts["name"])}
        return [Thing(arn, import_id(type_, facts, self.owner, arn)) for arn in sorted(arns)]

    def _ask(self, type_: str, facts: asks.Facts, since: float) -> None:
        """Make `arns` true of one name: the tagging API leaves things out, and tells of some that are gone."""
        arn = exact(type_, facts, self.owner) or ""
        try:
            sign = asks.QUESTIONS[type_](self._client, facts, arn)
        except ClientError as error:
            if not asks.is_absence(error):
                raise
            sign = None
        if sign is not None and self._is_ours(sign, since):
            self.arns.add(arn)
        elif sign is None or sign.tags:
            self.arns.discard(arn)

    def _rows(self, type_: str, facts: asks.Facts) -> Iterable[asks.Row]:
        if type_ in asks.CHILDREN:
            is_known = all(name in facts for name in asks.NEEDS[type_])
            return asks.CHILDREN[type_](self._client, facts, self._tags) if is_known else ()
        if type_ not in self._lists:
            self._lists[type_] = list(asks.LISTS[type_](self._client, self._tags))
        conditions = {name: facts[name] for name in NUMBERED[type_] if name in facts}
        return [
            row
            for row in self._lists[type_]
            if all(row.facts.get(name, value) == value for name, value in conditions.items())
        ]

    def _is_ours(self, sign: asks.Sign, since: float) -> bool:
        if sign.tags:
            return self._tags.items() <= sign.tags.items()
        return sign.made_at is not None and sign.made_at >= since - CLOCKS_DIFFER_S


def _who() -> str:
    """This machine and user, as Terraform's locks name them."""
    return f"{pwd.getpwuid(os.getuid()).pw_name}@{socket.gethostname()}"


def _seconds(moment: str) -> float:
    """Unix seconds of 2026-01-31T12:00:00.123456789Z, without their parts."""
    return datetime.fromisoformat(f"{moment[:19]}+00:00").timestamp()


def client_of(variables: Mapping[str, str], service: str, region: str, config: Config = QUICK) -> Any:
    """A client by these variables alone, whatever this process's environment says."""
    return boto3.Session(
        aws_access_key_id=variables.get("AWS_ACCESS_KEY_ID"),
        aws_secret_access_key=variables.get("AWS_SECRET_ACCESS_KEY"),
        aws_session_token=variables.get("AWS_SESSION_TOKEN"),
        region_name=region,
    ).client(service, endpoint_url=variables.get("AWS_ENDPOINT_URL"), config=config)  # type: ignore[call-overload]
