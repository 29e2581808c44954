"""The border between an engine's frame and Narwhals': what comes in, what goes back.

Here: making frames of all engines alike where they enter (NumPy-backed pandas columns become
Arrow-backed ones, so that integers with nulls stay integers), and giving back the kind that came.
Not here: differences of expressions (`fences.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import narwhals.stable.v2 as nw

Given = tuple[Sequence[Any], Mapping[str, Any]]


def entered(native: Any, given: Given | None) -> nw.DataFrame[Any] | nw.LazyFrame[Any]:
    """The frame as Narwhals'. Of NumPy-backed pandas the columns that `given` names are converted.

    Columns that no parameter names are left alone: converting 5 million texts takes seconds. None
    are with `given=None`, for functions that move columns and rows without looking at values.
    """
    frame: nw.DataFrame[Any] | nw.LazyFrame[Any] = nw.from_native(native)
    if given is not None and frame.implementation.is_pandas():
        numpy = _numpy_columns(native, given)
        if numpy:
            converted: nw.DataFrame[Any] = nw.from_native(arrow_backed(native, numpy))
            return converted
    return frame


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


def arrow_backed(native: Any, columns: Sequence[str]) -> Any:
    """Those columns as Arrow's. NaN is a null, as in pandas' own counting; a float stays one."""
    import pandas as pd
    import pyarrow as pa

    def converted(column: Any) -> Any:
        array = pa.array(column, from_pandas=True)
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
