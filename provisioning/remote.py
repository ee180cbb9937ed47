"""Where Terraform keeps the states: in each project's folder, or in an S3 bucket with a lock file beside each."""

import re
from typing import Any, NamedTuple

from provisioning.errors import FolderError

LOCAL = "local"
PLACE = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(?P<prefix>[A-Za-z0-9!_.*'()/-]{1,200}))?")


class Bucket(NamedTuple):
    """A place in S3: under `prefix` (without a slash at its ends, perhaps empty) in `bucket`."""

    bucket: str
    prefix: str

    @property
    def url(self) -> str:
        """As people write it."""
        return "s3://" + "/".join(filter(None, self))

    def key(self, *parts: str) -> str:
        """The key of an object under it."""
        return "/".join(filter(None, (self.prefix, *parts)))

    def state(self, farm: str, project_id: str) -> str:
        """The key of a project's state: a farm's role needs no other folder than its own."""
        return self.key(farm, project_id, "terraform.tfstate")

    def backend(self, farm: str, project_id: str, region: str, *, has_endpoint: bool) -> dict[str, Any]:
        """The backend block, as JSON; with an endpoint of its own, buckets are no part of a host's name."""
        own = {"use_path_style": True} if has_endpoint else {}
        place = {"bucket": self.bucket, "key": self.state(farm, project_id), "region": region}
        return {"s3": {**place, "encrypt": True, "use_lockfile": True, **own}}


def place_of(word: str, option: str) -> Bucket:
    """The place that an option names. Raises FolderError."""
    found = PLACE.fullmatch(word)
    if found is None:
        raise FolderError(f"{option} {word[:200]}: no place in S3; write s3://BUCKET/PREFIX")
    return Bucket(found["bucket"], (found["prefix"] or "").strip("/"))
