"""Prep functions on text values: cut, trim.

Here: functions 39 and 40. Not here: splitting text into columns (`nominal.py`).
"""

from __future__ import annotations

import narwhals.stable.v2 as nw

from lake_assets.preps.prep import Frame, prep
from lake_assets.preps.selectors import Columns, chosen


@prep(40)
def trim(df: Frame, columns: Columns | None = None, *, chars: str = " \t\r\n\u3000\u00a0") -> Frame:
    """Take blanks off both ends of texts; what is blank altogether becomes missing.

    `columns`: text columns, all by default. `chars`: the characters taken off, the full-width
    blank U+3000 and the no-break one U+00A0 among them, the same on every engine.

    Source: RapidMiner's *Trim* (blending/values/trim).

    >>> import polars as pl
    >>> trim(pl.DataFrame({"이름": [" 가 나 ", "  "]}))["이름"].to_list()
    ['가 나', None]
    """
    names = chosen("trim", df, columns, only="nominal")
    trimmed = [nw.col(name).str.strip_chars(chars) for name in names]
    return df.with_columns(
        nw.when(one != "").then(one).alias(name) for name, one in zip(names, trimmed, strict=True)
    )
