"""Rows by their place: sorted stably, parts of them, and rows drawn at random by a seed.

Here: what Narwhals has no words for, engine by engine. Not here: the functions (`rows.py`).
DuckDB's rows have the order in which they are read, Spark's that of their partitions; where a
query behind them gives them in another order each time, so it is with what is done by place.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import narwhals.stable.v2 as nw

from lake_assets.preps.border import arrow_backed
from lake_assets.preps.prep import Frame
from lake_assets.preps.values import with_texts

#: From and to, counted from 0, the second excluded.
Range: TypeAlias = tuple[int, int]
#: Class → the range of its rows, in the order drawn. `None` alone, without a label: of all rows.
Cut: TypeAlias = Mapping[Any, Range]


def count(frame: Frame) -> int:
    """How many rows there are: of a lazy frame by one query."""
    if isinstance(frame, nw.DataFrame):
        return len(frame)
    return int(frame.select(nw.len()).collect().item())


def counts(frame: Frame, label: str) -> dict[Any, int]:
    """Value of the label → how many rows have it, missing being one of them; sorted, it last."""
    number = hidden(frame)
    grouped = _labels(frame, label).group_by(label).agg(nw.len().alias(number))
    found = grouped.collect() if isinstance(grouped, nw.LazyFrame) else grouped
    there = dict(zip(found[label].to_arrow().to_pylist(), found[number].to_list(), strict=True))
    return dict(sorted(there.items(), key=lambda one: (one[0] is None, one[0])))


def _labels(frame: Frame, label: str) -> Frame:
    """The label alone, as text or true and false."""
    one: Frame = frame.select(label)
    if one.implementation.is_pandas():
        one = _frame(arrow_backed(nw.to_native(one), [label], "split_rows"))
    return one if one.collect_schema()[label] == nw.Boolean else with_texts(one, [label])


# -- sorting


def sorted_rows(
    frame: Frame, names: Sequence[str], descending: Sequence[bool], *, nulls_last: bool
) -> Frame:
    """Stably sorted, NaN being missing and categories being texts."""
    with_keys, keys = _keys(frame, names)
    found = _stably(with_keys, keys, descending, nulls_last)
    return found if keys == list(names) else found.drop(set(keys) - set(names))


def _keys(frame: Frame, names: Sequence[str]) -> tuple[Frame, list[str]]:
    """The columns to sort by: in the place of those with NaN and of categories, made ones."""
    schema = frame.collect_schema()
    floats = [name for name in names if schema[name].is_float()]
    if isinstance(frame, nw.DataFrame) and floats:
        found = frame.select(nw.col(floats).is_nan().any()).row(0)
        floats = [name for name, has_nan in zip(floats, found, strict=True) if has_nan]
    kinds = [name for name in names if isinstance(schema[name], nw.Categorical | nw.Enum)]
    for name in dict.fromkeys((*floats, *kinds)):
        key, column = hidden(frame), nw.col(name)
        made = nw.when(~column.is_nan()).then(column) if name in floats else column
        frame = frame.with_columns(made.alias(key))
        frame = with_texts(frame, [key]) if name in kinds else frame
        names = [key if one == name else one for one in names]
    return frame, list(names)


def _stably(frame: Frame, by: Sequence[str], descending: Sequence[bool], nulls_last: bool) -> Frame:
    """Where Narwhals does not pass on that a sort is to be stable, the engine is asked itself."""
    native: Any = nw.to_native(frame)
    if frame.implementation.is_polars():
        return _frame(
            native.sort(by, descending=descending, nulls_last=nulls_last, maintain_order=True)
        )
    if frame.implementation.is_pandas():
        missing = "last" if nulls_last else "first"
        ascending = [not one for one in descending]
        return _frame(
            native.sort_values(by, ascending=ascending, na_position=missing, kind="stable")
        )
    if isinstance(frame, nw.LazyFrame):
        place = hidden(frame)
        found = placed(frame, place).sort(
            *by, place, descending=[*descending, False], nulls_last=nulls_last
        )
        return found.drop(place)
    return frame.sort(*by, descending=list(descending), nulls_last=nulls_last)


def _frame(native: Any) -> Frame:
    made: Frame = nw.from_native(native)
    return made


def hidden(frame: Frame) -> str:
    """A name that no column has."""
    return nw.generate_temporary_column_name(8, list(frame.collect_schema()))


def placed(frame: Frame, name: str, seed: int | None = None) -> Frame:
    """A lazy frame with a column of the rows' places from 0; with a seed, of places drawn."""
    native: Any = nw.to_native(frame)
    if frame.implementation.is_polars():
        return _frame(native.with_columns(_polars_places(seed).alias(name)))
    make = _placed_by_duckdb if frame.implementation.is_duckdb() else _placed_by_spark
    return _frame(make(native, name, seed))


def _placed_by_duckdb(native: Any, name: str, seed: int | None) -> Any:
    from duckdb import SQLExpression, StarExpression

    places = SQLExpression("row_number() over () - 1").alias(name)
    found = native.select(StarExpression(), places)
    if seed is None:
        return found
    # hash(place, seed) is the place's hash xor the seed's: that alone does not draw fairly.
    order = f'order by hash(hash("{name}", {seed:d})), "{name}"'
    ranks = SQLExpression(f"row_number() over ({order}) - 1").alias(name)
    return found.select(StarExpression(exclude=[name]), ranks)


def _placed_by_spark(native: Any, name: str, seed: int | None) -> Any:
    import pyspark.sql.functions as of
    from pyspark.sql import Window

    places: Any = of.monotonically_increasing_id()
    drawn = places if seed is None else of.xxhash64(places, of.lit(seed))
    all_rows = Window.partitionBy(of.lit(1)).orderBy(name)
    return native.withColumn(name, drawn).withColumn(name, of.row_number().over(all_rows) - 1)


def _polars_places(seed: int | None) -> Any:
    import polars as pl

    places = pl.int_range(pl.len(), dtype=pl.Int64)
    if seed is None:
        return places

    def drawn(column: Any) -> Any:  # each row's place in the order in which eager frames are drawn
        ranks = generator(seed).permutation(len(column)).argsort()
        return pl.Series(ranks, dtype=pl.Int64)

    return places.map_batches(drawn, return_dtype=pl.Int64)


# -- parts


def ranged(frame: Frame, ranges: Sequence[Range]) -> list[Frame]:
    """The rows of each range, in their order."""
    if isinstance(frame, nw.DataFrame):
        return [frame[start:end] for start, end in ranges]
    place = hidden(frame)
    numbered = placed(frame, place)
    return [
        numbered.filter((nw.col(place) >= start) & (nw.col(place) < end)).drop(place)
        for start, end in ranges
    ]


def shuffled(frame: Frame, seed: int) -> Frame:
    if isinstance(frame, nw.DataFrame):
        return _at(frame, generator(seed).permutation(len(frame)))
    place = hidden(frame)
    return placed(frame, place, seed).sort(place).drop(place)


def drawn(frame: Frame, cuts: Sequence[Cut], seed: int, label: str | None = None) -> list[Frame]:
    """The rows are drawn one by one at random; each cut has those that its ranges say.

    With a label the rows of each class are drawn by themselves. The rows of a cut keep their order.
    """
    if isinstance(frame, nw.DataFrame):
        return _drawn_eagerly(frame, cuts, seed, label)
    place = hidden(frame)
    in_order = placed(frame, place)
    rank = hidden(in_order)
    ranked = placed(in_order, rank, seed)
    if label is not None:
        ranked = ranked.with_columns(nw.col(rank).rank("ordinal").over(label) - 1)
    parts = []
    for cut in cuts:
        wanted = functools.reduce(operator.or_, _within(rank, cut, label), nw.col(rank) < 0)
        # Ranking has put the rows of SQL engines into another order.
        parts.append(ranked.filter(wanted).sort(place).drop(place, rank))
    return parts


def _within(rank: str, cut: Cut, label: str | None) -> Iterator[nw.Expr]:
    for one, (start, end) in cut.items():
        ranks = (nw.col(rank) >= start) & (nw.col(rank) < end)
        if label is None:
            yield ranks
        else:
            yield ranks & (nw.col(label).is_null() if one is None else nw.col(label) == one)


def _drawn_eagerly(
    frame: nw.DataFrame[Any], cuts: Sequence[Cut], seed: int, label: str | None
) -> list[Frame]:
    import numpy as np

    random = generator(seed)
    if label is None:
        orders = {None: random.permutation(len(frame))}
    else:
        labels = _labels(frame, label)[label]
        orders = {
            one: random.permutation(np.flatnonzero(_is(labels, one)))
            for one in dict.fromkeys(one for cut in cuts for one in cut)
        }
    parts = [
        np.concatenate(
            [np.arange(0), *(orders[one][start:end] for one, (start, end) in cut.items())]
        )
        for cut in cuts
    ]
    return [_at(frame, np.sort(places)) for places in parts]


def _at(frame: nw.DataFrame[Any], places: Any) -> Frame:
    found: Frame = frame[places]
    return found


def _is(labels: nw.Series[Any], one: Any) -> Any:
    equal = labels.is_null() if one is None else (labels == one).fill_null(False)
    return equal.to_numpy()


def generator(seed: int) -> Any:
    import numpy as np

    return np.random.default_rng(seed)
