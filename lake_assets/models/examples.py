"""Rows of the lake as scikit-learn takes them, cut into what is fitted on and what is held out.

Here: frames of features, targets and baselines with everything refused that would make a score
dishonest. Not here: the SQL that gives the rows (`materialise.py`) and fitting (`fitting.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from lake_assets.spec.models import ModelSpec
from resources.errors import NotYetError, PermanentError

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Examples:
    """Examples in a fixed order. `periods` are the partitions they are of, as readers see them."""

    periods: pd.Series
    features: pd.DataFrame
    target: pd.Series
    baseline: Floats

    def __len__(self) -> int:
        return len(self.periods)

    def of(self, periods: Collection[str]) -> Examples:
        """Those of some partitions."""
        chosen = self.periods.isin(list(periods)).to_numpy()
        return Examples(
            self.periods[chosen].reset_index(drop=True),
            self.features[chosen].reset_index(drop=True),
            self.target[chosen].reset_index(drop=True),
            self.baseline[chosen],
        )


def needed_columns(spec: ModelSpec, period: str) -> list[str]:
    """The columns that examples must have, in the order by which their rows are sorted.

    Rows that are equal in all of them are equal examples, so the order is one whatever DuckDB's
    threads do.
    """
    return list(dict.fromkeys([period, *spec.features, spec.target, spec.baseline]))


def examples(table: pa.Table, spec: ModelSpec, period: str, asset: str) -> Examples:
    """The rows that the examples' SQL gave; `period` is the partition column.

    PermanentError where one has no partition, target or baseline.
    """
    what = f"{asset}: the examples"
    for name in (period, spec.target, spec.baseline):
        empty = table[name].null_count
        if empty:
            raise PermanentError(
                f"{what} have no {name} in {empty:,} of {table.num_rows:,} rows; leave such rows "
                f"out, or coalesce(…, 0) in the SQL."
            )
    periods = pd.Series(table[period].cast(pa.string()).to_pylist(), name=period, dtype=object)
    return Examples(
        periods,
        frame(table, spec.features, asset),
        _target(table, spec, what),
        _numbers(table[spec.baseline], f"{what}: the baseline {spec.baseline}"),
    )


def held_out(
    table: pa.Table, period: str, before: str, count: int, asset: str
) -> tuple[list[str], list[str]]:
    """The partitions to fit on and the last `count` ones, which are held out.

    PermanentError where examples are of the partition `before` or later, NotYetError where nothing
    would be left to fit on.
    """
    every = sorted(filter(None, pc.unique(table[period].cast(pa.string())).to_pylist()))
    late = [one for one in every if one >= before]
    if late:
        raise PermanentError(
            f"{asset}: the examples of partition {before} have rows of {', '.join(late[:3])}; a "
            f"model knows only what was before. Is {period} computed in the SQL?"
        )
    if len(every) <= count:
        known = f"{every[0]} to {every[-1]}" if every else "none"
        raise NotYetError(
            f"{asset}: {count} partitions are held out, so it needs examples of {count + 1}; "
            f"there are {len(every)} ({known})."
        )
    return every[:-count], every[-count:]


def frame(rows: pa.Table | pa.RecordBatch, columns: Sequence[str], asset: str) -> pd.DataFrame:
    """Features as scikit-learn takes them, the same for fitting and for scoring.

    Numbers, true and false are float64 with NaN for NULL, so that a month without NULL has the
    type of one with; text is object with None.
    """
    found: dict[str, Any] = {}
    for name in columns:
        column = rows.column(name)
        if pa.types.is_string(column.type):
            found[name] = pd.Series(column.to_pylist(), dtype=object)
        else:
            found[name] = _numbers(column, f"{asset}: the feature {name}")
    made: pd.DataFrame = pd.DataFrame(found, columns=list(columns))
    return made


def _target(table: pa.Table, spec: ModelSpec, what: str) -> pd.Series:
    values = _numbers(table[spec.target], f"{what}: the target {spec.target}")
    if not np.isin(values, (0.0, 1.0)).all():
        raise PermanentError(f"{what}: the target {spec.target} is not everywhere 0 or 1.")
    return pd.Series(values.astype(np.int64), name=spec.target)


def _numbers(column: pa.ChunkedArray | pa.Array, what: str) -> Floats:
    kind = column.type
    if pa.types.is_boolean(kind):
        column = column.cast(pa.int8())
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        raise PermanentError(
            f"{what} is {kind}; write a number, true or false, or (a feature) text, for example "
            "date_diff('day', a, b) of two dates."
        )
    filled = pc.fill_null(column.cast(pa.float64()), float("nan"))
    numbers: Floats = np.asarray(filled.to_numpy())
    return numbers
