"""Frames of the libraries people work in, from Arrow and back.

Here: the kinds there are, and going to and fro without loss. Not here: which columns a frame must
have, and where its rows come from.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from resources.errors import PermanentError
from resources.types import ALLOWED

#: By the name of the library's module and of the class, as an annotation shows them.
KINDS = ("polars.DataFrame", "polars.LazyFrame", "pandas.DataFrame", "pyarrow.Table")

# What the libraries make of a lake type, and that type.
_SAME: tuple[tuple[Callable[[pa.DataType], bool], pa.DataType], ...] = (
    (pa.types.is_string, pa.string()),
    (pa.types.is_large_string, pa.string()),
    (pa.types.is_string_view, pa.string()),
    (pa.types.is_binary, pa.binary()),
    (pa.types.is_large_binary, pa.binary()),
    (pa.types.is_binary_view, pa.binary()),
    (pa.types.is_date, pa.date32()),
    # Polars counts in uint32; the lake has signed numbers only, as Hive and PostgreSQL do.
    (pa.types.is_uint8, pa.int16()),
    (pa.types.is_uint16, pa.int32()),
    (pa.types.is_uint32, pa.int64()),
    (pa.types.is_uint64, pa.int64()),
)


def kind_of(annotation: Any) -> str | None:
    """The kind an annotation asks for; None where it says nothing (`Any`, none at all)."""
    module = str(getattr(annotation, "__module__", "")).split(".")[0]
    name = f"{'pyarrow' if module == 'pyarrow' else module}.{getattr(annotation, '__name__', '')}"
    return name if name in KINDS else None


def to_frame(table: pa.Table, kind: str) -> Any:
    """The rows as one of `KINDS`.

    pandas frames are Arrow-backed (`pd.ArrowDtype`): its own types turn nullable integers into
    floats and decimals into objects.
    """
    if kind == "pyarrow.Table":
        return table
    if kind == "pandas.DataFrame":
        import pandas as pd

        return table.to_pandas(types_mapper=pd.ArrowDtype)
    import polars as pl

    frame = pl.DataFrame(table)
    return frame.lazy() if kind == "polars.LazyFrame" else frame


def to_table(frame: Any) -> pa.Table:
    """The rows of any of `KINDS` in the lake's types; what has none is a PermanentError."""
    table = _as_table(frame)
    types = {field.name: lake_type(field.type) for field in table.schema}
    homeless = [f"{name} ({table[name].type})" for name, type_ in types.items() if type_ is None]
    if homeless:
        raise PermanentError(
            f"The lake has no type for {', '.join(homeless)}; cast to one of: {', '.join(ALLOWED)}."
        )
    try:
        return table.cast(pa.schema([pa.field(*item) for item in types.items()]))
    except pa.ArrowInvalid as error:
        raise PermanentError(f"Rows do not fit the lake's types: {error}.") from None


def lake_type(type_: pa.DataType) -> pa.DataType | None:
    """The lake's type for an Arrow type that a library chose; None where there is none."""
    if pa.types.is_dictionary(type_):
        return lake_type(type_.value_type)
    if pa.types.is_timestamp(type_):
        return pa.timestamp("us", tz=type_.tz and "UTC")
    for same, lake in _SAME:
        if same(type_):
            return lake
    keeps = pa.types.is_signed_integer(type_) or pa.types.is_boolean(type_)
    keeps = keeps or type_ in (pa.float32(), pa.float64()) or pa.types.is_decimal128(type_)
    return type_ if keeps else None


def _as_table(frame: Any) -> pa.Table:
    if isinstance(frame, pa.Table):
        return frame
    module = type(frame).__module__.split(".")[0]
    if module == "polars" and hasattr(frame, "collect"):
        frame = frame.collect()
    if module == "polars" and hasattr(frame, "to_arrow"):
        return frame.to_arrow()
    if module == "pandas" and hasattr(frame, "columns"):
        return pa.Table.from_pandas(frame, preserve_index=False)
    raise PermanentError(
        f"{type(frame).__name__} is no frame of the lake; it takes {', '.join(KINDS)}."
    )
