"""The lake as one asset graph. The one thing handed on is `read`, for notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, Literal


def read(
    asset: str,
    partition: str | date | None = None,
    start: str | date | None = None,
    end: str | date | None = None,
    columns: str | Sequence[str] | None = None,
    as_: Literal["polars", "pandas", "arrow", "duckdb"] = "polars",
    env: str | None = None,
) -> Any:
    """Read an asset of the lake as a frame; every partition that is there unless told otherwise.

    asset: `raw/<table>`, `prep/<dataset>` or `model/<name>`. partition: one key, as the asset has
    them (`2025-07-01`, `2025-07`, `2025-07-01-09`, `P100`, `2025-07-01|P100`), or a `datetime.date`
    in it; a day alone stands for all its names. start, end: the first and the last of a range, both
    read, none of it missing; one alone is open to the other side; a month stands for its days.
    columns: only these, in this order, or one; the partition columns (`dt`, `ym` …) are among them.
    Of several partitions the last says which columns there are: one that an older file lacks is
    NULL there, one that only the older have is left out.
    as_: polars, pandas (Arrow-backed), arrow, or a duckdb relation. env: the environment, else
    `LAKE_ENV`, else `local`.

    >>> lake_assets.read("prep/sales", start="2025-06", columns=["dt", "amount"])  # doctest: +SKIP
    """
    from lake_assets.notebook import read as from_store

    return from_store(asset, partition, start, end, columns, as_, env)
