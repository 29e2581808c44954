"""The lake as one asset graph. The one thing handed on is `read`, for notebooks."""

from __future__ import annotations

from typing import Any


def read(asset: str, **options: Any) -> Any:
    """Read an asset of the lake as a frame; see `lake_assets.notebook.read` for the options.

    >>> lake_assets.read("prep/sales_result_daily", partition="2025-07-01")  # doctest: +SKIP
    """
    from lake_assets.notebook import read as from_store

    return from_store(asset, **options)
