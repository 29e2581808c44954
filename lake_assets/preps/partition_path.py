"""Hive's names of a partition: the folders of a path, and the clause of a statement.

Here: the old module's function 12. Not here: where a store puts its partitions (`resources`), nor
statements (`resources/hive_tables.py`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from lake_assets.preps.prep import PrepError, listed

#: Hive's name of the folder of a missing value.
MISSING = "__HIVE_DEFAULT_PARTITION__"

#: What Hive writes as %XX in a path (HIVE-883); NUL, which no path can hold, is among them here.
_ESCAPED = re.compile(r"[\x00-\x1f\x7f\"#%'*/:=?\\{\[\]^]")


@listed(12)
def hive_partitioning(keys: Sequence[str], values: Sequence[object], ddl: bool = False) -> str:
    """The path of a Hive partition, or its clause of a statement.

    `keys`: the partition columns, in their order. `values`: one a key; texts stay as they are
    (with leading zeros), dates are written YYYY-MM-DD, and None and '' are Hive's default
    partition. `ddl`: the clause instead of the path, names and values quoted for Hive.

    PrepError where there are not as many values as keys, or a key is empty or there twice. Readers
    (Spark, Arrow) take `year=08` for the number 8 where they are not told that it is text.

    Source: the old module's name; Hive's layout.

    >>> hive_partitioning(["dt", "t"], ["2025-07-01", "10:30"])
    'dt=2025-07-01/t=10%3A30'
    >>> hive_partitioning(["dt"], ["2025-07-01"], ddl=True)
    "PARTITION (`dt`='2025-07-01')"
    """
    if isinstance(keys, str) or isinstance(values, str):
        raise PrepError("hive_partitioning: keys and values are lists: ['dt'], ['2025-07-01'].")
    if not keys:
        raise PrepError("hive_partitioning: there is no key; a partition has one at least.")
    if len(keys) != len(values):
        raise PrepError(
            f"hive_partitioning: {len(keys)} keys ({', '.join(keys)}) and {len(values)} values; "
            "each key needs one."
        )
    lower = [key.lower() for key in keys]
    for key in keys:
        if not key:
            raise PrepError("hive_partitioning: a key is empty; it is a column's name.")
        if lower.count(key.lower()) > 1:
            raise PrepError(
                f"hive_partitioning: {keys[-1]!r} is there twice; Hive's names know no case."
            )
    texts = [MISSING if value in (None, "") else str(value) for value in values]
    if not ddl:
        pairs = zip(keys, texts, strict=True)
        return "/".join(f"{_folder(key)}={_folder(text)}" for key, text in pairs)
    from resources.sql import literal, quoted

    clauses = (
        f"{quoted(k, 'hive')}={literal(t, 'hive')}" for k, t in zip(keys, texts, strict=True)
    )
    return f"PARTITION ({', '.join(clauses)})"


def _folder(text: str) -> str:
    return _ESCAPED.sub(lambda found: f"%{ord(found[0]):02X}", text)
