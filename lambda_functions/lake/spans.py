"""Where identities are: for each boot of a sensor, the numbers that each day holds; so, which days may hold a copy.

A span may promise too much, never too little: a sample in the lake lies in a span of its day. So spans only grow, and
an extra one costs a look. The journal carries those of the boots that are alive; older ones are in a file for each boot
and block of numbers, which is read only when a number comes that is not beyond all that its boot has sent before.
"""

import io
from datetime import date

import polars as pl

from .errors import LostRaceError
from .settings import Settings
from .store import Store

FOLDER = "_state/boots/"
BLOCK = 1 << 14  # numbers that share a file, which bounds its size; another value needs another lake
BOOTS_ALIVE, DAYS_ALIVE = 3, 2  # for each sensor, and for each of those boots
PLACE = ["sensor_id", "boot_id", "block", "day"]
BOOT = ["sensor_id", "boot_id"]
SCHEMA = pl.Schema(
    {
        **dict.fromkeys(BOOT, pl.String()),
        "block": pl.Int64(),
        "day": pl.Date(),
        **dict.fromkeys(("lo", "hi", "touched"), pl.Int64()),  # touched: the newest commit that added to it
    }
)
EMPTY = pl.DataFrame(schema=SCHEMA)


def add(spans: pl.DataFrame, samples: pl.DataFrame, version: int) -> pl.DataFrame:
    """The spans once `samples` (with `day`) are in the lake, by commit `version`."""
    seq = pl.col("seq")
    ranges = _places(samples.lazy()).select(*PLACE, lo=seq, hi=seq, touched=pl.lit(version, pl.Int64))
    return _merge(spans.lazy(), ranges)


def _places(samples: pl.LazyFrame) -> pl.LazyFrame:
    return samples.select(pl.col(BOOT).cast(pl.String), "seq", "day", block=pl.col("seq") // BLOCK)


def _merge(*parts: pl.LazyFrame) -> pl.DataFrame:
    groups = pl.concat([part.select(SCHEMA.names()) for part in parts]).group_by(PLACE)
    return groups.agg(pl.col("lo").min(), pl.col("hi").max(), pl.col("touched").max()).sort(PLACE).collect()


def retire(store: Store, settings: Settings, spans: pl.DataFrame) -> pl.DataFrame:
    """Put what the journal need not carry into its files; gives the rest. Harmless if the commit then fails."""
    newest_boots = pl.col("touched").max().over(BOOT).rank("dense", descending=True).over("sensor_id") <= BOOTS_ALIVE
    newest_days = pl.col("hi").rank("ordinal", descending=True).over(BOOT) <= DAYS_ALIVE
    alive = spans.select(newest_boots & newest_days).to_series()
    if alive.all():
        return spans
    by_file = _by_file(spans.filter(~alive))
    store.map(lambda file: _add_to_file(store, settings, file, by_file[file]), by_file)
    return spans.filter(alive)


def other_days(store: Store, settings: Settings, spans: pl.DataFrame, samples: pl.LazyFrame) -> list[date]:
    """The days that may hold another copy of `samples`, of which each is not on its own `day` yet."""
    newest = spans.lazy().group_by(BOOT).agg(pl.col("hi").max())
    numbers = _places(samples).join(newest, on=BOOT, how="left")
    doubtful = numbers.filter(pl.col("hi").is_null() | (pl.col("seq") <= pl.col("hi"))).drop("hi").collect()
    if doubtful.is_empty():
        return []
    files = store.map(lambda file: _read_file(store, settings, file)[0], _by_file(doubtful))
    every = pl.concat([part.lazy().select(SCHEMA.names()) for part in (spans, *files)])
    near = doubtful.lazy().join(every, on=[*BOOT, "block"], suffix="_there")
    hits = near.filter(pl.col("seq").is_between("lo", "hi"), pl.col("day") != pl.col("day_there"))
    return hits.select(pl.col("day_there").unique()).collect().to_series().to_list()


def _by_file(rows: pl.DataFrame) -> dict[str, pl.DataFrame]:
    gateway = pl.col("sensor_id").str.split(".").list.first()
    rows_with_file = rows.with_columns(file=pl.format("{}/{}/{}.parquet", gateway, "boot_id", "block"))
    parts = rows_with_file.partition_by("file", as_dict=True, include_key=False, maintain_order=True)
    return {str(file): part for (file,), part in sorted(parts.items())}


def _read_file(store: Store, settings: Settings, file: str) -> tuple[pl.DataFrame, str | None]:
    item = store.get(settings.dest_bucket, settings.dest_prefix + FOLDER + file)
    return (EMPTY, None) if item is None else (pl.read_parquet(io.BytesIO(item.body)), item.etag)


def _add_to_file(store: Store, settings: Settings, file: str, spans: pl.DataFrame) -> None:
    while True:
        before, etag = _read_file(store, settings, file)
        union = _merge(before.lazy(), spans.lazy())
        if union.drop("touched").equals(before.drop("touched")):
            return
        body = io.BytesIO()
        union.write_parquet(body)
        try:
            store.replace(settings.dest_bucket, settings.dest_prefix + FOLDER + file, body.getvalue(), 0, etag)
            return
        except LostRaceError:
            continue
