"""Raw lines in the usual shape, by the engine: the text is cut, then read as two flat documents.

Reading the nested lines as they are takes twice as long. Nothing here is judged: lines in another shape, and lines with
a value that is not surely right, are given back.
"""

import io

import polars as pl

from protocol import messages

from .shape import USUAL
from .tables import NOTHING, SAMPLES, TIME, narrow

_HEAD = pl.Schema(
    {
        "v": pl.Int64(),
        **dict.fromkeys(("gateway_id", "sensor_id", "zone_id", "boot_id", "client_id"), pl.String()),
        "received_at": pl.Int64(),
    }
)
_SAMPLE = pl.Schema(
    {
        "seq": pl.Int64(),
        "measured_at": pl.Int64(),
        "clock": pl.String(),
        **dict.fromkeys(messages.QUANTITIES, pl.Float64()),
    }
)
_TIMES = (messages.EARLIEST, messages.LATEST - 1)
_MANY = 100  # samples in one line; the protocol allows more, and judges a line that has more


def _time(name: str) -> pl.Expr:
    return pl.col(name).is_between(*_TIMES)


# What the shape does not show: that nothing is missing, values are in range, and the sensor is the publisher's own.
_SOUND_HEAD = pl.all_horizontal(
    *(pl.col(name).is_not_null() for name in ("v", "boot_id")),
    _time("received_at"),
    pl.col("sensor_id").str.split(".").list.first() == pl.col("gateway_id"),
    pl.col("client_id") == pl.col("gateway_id"),
    pl.col("many") <= _MANY,
).fill_null(False)


def _sound(quantities: list[str]) -> pl.Expr:
    return pl.all_horizontal(
        *(pl.col(name).is_not_null() for name in ("seq", "clock")),
        _time("measured_at"),
        *(pl.col(name).is_between(*messages.QUANTITIES[name]).fill_null(True) for name in quantities),
    ).fill_null(False)


def _all_sound(quantities: list[str]) -> pl.Expr:
    """Whether all samples are sound, by their extremes: much quicker than to look at each."""
    bounds = {"measured_at": _TIMES, **{name: messages.QUANTITIES[name] for name in quantities}}
    return pl.all_horizontal(
        *(pl.col(name).null_count() == 0 for name in ("seq", "clock", "measured_at")),
        *(pl.col(name).min() >= least for name, (least, _) in bounds.items()),
        *(pl.col(name).max() <= most for name, (_, most) in bounds.items()),
    ).fill_null(False)


def column(name: str) -> pl.Expr:
    """A column of the table, of flat rows with times in Unix seconds."""
    if name in ("measured_at", "received_at"):
        return (pl.col(name) * 1000).cast(TIME).alias(name)
    return pl.col(name) + 0.0 if name in messages.QUANTITIES else pl.col(name)  # -0.0 is no other value than 0.0


def read(texts: list[str]) -> tuple[pl.DataFrame, list[int]]:
    """Samples of the lines that are surely right, as `tables.narrow` gives them, and the indexes of the other lines."""
    lines = pl.Series("text", texts, dtype=pl.String).to_frame().with_row_index("line")
    # The shape allows that any part lacks, so also the samples.
    is_usual = lines["text"].str.contains(USUAL) & lines["text"].str.contains("[", literal=True)
    others = lines.filter(~is_usual)["line"].to_list()
    if not is_usual.any():
        return NOTHING, others
    heads, samples = _flatten(lines if is_usual.all() else lines.filter(is_usual))
    refusals = sorted({*_refused(heads, samples), *_repeating(heads, samples)})
    if refusals:
        keep = ~samples["row"].is_in(refusals)
        samples = samples.filter(keep)
    rows = pl.concat(
        [
            narrow(heads.drop("line", "many", "pairs", "places", "inner_pairs", "with_null", "v", "client_id"))[
                samples["row"]
            ],
            samples.drop("row"),
        ],
        how="horizontal",
    )
    columns = [column(name) for name in SAMPLES if name in rows.columns]
    return rows.select(columns), others + heads["line"].gather(refusals).to_list()


def _flatten(lines: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Lines as rows of `heads`, with how `many` samples each has, and rows of samples with the `row` of their head."""
    front, rest = _split(lines["text"], "[")
    body, back = _split(rest, "]")
    heads = pl.read_ndjson(_document(front + "0" + back), schema=_HEAD)
    heads = heads.with_columns(
        lines["line"],
        many=body.str.count_matches("{", literal=True),
        pairs=(front + back).str.count_matches(":", literal=True),
        places=(front + back).str.count_matches('"zone_id"', literal=True),
        inner_pairs=body.str.count_matches(":", literal=True) - body.str.count_matches("null", literal=True),
        with_null=pl.select(pl.when(body.str.contains("null", literal=True)).then(body)).to_series(),
    )
    samples = pl.read_ndjson(_document(body.str.replace_many(["}, {", "},{"], ["}\n{"] * 2)), schema=_SAMPLE)
    row = pl.int_range(len(heads), dtype=pl.UInt32, eager=True).repeat_by(heads["many"]).explode()
    return heads, narrow(samples).with_columns(row=row)


def _split(texts: pl.Series, mark: str) -> list[pl.Series]:
    return texts.str.splitn(mark, 2).struct.unnest().get_columns()


def _document(texts: pl.Series) -> io.BytesIO:
    return io.BytesIO(texts.str.join("\n").cast(pl.Binary)[0])


def _repeating(heads: pl.DataFrame, samples: pl.DataFrame) -> list[int]:
    """The rows of heads in which a name may stand twice: fewer names have a value than are written with one."""
    names = ("v", "gateway_id", "sensor_id", "boot_id", "client_id", "received_at")
    names_count = (
        pl.sum_horizontal(pl.col(name).is_not_null() for name in names) + pl.col("places") + 1
    )  # and `samples`
    by_head = heads.select(twice=(pl.col("pairs") != names_count) | (pl.col("places") > 1))["twice"]
    pairs = heads["inner_pairs"].sum()
    columns = [name for name in samples.columns if name != "row"]
    if (
        not by_head.any()
        and heads["with_null"].null_count() == len(heads)
        and pairs == sum(samples[name].count() for name in columns)
    ):
        return []
    values = samples.select("row", value=pl.sum_horizontal(pl.col(name).is_not_null() for name in columns))
    sums = values.group_by("row", maintain_order=True).agg(pl.col("value").sum())
    table = heads.with_row_index("row").join(sums, on="row", how="left")
    few = (table["inner_pairs"] != table["value"]).fill_null(True)
    return (by_head | few | _with_null_twice(heads["with_null"])).arg_true().to_list()


def _with_null_twice(bodies: pl.Series) -> pl.Series:
    """Whether a name stands twice in a sample of each; only of those that hold a null is there a text, else null."""
    texts = bodies.to_frame("text").with_row_index("row").drop_nulls()
    texts = texts.with_columns(pl.col("text").str.split("}")).explode("text")
    names_count = pl.sum_horizontal(pl.col("text").str.contains(f'"{name}"', literal=True) for name in _SAMPLE)
    bad = texts.filter(pl.col("text").str.count_matches(":", literal=True) != names_count)["row"]
    return pl.int_range(len(bodies), dtype=pl.UInt32, eager=True).is_in(bad.implode())


def _refused(heads: pl.DataFrame, samples: pl.DataFrame) -> list[int]:
    """The rows of heads that are not surely right, or have such a sample."""
    quantities = [name for name in samples.columns if name in messages.QUANTITIES]
    by_head = heads.select(_SOUND_HEAD.alias("sound"))["sound"]
    if by_head.all() and samples.select(_all_sound(quantities)).item():
        return []
    wrong = [(~by_head).arg_true(), samples.filter(~_sound(quantities))["row"]]
    return pl.concat(wrong).unique().sort().to_list()
