"""The prep functions: frame in, the same kind of frame out, whatever the engine.

Here: the public names, handed on from one module a family. Not here: Dagster, connections, the
lake. The functions are those of the module that this lake was ported from, which named them after
RapidMiner's operators; `lake preps` lists them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lake_assets.preps.columns import (
    add_column,
    remove_attributes,
    rename,
    select_attributes,
    select_by_random,
)
from lake_assets.preps.date_types import nominal_to_date, numeric_to_date
from lake_assets.preps.date_values import date_to_nominal, date_to_numeric
from lake_assets.preps.dates import (
    before_last_day,
    before_month,
    before_year,
    before_year_month,
    day,
    last_day,
    this_month,
    this_year,
    this_year_month,
    today,
    week_of_month,
)
from lake_assets.preps.nominal import (
    nominal_to_binominal,
    nominal_to_numeric,
    nominal_to_text,
    text_to_nominal,
)
from lake_assets.preps.number_text import format_numbers, parse_number
from lake_assets.preps.numbers import (
    integer_to_real,
    numeric_to_binominal,
    numeric_to_binominal_mapping,
    numeric_to_polynominal,
    numeric_to_polynominal_mapping,
    real_to_integer,
)
from lake_assets.preps.partition_path import hive_partitioning
from lake_assets.preps.prep import CATALOGUE, Prep, PrepError, Step, fit
from lake_assets.preps.rows import (
    filter_examples,
    sample,
    shuffle,
    sort,
    split_rows,
    split_rows_at,
)
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

if TYPE_CHECKING:
    from lake_assets.xforms.null import null as null

__all__ = [
    "CATALOGUE",
    "Prep",
    "PrepError",
    "Selector",
    "Step",
    "add",
    "add_column",
    "before_last_day",
    "before_month",
    "before_year",
    "before_year_month",
    "date_to_nominal",
    "date_to_numeric",
    "day",
    "days_split_upload",
    "days_split_upload_date_setting",
    "days_split_upload_sql_setting",
    "filter_examples",
    "fit",
    "format_numbers",
    "hdfs_split_upload",
    "hive_partitioning",
    "integer_to_real",
    "last_day",
    "merge",
    "merge_columns",
    "nominal_to_binominal",
    "nominal_to_date",
    "nominal_to_numeric",
    "nominal_to_text",
    "null",
    "numeric_to_binominal",
    "numeric_to_binominal_mapping",
    "numeric_to_date",
    "numeric_to_polynominal",
    "numeric_to_polynominal_mapping",
    "parse_number",
    "real_to_integer",
    "remove_attributes",
    "rename",
    "sample",
    "select_attributes",
    "select_by_random",
    "shuffle",
    "sort",
    "split_columns",
    "split_rows",
    "split_rows_at",
    "substring",
    "text_to_nominal",
    "this_month",
    "this_year",
    "this_year_month",
    "today",
    "trim",
    "week_of_month",
]


def __getattr__(name: str) -> Any:
    """`null` too, which is a transform beside them and made of their parts."""
    if name == "null":
        from lake_assets.xforms.null import null

        return null
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
