"""A job's tags: which source each value is of, and what it overrides. Pure: values in, values out.

Who pays, what data it is and who answers for it is what people wrote; nothing is guessed from names or contents.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

Value = str | tuple[str, ...]

JOB = "job"
ASSET = "asset"
CONNECTOR = "connector"

# Places of the values, as dotted names within a file; the first one that has a value gives the tag.
SOURCES: dict[str, tuple[tuple[str, str], ...]] = {
    "tenant_id": ((JOB, "tenant_id"),),
    "environment": ((JOB, "infrastructure.metadata.environment"), (JOB, "environment")),
    "asset_name": ((ASSET, "name"),),
    "asset_version": ((ASSET, "version"),),
    "finops_cost_center": (
        (JOB, "infrastructure.metadata.cost_center"),
        (JOB, "finops.cost_center"),
        (ASSET, "finops.cost_center"),
        (CONNECTOR, "finops.cost_center"),
    ),
    **{
        f"finops_{name}": tuple((source, f"finops.{name}") for source in (JOB, ASSET, CONNECTOR))
        for name in ("business_tags", "project", "environment")
    },
    "compliance_classification": (
        (JOB, "classification_overrides"),
        (ASSET, "compliance.classification"),
        (CONNECTOR, "compliance.classification"),
    ),
    **{
        f"compliance_{name}": tuple((source, f"compliance.{place}") for source in (ASSET, CONNECTOR))
        for name, place in (
            ("regulations", "regulations"),
            ("retention_days", "retention_days"),
            ("encryption_required", "security.encryption_required"),
            ("access_control", "security.access_control"),
        )
    },
    **{
        f"governance_{name}": ((JOB, f"governance_overrides.{name}"), (ASSET, place), (CONNECTOR, place))
        for name, place in (
            ("owner", "team.owner"),
            ("domain", "domain"),
            ("data_product", "dataProduct"),
            ("retention_days", "compliance.retention_days"),
        )
    },
}


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value was written: file, line, and the place in it as a dotted name."""

    file: str
    line: int
    place: str

    def __str__(self) -> str:
        return f"{self.place} ({self.file}:{self.line})"


@dataclass(frozen=True, slots=True)
class Written:
    """A value that somebody wrote; `is_public` if its line says that it is no secret."""

    value: Value
    origin: Origin
    is_public: bool = False


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag: the value that counts, and those that it overrides, the nearest one first."""

    key: str
    winner: Written
    overridden: tuple[Written, ...] = ()

    @property
    def value(self) -> Value:
        """What counts."""
        return self.winner.value


def merge(sources: Mapping[str, Mapping[str, Written]], free: Iterable[tuple[str, Written]] = ()) -> list[Tag]:
    """The tags of a job, in the table's order, then those that the job wrote freely.

    `sources` has what was written in each of job, asset and connector, by the dotted name of its place.
    """
    tags = []
    for key, places in SOURCES.items():
        offers = [one for source, place in places if (one := sources.get(source, {}).get(place))]
        if offers:
            tags.append(Tag(key, offers[0], tuple(offers[1:])))
    return over(tags, [Tag(key, entry) for key, entry in free])


def over(tags: Sequence[Tag], others: Sequence[Tag]) -> list[Tag]:
    """`tags` with `others` on top; merged once or often, the result is the same."""
    by_key = {tag.key: tag for tag in tags}
    for tag in others:
        under = by_key.get(tag.key)
        if under is None or under.winner == tag.winner:
            by_key[tag.key] = under or tag
        else:
            beaten = (under.winner, *under.overridden)
            by_key[tag.key] = replace(tag, overridden=tag.overridden + tuple(x for x in beaten if x != tag.winner))
    return list(by_key.values())
