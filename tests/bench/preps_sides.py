"""What is measured of the prep functions: a call of each, and the same as its engine's own users
write it.

Here: the rows, the calls, the native ways, and the two functions that a measured process calls. Not
here: what they are compared by (`preps.py`).

A native way gives the same result on these rows, missing values included: NaN counts as missing, an
empty text after a cut does, a text that is no date or number is an error.
"""

from __future__ import annotations

import functools
import gc
import time
from collections.abc import Callable
from typing import Any

from tests.bench.meter import Meter

ROWS = 5_000_000
#: Calls a batch; the best batch of five counts, as other work only ever lengthens one.
_CALLS, _BATCHES = 100, 5
_TIMES = 3
BLANKS = " \t\r\n\u3000\u00a0"

Call = Callable[[Any], Any]

#: Function → its parameters and the columns of the frame it is given.
CALLS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "filter_examples": (
        {"filters": [["quantity", "ge", 50], ["region", "is_in", ["서울", "부산"]]]},
        ["quantity", "region", "amount"],
    ),
    "sort": ({"by": "quantity"}, ["quantity", "amount"]),
    "trim": ({"columns": "name"}, ["name"]),
    "substring": (
        {"columns": "name", "first_character_index": 3, "last_character_index": 6},
        ["name"],
    ),
    "nominal_to_date": ({"column": "day_text", "date_format": "yyyy/MM/dd"}, ["day_text"]),
    "date_to_numeric": ({"column": "day", "time_unit": "day", "relative_to": "year"}, ["day"]),
    "real_to_integer": ({"columns": "amount"}, ["amount"]),
    "numeric_to_binominal": ({"columns": "quantity", "min": 10, "max": 20}, ["quantity"]),
    "parse_number": ({"columns": "price"}, ["price"]),
    "null": ({"method": "average", "columns": "amount"}, ["amount"]),
}
#: These cost nothing a row, so only a call of them is measured.
LIGHT: dict[str, tuple[dict[str, Any], list[str]]] = {
    "rename": ({"mapping": {"quantity": "수량"}}, ["quantity", "amount"]),
    "select_attributes": ({"columns": ["amount"]}, ["quantity", "amount"]),
}


def write_rows(file: str, rows: int) -> None:
    """One in a hundred is missing in every column, one in a thousand of the amounts is NaN."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    random = np.random.default_rng(46)

    def missing(values: Any) -> pa.Array:
        return pa.array(values, mask=random.random(rows) < 0.01)

    def chosen(words: list[str]) -> pa.Array:
        places = missing(random.integers(0, len(words), rows))
        return pa.array(words).take(places)

    amounts = random.normal(0, 1e6, rows).round(2)
    amounts[random.random(rows) < 0.001] = np.nan
    days = np.datetime64("2000-01-01") + random.integers(0, 9000, rows)
    names = [f" 거래처 {n} 주식회사\u3000" if n % 3 else f"상사{n}" for n in range(10_000)]
    day_texts = [str(np.datetime64("2000-01-01") + n).replace("-", "/") for n in range(9000)]
    prices = [f"{n * 37 % 9_999_999 / 100:.2f}" for n in range(200_000)]
    table = pa.table(
        {
            "quantity": missing(random.integers(-100, 200, rows)),
            "amount": missing(amounts),
            "region": chosen(["서울", "부산", "대구", "인천", "광주", "대전"]),
            "name": chosen([*names, "  ", ""]),
            "day_text": chosen(day_texts),
            "day": missing(days.astype("datetime64[D]")),
            "price": chosen(prices),
        }
    )
    pq.write_table(table, file)


def _frame(file: str, engine: str, columns: list[str], rows: int | None = None) -> Any:
    import pyarrow.parquet as pq

    table = pq.read_table(file, columns=columns).slice(0, rows)
    if engine == "polars":
        import polars as pl

        return pl.DataFrame(table).rechunk()
    import pandas as pd

    if engine == "pandas_arrow":
        # One chunk a column, as pandas' own reader has it.
        return table.combine_chunks().to_pandas(types_mapper=pd.ArrowDtype)
    return table.to_pandas(date_as_object=False)


# -- the native ways


def _polars() -> dict[str, Call]:
    import polars as pl

    def cut(column: Any) -> Any:
        return pl.when(column != "").then(column)

    amount = pl.col("amount").fill_nan(None)
    return {
        "filter_examples": lambda df: df.filter(
            (pl.col("quantity") >= 50) & pl.col("region").is_in(["서울", "부산"])
        ),
        "sort": lambda df: df.sort("quantity", nulls_last=True, maintain_order=True),
        "trim": lambda df: df.with_columns(
            cut(pl.col("name").str.strip_chars(BLANKS)).alias("name")
        ),
        "substring": lambda df: df.with_columns(cut(pl.col("name").str.slice(2, 4)).alias("name")),
        "nominal_to_date": lambda df: df.with_columns(pl.col("day_text").str.to_date("%Y/%m/%d")),
        "date_to_numeric": lambda df: df.with_columns(
            pl.col("day").dt.ordinal_day().cast(pl.Int64)
        ),
        "real_to_integer": lambda df: df.with_columns(amount.cast(pl.Int64)),
        "numeric_to_binominal": lambda df: df.with_columns(~pl.col("quantity").is_between(10, 20)),
        "parse_number": lambda df: df.with_columns(pl.col("price").cast(pl.Float64)),
        "null": lambda df: df.with_columns(amount.fill_null(amount.mean())),
        "rename": lambda df: df.rename({"quantity": "수량"}),
        "select_attributes": lambda df: df.select("amount"),
    }


def _pandas_arrow() -> dict[str, Call]:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    def cut(texts: Any) -> Any:
        return texts.mask(texts == "")

    def present(df: Any) -> Any:
        return df.amount.where(df.amount == df.amount)  # NaN is missing, too

    return {
        "filter_examples": lambda df: df[
            (df.quantity >= 50).fillna(False) & df.region.isin(["서울", "부산"])
        ],
        "sort": lambda df: df.sort_values("quantity", kind="stable"),
        "trim": lambda df: df.assign(name=cut(df.name.str.strip(BLANKS))),
        "substring": lambda df: df.assign(name=cut(df.name.str.slice(2, 6))),
        "nominal_to_date": lambda df: df.assign(
            day_text=pd.to_datetime(df.day_text, format="%Y/%m/%d").astype(
                pd.ArrowDtype(pa.date32())
            )
        ),
        "date_to_numeric": lambda df: df.assign(day=df.day.dt.dayofyear),
        "real_to_integer": lambda df: df.assign(
            amount=np.trunc(present(df)).astype("int64[pyarrow]")
        ),
        "numeric_to_binominal": lambda df: df.assign(quantity=~df.quantity.between(10, 20)),
        "parse_number": lambda df: df.assign(price=df.price.astype("double[pyarrow]")),
        "null": lambda df: df.assign(amount=(one := present(df)).fillna(one.mean())),
        "rename": lambda df: df.rename(columns={"quantity": "수량"}),
        "select_attributes": lambda df: df[["amount"]],
    }


def _pandas_numpy() -> dict[str, Call]:
    import numpy as np
    import pandas as pd

    return {
        **_pandas_arrow(),
        "trim": lambda df: df.assign(name=df.name.str.strip(BLANKS).replace("", None)),
        "substring": lambda df: df.assign(name=df.name.str.slice(2, 6).replace("", None)),
        "nominal_to_date": lambda df: df.assign(
            day_text=pd.to_datetime(df.day_text, format="%Y/%m/%d").dt.date
        ),
        "real_to_integer": lambda df: df.assign(amount=np.trunc(df.amount).astype("Int64")),
        "numeric_to_binominal": lambda df: df.assign(
            quantity=(~df.quantity.between(10, 20)).astype("boolean").mask(df.quantity.isna())
        ),
        "date_to_numeric": lambda df: df.assign(day=df.day.dt.dayofyear),
        "parse_number": lambda df: df.assign(price=pd.to_numeric(df.price)),
        "null": lambda df: df.assign(amount=df.amount.fillna(df.amount.mean())),
    }


_NATIVE = {"polars": _polars, "pandas_arrow": _pandas_arrow, "pandas_numpy": _pandas_numpy}
ENGINES = tuple(_NATIVE)


def _calls(engine: str, side: str) -> dict[str, Call]:
    if side == "native":
        return _NATIVE[engine]()
    from lake_assets.preps.catalogue import CATALOGUE

    return {
        name: functools.partial(lambda call, params, df: call(df, **params), function, params)
        for name, (params, _) in {**CALLS, **LIGHT}.items()
        for function in [CATALOGUE[name].function]
    }


# -- what a process does


def measured(meter: Meter, file: str, engine: str, side: str, names: list[str]) -> dict[str, Any]:
    """Each function over all rows, after a call of few: imports are nobody's.

    The least of three counts: a machine that does other work takes twice the CPU for one, at times.
    """
    calls = _calls(engine, side)
    for name in names:
        frame = _frame(file, engine, CALLS[name][1])
        calls[name](frame[:1000])
        least = float("inf")
        for _ in range(_TIMES):
            gc.collect()
            with meter(name):
                found = calls[name](frame)
            least = min(least, meter.cpu[name])
            del found
        meter.cpu[name] = least
    return {}


def compared(meter: Meter, file: str, engine: str, names: list[str]) -> dict[str, Any]:
    """The functions whose result is not the native one; all rows."""
    ours, native = _calls(engine, "ours"), _calls(engine, "native")
    told = {}
    for name in names:
        frame = _frame(file, engine, CALLS[name][1])
        first, second = (_arrow(calls[name](frame)) for calls in (ours, native))
        if first.column_names != second.column_names:
            told[name] = f"columns {first.column_names} and {second.column_names}"
        for column in first.column_names:
            one, other = first[column], second[column]
            if not _equal(one.cast(other.type) if one.type != other.type else one, other):
                told[name] = f"{column}: {one.type} {one.slice(0, 9)}, {other.type} {other[:9]}"
    return told


def _equal(one: Any, other: Any) -> bool:
    """An average is another in its last digits where the values are added in another order."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_floating(one.type):
        return bool(one.equals(other))
    far = pc.greater(pc.abs(pc.subtract(one, other)), pc.multiply(pc.abs(other), 1e-12))
    return bool(one.is_null().equals(other.is_null())) and not pc.any(far).as_py()


def _arrow(frame: Any) -> Any:
    """Plain types, NaN a null: as the lake has one missing value."""
    import pyarrow as pa
    import pyarrow.compute as pc

    table = (
        frame.to_arrow()
        if hasattr(frame, "to_arrow")
        else pa.Table.from_pandas(frame, preserve_index=False)
    )

    def plain(column: Any) -> Any:
        if pa.types.is_floating(column.type):
            column = pc.if_else(pc.is_nan(column), None, column)
        if pa.types.is_large_string(column.type) or pa.types.is_string_view(column.type):
            column = column.cast(pa.string())
        return column.combine_chunks()

    return pa.table({name: plain(table[name]) for name in table.column_names})


def calling(meter: Meter, file: str, engine: str) -> dict[str, Any]:
    """Milliseconds that a call takes on three rows, ours and native, by function."""
    sides = {side: _calls(engine, side) for side in ("ours", "native")}
    found: dict[str, Any] = {}
    for name, (_, columns) in {**CALLS, **LIGHT}.items():
        frame = _frame(file, engine, columns, 3)
        best = dict.fromkeys(sides, float("inf"))
        for side, calls in list(sides.items()) * _BATCHES:
            calls[name](frame)
            before = time.process_time()
            for _ in range(_CALLS):
                calls[name](frame)
            best[side] = min(best[side], (time.process_time() - before) * 1000 / _CALLS)
        found[name] = best
    return found
