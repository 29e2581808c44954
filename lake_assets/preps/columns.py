"""Prep functions that choose, rename, remove and add columns, and leave values as they are.

Here: functions 13 and 30 to 32, and `add_column`. Not here: which columns a selector means
(`selectors.py`).
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any, Literal, TypeAlias

import narwhals.stable.v2 as nw

from lake_assets.edge import Edge, Effect
from lake_assets.preps.border import entered
from lake_assets.preps.formulas import quoted, spark_column
from lake_assets.preps.prep import Frame, PrepError, prep
from lake_assets.preps.rows import seed_of
from lake_assets.preps.selectors import Columns, Selector, chosen, known
from lake_assets.preps.values import one_of

NewType: TypeAlias = Literal["real", "integer", "nominal", "binominal", "date", "date_time"]

_TYPES: dict[str, Any] = {
    "real": nw.Float64(),
    "integer": nw.Int64(),
    "nominal": nw.String(),
    "binominal": nw.Boolean(),
    "date": nw.Date(),
    "date_time": nw.Datetime("us"),
}


def _kept(params: Mapping[str, Any], before: nw.Schema, after: nw.Schema) -> Effect:
    return Effect({name: (Edge(name, "identity"),) for name in after})


def _renamed(params: Mapping[str, Any], before: nw.Schema, after: nw.Schema) -> Effect:
    new = params["mapping"]
    return Effect({new.get(name, name): (Edge(name, "identity"),) for name in before})


def _made_of_nothing(params: Mapping[str, Any], before: nw.Schema, after: nw.Schema) -> Effect:
    return Effect({params["name"]: ()})


@prep(13, effect=_renamed, values=False)
def rename(df: Frame, mapping: Mapping[str, str]) -> Frame:
    """Rename columns, all at once, so that two can swap their names.

    `mapping`: old name → new name. Values, types and places stay. An unknown old name, and a new
    one that another column has, is a PrepError.

    Source: RapidMiner's *Rename*, which renames one after another.

    >>> import polars as pl
    >>> rename(pl.DataFrame({"a": [1], "b": ["x"]}), {"a": "b", "b": "a"}).columns
    ['b', 'a']
    """
    names = list(df.collect_schema())
    known("rename", df.collect_schema(), list(mapping))
    for old, new in mapping.items():
        if not isinstance(new, str) or not new:
            raise PrepError(f"rename: {old!r} cannot become {new!r}. Give a name.")
    counted = Counter(mapping.get(name, name) for name in names)
    twice = [name for name, times in counted.items() if times > 1]
    if twice:
        raise PrepError(
            f"rename: there would be {counted[twice[0]]} columns {twice[0]!r}. Give each a name of "
            "its own, or rename the one that is there as well."
        )
    if not mapping:
        return df
    native: Any = nw.to_native(df)
    new_names = {name: mapping.get(name, name) for name in names}
    # Names that all others refuse (`border.py`) are mended here; Narwhals' own would not find them.
    if df.implementation.is_duckdb():
        told = ", ".join(f"{quoted(name)} AS {quoted(new)}" for name, new in new_names.items())
        renamed: Frame = nw.from_native(native.project(told))
        return renamed
    if df.implementation.is_spark_like():
        made = [spark_column(name).alias(new) for name, new in new_names.items()]
        renamed = nw.from_native(native.select(made))
        return renamed
    return df.rename(dict(mapping))


@prep(30, effect=_kept, values=False)
def select_attributes(df: Frame, columns: Columns | None = None, *, invert: bool = False) -> Frame:
    """Keep columns, in the order in which the frame has them.

    `columns`: a name, a list of names, or a selector: `subset`, `regular_expression` (of the whole
    name), `value_type` (numeric, integer, real, nominal, binominal, date, date_time),
    `no_missing_values` (neither null nor NaN), or `numeric_condition` (true in every row: `> 6`,
    several joined by `&&` or by `||`; columns of other types stay); `except` takes names out again.
    All columns by default. `invert`: the other columns. A choice without any column is a PrepError,
    for no frame is without.

    Source: RapidMiner's *Select Attributes* (blending/attributes/selection/select_attributes).

    >>> import polars as pl
    >>> df = pl.DataFrame({"주문_번호": [1], "주문_금액": [2.5], "이름": ["가"]})
    >>> select_attributes(df, {"regular_expression": "주문_.*"}).columns
    ['주문_번호', '주문_금액']
    >>> select_attributes(df, {"value_type": "numeric", "invert": True}).columns
    ['이름']
    """
    names = set(_chosen("select_attributes", df, columns))
    return _only(
        "select_attributes", df, [n for n in df.collect_schema() if (n in names) != invert]
    )


@prep(31, effect=_kept, values=False)
def select_by_random(
    df: Frame,
    *,
    use_fixed_number_of_attributes: bool = False,
    number_of_attributes: int | None = None,
    use_local_random_seed: bool = False,
    local_random_seed: int = 1992,
) -> Frame:
    """Keep columns drawn at random, in the frame's order; the same for the same seed.

    `use_fixed_number_of_attributes`: keep `number_of_attributes` of them, else one to all, at
    random. `use_local_random_seed`: draw by `local_random_seed`, else by 2001.

    Source: RapidMiner's *Select by Random* (blending/attributes/selection/select_by_random).

    >>> import polars as pl
    >>> df = pl.DataFrame({"a": [1], "b": [2], "c": [3]})
    >>> select_by_random(df, use_fixed_number_of_attributes=True, number_of_attributes=1).width
    1
    """
    names = list(df.collect_schema())
    # Not for secrets: the same draw for the same seed is what is wanted.
    draw = random.Random(seed_of("select_by_random", use_local_random_seed, local_random_seed))  # noqa: S311
    if use_fixed_number_of_attributes != (number_of_attributes is not None):
        wants = "is missing" if use_fixed_number_of_attributes else "is not used"
        raise PrepError(
            f"select_by_random: number_of_attributes {wants}: it belongs to "
            "use_fixed_number_of_attributes, set to true."
        )
    number = number_of_attributes
    if number is None:
        number = draw.randint(1, len(names))
    if not 1 <= number <= len(names):
        raise PrepError(
            f"select_by_random: number_of_attributes is {number}. There are {len(names)} columns; "
            "ask for 1 at least."
        )
    return _only("select_by_random", df, set(draw.sample(names, number)))


@prep(32, effect=_kept, values=False)
def remove_attributes(df: Frame, columns: Columns) -> Frame:
    """Take columns out.

    `columns`: a name, a list of names, or a selector as in `select_attributes`. An unknown name is
    a PrepError, as is taking out all.

    Source: RapidMiner's *Select Attributes*, inverted.

    >>> import polars as pl
    >>> remove_attributes(pl.DataFrame({"a": [1], "b": [2], "c": [3]}), ["b"]).columns
    ['a', 'c']
    """
    names = set(_chosen("remove_attributes", df, columns))
    return _only("remove_attributes", df, [n for n in df.collect_schema() if n not in names])


@prep(effect=_made_of_nothing, values=False)
def add_column(df: Frame, name: str, value_type: NewType = "real") -> Frame:
    """Add a column without values.

    `name`: of none of the columns. `value_type`: real, integer, nominal, binominal, date or
    date_time (a wall time).

    Source: RapidMiner's *Generate Empty Attribute*.

    >>> import polars as pl
    >>> add_column(pl.DataFrame({"a": [1]}), "비고", "nominal").row(0)
    (1, None)
    """
    one_of("add_column", "value_type", value_type, list(_TYPES))
    if name in df.collect_schema():
        raise PrepError(f"add_column: there is a column {name!r} already. Choose another name.")
    dtype = _TYPES[value_type]
    if not df.implementation.is_pandas():
        return df.with_columns(nw.lit(None).cast(dtype).alias(name))
    # pandas' own types for a column of None are object and, for truth values, False.
    import pandas as pd

    native = nw.to_native(df)
    blank = nw.new_series(name, [None] * len(native), dtype, backend="pyarrow").to_arrow()
    made: Frame = nw.from_native(native.assign(**{name: pd.arrays.ArrowExtensionArray(blank)}))
    return made


def _chosen(function: str, df: Frame, columns: Columns | None) -> list[str]:
    """The columns meant. Rules look at types and values, which NumPy-backed pandas tells wrongly
    before it is converted; names do not."""
    by_rule = isinstance(columns, Selector | Mapping)
    seen = entered(function, nw.to_native(df), ((columns,), {})) if by_rule else df
    return chosen(function, seen, columns)


def _only(function: str, df: Frame, names: Collection[str]) -> Frame:
    if not names:
        raise PrepError(f"{function}: no column is left. Choose one at least.")
    return df.select(name for name in df.collect_schema() if name in names)
