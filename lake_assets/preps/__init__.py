"""The prep functions: frame in, the same kind of frame out, whatever the engine.

Here: the public names, handed on from one module a family. Not here: Dagster, connections, the
lake. The functions are those of the module that this lake was ported from, which named them after
RapidMiner's operators; `lake preps` lists them.
"""

from __future__ import annotations

from lake_assets.preps.nominal import (
    nominal_to_binominal,
    nominal_to_numeric,
    nominal_to_text,
    text_to_nominal,
)
from lake_assets.preps.prep import CATALOGUE, Prep, PrepError, Step, fit
from lake_assets.preps.selectors import Selector
from lake_assets.preps.split_loads import (
    days_split_upload,
    days_split_upload_date_setting,
    days_split_upload_sql_setting,
)
from lake_assets.preps.split_upload import hdfs_split_upload
from lake_assets.preps.text import (
    add,
    merge,
    merge_columns,
    split_columns,
    substring,
    trim,
)

__all__ = [
    "CATALOGUE",
    "Prep",
    "PrepError",
    "Selector",
    "Step",
    "add",
    "days_split_upload",
    "days_split_upload_date_setting",
    "days_split_upload_sql_setting",
    "fit",
    "hdfs_split_upload",
    "merge",
    "merge_columns",
    "nominal_to_binominal",
    "nominal_to_numeric",
    "nominal_to_text",
    "split_columns",
    "substring",
    "text_to_nominal",
    "trim",
]
