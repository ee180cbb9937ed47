"""The lake's two tables: their columns, how samples are merged, how windows come of them."""

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
}
TABLES = {"samples": SAMPLES, "windows": WINDOWS}
IDENTITY = ["sensor_id", "boot_id", "seq"]
ORDER = ["sensor_id", "measured_at", "boot_id", "seq", "received_at"]
WINDOW = ["sensor_id", "zone_id", "quantity", "window_start"]


def merge(*parts: pl.DataFrame) -> pl.DataFrame:
    """Each identity once, in the table's own order; of copies that differ, the first in that order stays.

    The order is total up to equal copies, so the result does not depend on which copy came first.
    """
    together = pl.concat(parts, how="diagonal")
    return together.sort(ORDER, maintain_order=True).unique(IDENTITY, keep="first", maintain_order=True)


def by_day(samples: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Samples by the UTC day of `measured_at`, as `2024-06-01`, oldest first."""
    dated = samples.with_columns(day=pl.col("measured_at").dt.strftime("%Y-%m-%d"))
    parts = dated.partition_by("day", as_dict=True, include_key=False)
    return {str(day): part for (day,), part in sorted(parts.items())}


def windows(samples: pl.DataFrame, interval_minutes: int) -> pl.DataFrame:
    """One row for each sensor, zone, quantity and window that has a value; `samples` as `merge` gives them.

    `std` is of the sample (n - 1), null for a single value; `first` and `last` follow `measured_at`, `boot_id`, `seq`.
    """
    value = pl.col("value")
    measured = [quantity for quantity in QUANTITIES if samples[quantity].null_count() < len(samples)]
    start = pl.col("measured_at").dt.truncate(f"{interval_minutes}m").alias("window_start")
    return (
        samples.select("sensor_id", "zone_id", start, *measured)
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
        )
        .sort(WINDOW)
        .select(pl.col(name).cast(dtype) for name, dtype in WINDOWS.items())
    )
