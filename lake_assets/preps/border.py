"""The border between an engine's frame and Narwhals': what comes in, what goes back.

Here: making frames of all engines alike where they enter (NumPy-backed pandas columns become
Arrow-backed ones, so that integers with nulls stay integers), and giving back the kind that came.
Not here: differences of expressions (`fences.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import narwhals.stable.v2 as nw
from narwhals.exceptions import DuplicateError

from lake_assets.preps.errors import PrepError

Given = tuple[Sequence[Any], Mapping[str, Any]]


def entered(
    function: str, native: Any, given: Given | None
) -> nw.DataFrame[Any] | nw.LazyFrame[Any]:
    """The frame as Narwhals'. Of NumPy-backed pandas the columns that `given` names are converted.

    Columns that no parameter names are left alone: converting 5 million texts takes seconds. None
    are with `given=None`, for functions that move columns and rows without looking at values.
    """
    frame = _framed(function, native)
    engine = frame.implementation
    if engine.is_pandas():
        _refuse_labels(function, native)
        numpy = _numpy_columns(native, given) if given is not None else []
        if numpy:
            converted: nw.DataFrame[Any] = nw.from_native(arrow_backed(native, numpy, function))
            return converted
    elif function != "rename":  # which mends it
        _refuse_names(function, frame)
    return frame


def _framed(function: str, native: Any) -> nw.DataFrame[Any] | nw.LazyFrame[Any]:
    try:
        frame: nw.DataFrame[Any] | nw.LazyFrame[Any] = nw.from_native(native)
    except DuplicateError:
        raise PrepError(
            f"{function}: several columns have the same name. Give each a name of its own first."
        ) from None
    except TypeError:
        raise PrepError(
            f"{function}: its first parameter is a frame: a DataFrame of Polars, pandas or "
            "PySpark, a LazyFrame, a Table of PyArrow or a relation of DuckDB, and no "
            f"{type(native).__name__}."
        ) from None
    return frame


def _refuse_labels(function: str, native: Any) -> None:
    """pandas names columns by anything, by 0, 1, 2 where no names are given."""
    odd = [one for one in native.columns if not isinstance(one, str)]
    if odd:
        raise PrepError(
            f"{function}: column {odd[0]!r} has no text for a name. Give names first: "
            "df.columns = ['이름', …], or df.columns.map(str)."
        )


#: Engine → the names of columns that are more than names to it, and how they are told: `a.b` is a
#: column b of a table or a struct a, a quoted name stands for itself, patterns for all columns that
#: match. What is found may be another column, for Narwhals gives names to engines as they are.
_ODD = {
    nw.Implementation.DUCKDB: (
        re.compile(r'.*[."].*|\*', re.DOTALL),
        """with . or " in it, or *,""",
    ),
    nw.Implementation.PYSPARK: (re.compile(r".*[.`].*|\*", re.DOTALL), "with . or ` in it, or *,"),
    nw.Implementation.POLARS: (re.compile(r"\^.*\$|\*", re.DOTALL), "like ^…$, or *,"),
}


def _refuse_names(function: str, frame: nw.DataFrame[Any] | nw.LazyFrame[Any]) -> None:
    odd, told = _ODD.get(frame.implementation, (None, ""))
    wrong = [name for name in frame.collect_schema() if odd.fullmatch(name)] if odd else []
    if wrong:
        plain = re.sub(r"[^\w ]", "_", wrong[0])
        raise PrepError(
            f"{function}: column {', '.join(map(repr, wrong))}: a name {told} is more than a name "
            f"to {frame.implementation.value}. Rename it first: "
            f"rename(df, {{{wrong[0]!r}: {plain!r}}})."
        )


def left(frame: Any, native: Any, given: Given) -> Any:
    """A result as the engine's own; what is no frame stays as it is."""
    if not isinstance(frame, nw.DataFrame | nw.LazyFrame):
        return frame
    result = nw.to_native(frame)
    if frame.implementation.is_pandas() and _is_numpy_backed(native):
        return _numpy_backed(result, native)
    return result


def _numpy_columns(native: Any, given: Given) -> list[str]:
    """The columns to convert: those named in the parameters, all where none is named."""
    import pandas as pd

    positional, named = given
    asked = _words([positional, named]) & set(native.columns)
    by_rule = any(
        isinstance(one, Mapping) or hasattr(one, "value_type")
        for one in [*positional[:1], named.get("columns")]
    )
    return [
        name
        for name, dtype in native.dtypes.items()
        if (name in asked or by_rule or not asked)
        and not isinstance(dtype, pd.ArrowDtype | pd.CategoricalDtype)
    ]


def _words(given: Any) -> set[str]:
    """Every text within parameters: those that are names of columns are among them."""
    if isinstance(given, str):
        return {given}
    if isinstance(given, Mapping):
        return {word for item in given.items() for word in _words(item)}
    if isinstance(given, Iterable):
        return {word for one in given for word in _words(one)}
    return set()


def arrow_backed(native: Any, columns: Sequence[str], function: str) -> Any:
    """Those columns as Arrow's. NaN is a null, as in pandas' own counting; a float stays one."""
    import pandas as pd
    import pyarrow as pa

    def converted(column: Any) -> Any:
        try:
            array = pa.array(column, from_pandas=True)
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
            kinds = sorted({type(one).__name__ for one in column.dropna()})
            raise PrepError(
                f"{function}: column {column.name!r} has values of no one type that a table has "
                f"({', '.join(kinds)}). Make it one first, as by "
                f"df[{column.name!r}] = df[{column.name!r}].map(str)."
            ) from None
        if pa.types.is_null(array.type):  # an object column without a value: pandas' empty text
            array = array.cast(pa.string())
        arrow = pd.arrays.ArrowExtensionArray(array)
        return pd.Series(arrow, index=native.index, copy=False)

    return native.assign(**{name: converted(native[name]) for name in columns})


def _is_numpy_backed(native: Any) -> bool:
    import pandas as pd

    def backing(dtype: Any) -> Any:
        return dtype.categories.dtype if isinstance(dtype, pd.CategoricalDtype) else dtype

    arrow = (pd.ArrowDtype, pd.StringDtype)
    return not any(isinstance(backing(dtype), arrow) for dtype in native.dtypes)


def _numpy_backed(result: Any, native: Any) -> Any:
    """Arrow-backed columns as pandas' own; whole numbers with nulls as its nullable ones.

    A column that was of a nullable type remains so, nulls or not.
    """
    import pandas as pd
    import pyarrow as pa

    def own(column: Any) -> Any:
        type_ = column.dtype.pyarrow_dtype
        if pa.types.is_integer(type_) or pa.types.is_boolean(type_):
            plain = str(type_.to_pandas_dtype().__name__).replace("bool_", "bool")
            nullable = {"bool": "boolean"}.get(
                plain, plain.replace("i", "I", 1).replace("uI", "UI")
            )
            was = native.dtypes.get(column.name)
            stays = isinstance(was, pd.api.extensions.ExtensionDtype)
            return column.astype(nullable if stays or column.isna().any() else plain)
        if pa.types.is_floating(type_):
            return column.astype(type_.to_pandas_dtype())
        if pa.types.is_timestamp(type_):
            zone = f", {type_.tz}" if type_.tz else ""
            return column.astype(f"datetime64[{type_.unit}{zone}]")
        return pd.Series(column.to_numpy(object, na_value=None), index=column.index, dtype=object)

    def own_categories(column: Any) -> Any:
        plain = own(column.cat.categories.to_series())
        return column.cat.rename_categories(plain.to_list())

    changed = {
        name: own(result[name])
        for name, dtype in result.dtypes.items()
        if isinstance(dtype, pd.ArrowDtype)
    } | {
        name: own_categories(result[name])
        for name, dtype in result.dtypes.items()
        if isinstance(dtype, pd.CategoricalDtype)
        and isinstance(dtype.categories.dtype, pd.ArrowDtype)
    }
    return result.assign(**changed) if changed else result
