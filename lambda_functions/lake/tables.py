"""The lake's two tables: their columns, which copy of a sample stays, how windows come of samples.

Of several copies of a sample, that one stays which the cloud received first; of those the one measured first; of those
the one whose other columns come first in order. This looks at what a copy says, never at when it was processed.
"""

from collections.abc import Sequence

import polars as pl

from protocol.messages import QUANTITIES

TIME = pl.Datetime("ms", "UTC")  # Athena's timestamp has milliseconds

# Physical units are in the names of quantities; times are instants in UTC.
SAMPLES: dict[str, pl.DataType] = {
    "sensor_id": pl.String(),
    "gateway_id": pl.String(),
    "zone_id": pl.String(),
    "boot_id": pl.String(),
    "seq": pl.Int64(),
    "measured_at": TIME,
    "clock": pl.String(),
    "received_at": TIME,
    **{quantity: pl.Float64() for quantity in QUANTITIES},
}
WINDOWS: dict[str, pl.DataType] = {
    "sensor_id": pl.String(),
    "zone_id": pl.String(),
    "quantity": pl.String(),
    "window_start": TIME,
    "interval_minutes": pl.Int64(),
    "count": pl.Int64(),
    "mean": pl.Float64(),
    "min": pl.Float64(),
    "max": pl.Float64(),
    "std": pl.Float64(),
    "first": pl.Float64(),
    "last": pl.Float64(),
    "volume_l": pl.Float64(),
}
TABLES = {"samples": SAMPLES, "windows": WINDOWS}
IDENTITY = ["sensor_id", "boot_id", "seq"]
ORDER = ["sensor_id", "measured_at", "boot_id", "seq"]
WINDOW = ["sensor_id", "zone_id", "quantity", "window_start"]


_WORDS = [name for name, dtype in SAMPLES.items() if dtype == pl.String]


def narrow(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of samples as they are held in memory: each word once, and without the quantities that no row has."""
    empty = [name for name in QUANTITIES if name in rows.columns and rows[name].null_count() == len(rows)]
    words = [pl.col(name).cast(pl.Categorical) for name in _WORDS if name in rows.columns]
    return rows.drop(empty).with_columns(words)


def whole(samples: pl.DataFrame) -> pl.DataFrame:
    """Samples as they are stored: with all the table's columns."""
    lacking = [pl.lit(None, dtype).alias(name) for name, dtype in SAMPLES.items() if name not in samples.columns]
    return samples.with_columns(lacking).select(pl.col(name).cast(dtype) for name, dtype in SAMPLES.items())


NOTHING = narrow(pl.DataFrame(schema=SAMPLES))


def distinct(samples: pl.DataFrame) -> pl.DataFrame:
    """Each identity once, with the `day` of `measured_at` in UTC."""
    dated = _dated(samples.lazy()).collect()
    is_repeat = dated.select(IDENTITY).is_duplicated()
    if not is_repeat.any():
        return dated
    best = dated.filter(is_repeat).sort(_received_first(dated)).unique(IDENTITY, keep="first", maintain_order=True)
    return pl.concat([dated.filter(~is_repeat), best])


def changes(new_samples: pl.DataFrame, old_pages: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """What `new_samples`, distinct, change in a lake of which `old_pages` have every copy: rows with their `day`.

    `gone` marks rows that leave their day, because the copy that stays is on another; `known` marks rows that come
    instead of a copy. Rows that change nothing are left out.
    """
    there = pl.concat([part.lazy() for part in old_pages] or [new_samples.lazy().clear()], how="diagonal")
    old = _dated(there.join(new_samples.lazy(), on=IDENTITY, how="semi")).collect()
    if old.is_empty():
        return new_samples.with_columns(gone=pl.lit(False), known=pl.lit(False))
    rivals = new_samples.join(old, on=IDENTITY, how="semi")
    contest = pl.concat([old.with_columns(new=pl.lit(False)), rivals.with_columns(new=pl.lit(True))], how="diagonal")
    winners = contest.sort([*_received_first(contest), "new"]).unique(IDENTITY, keep="first").filter("new").drop("new")
    elsewhere = old.join(winners, on=IDENTITY, how="semi").join(winners, on=[*IDENTITY, "day"], how="anti")
    fresh = new_samples.join(old, on=IDENTITY, how="anti")
    marked = [(fresh, False, False), (winners, False, True), (elsewhere, True, False)]
    return pl.concat(
        [rows.with_columns(gone=is_gone, known=is_known) for rows, is_gone, is_known in marked], how="diagonal"
    )


def _received_first(copies: pl.DataFrame) -> list[str]:
    first = ["received_at", "measured_at"]
    return [*first, *(name for name in SAMPLES if name in copies.columns and name not in first)]


def _dated(samples: pl.LazyFrame) -> pl.LazyFrame:
    return samples.with_columns(day=pl.col("measured_at").dt.date())


def apply(samples: pl.DataFrame, changes: pl.DataFrame) -> pl.DataFrame:
    """A day's samples, in the table's order, once the changes of that day are made."""
    leave = changes.filter(pl.col("gone") | pl.col("known"))
    stay = samples if leave.is_empty() else samples.join(leave, on=IDENTITY, how="anti")
    come = changes.filter(~pl.col("gone")).drop("gone", "known", "day")
    return pl.concat([come, stay], how="diagonal").sort(ORDER)


def windows(samples: pl.DataFrame, interval_minutes: int) -> pl.DataFrame:
    """One row for each sensor, zone, quantity and window that has a value; `samples` as `apply` gives them.

    `std` is of the sample (n - 1), null for a single value; `first` and `last` follow `measured_at`, `boot_id`, `seq`;
    `volume_l` is the water that passed: the sum of `volume_l`, or the mean `flow_l_min` times the window's minutes.
    """
    value = pl.col("value")
    measured = [quantity for quantity in QUANTITIES if quantity in samples.columns]
    start = pl.col("measured_at").dt.truncate(f"{interval_minutes}m").alias("window_start")
    volume_l = (
        pl.when(pl.col("quantity") == "volume_l")
        .then(pl.col("sum"))
        .when(pl.col("quantity") == "flow_l_min")
        .then(pl.col("mean") * interval_minutes)
    )
    return (
        samples.lazy()
        .select("sensor_id", "zone_id", start, *measured)
        .unpivot(measured, index=["sensor_id", "zone_id", "window_start"], variable_name="quantity")
        .drop_nulls("value")
        .group_by(WINDOW, maintain_order=True)
        .agg(
            interval_minutes=pl.lit(interval_minutes),
            count=pl.len(),
            mean=value.mean(),
            min=value.min(),
            max=value.max(),
            std=value.std(),
            first=value.first(),
            last=value.last(),
            sum=value.sum(),
        )
        .with_columns(volume_l=volume_l)
        .sort(WINDOW)
        .select(pl.col(name).cast(dtype) for name, dtype in WINDOWS.items())
        .collect()
    )
