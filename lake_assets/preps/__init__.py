"""The prep functions: frame in, the same kind of frame out, whatever the engine.

Here: the public names, handed on from one module a family. Not here: Dagster, connections, the
lake. The functions are those of the module that this lake was ported from, which named them after
RapidMiner's operators; `lake preps` lists them.
"""

from __future__ import annotations

from lake_assets.preps.prep import CATALOGUE, Prep, PrepError, Step, fit
from lake_assets.preps.selectors import Selector
from lake_assets.preps.split_loads import (
    days_split_upload,
    days_split_upload_date_setting,
    days_split_upload_sql_setting,
)
from lake_assets.preps.text import trim

__all__ = [
    "CATALOGUE",
    "Prep",
    "PrepError",
    "Selector",
    "Step",
    "days_split_upload",
    "days_split_upload_date_setting",
    "days_split_upload_sql_setting",
    "fit",
    "trim",
]
