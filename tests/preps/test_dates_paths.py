"""Hive's paths and clauses of a partition."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from lake_assets.preps import PrepError, hive_partitioning

NONE = "__HIVE_DEFAULT_PARTITION__"

#: Keys, values, path, clause.
EXAMPLES: list[tuple[list[str], list[Any], str, str]] = [
    (["dt"], ["2025-07-01"], "dt=2025-07-01", "PARTITION (`dt`='2025-07-01')"),
    (["t"], ["10:30"], "t=10%3A30", "PARTITION (`t`='10:30')"),
    (["b", "a"], ["1", "2"], "b=1/a=2", "PARTITION (`b`='1', `a`='2')"),
    (["m"], ["07"], "m=07", "PARTITION (`m`='07')"),
    (["m"], [7], "m=7", "PARTITION (`m`='7')"),
    (["d"], [dt.date(2025, 7, 1)], "d=2025-07-01", "PARTITION (`d`='2025-07-01')"),
    (["a", "b"], [None, ""], f"a={NONE}/b={NONE}", f"PARTITION (`a`='{NONE}', `b`='{NONE}')"),
    (["시도"], ["서울 특별시"], "시도=서울 특별시", "PARTITION (`시도`='서울 특별시')"),
    (["n"], ["O'Brien"], "n=O%27Brien", r"PARTITION (`n`='O\047Brien')"),
    (["a`b"], ["x"], "a`b=x", "PARTITION (`a``b`='x')"),
    (["a=b"], ["c/d"], "a%3Db=c%2Fd", "PARTITION (`a=b`='c/d')"),
    (["x"], ["%41"], "x=%2541", "PARTITION (`x`='%41')"),
    (
        ["x"],
        ["\x01\n\x1f\"#%'*/:=?\\{[]^\x7f"],
        "x=%01%0A%1F%22%23%25%27%2A%2F%3A%3D%3F%5C%7B%5B%5D%5E%7F",
        "PARTITION (`x`='\\001\\012\\037\\042#%\\047*/:=?\\134{[]^\\177')",
    ),
    (["x"], ["}~$ -_."], "x=}~$ -_.", "PARTITION (`x`='}~\\044 -_.')"),
]


@pytest.mark.parametrize(("keys", "values", "path", "clause"), EXAMPLES)
def test_partition(keys: list[str], values: list[Any], path: str, clause: str) -> None:
    assert hive_partitioning(keys, values) == path
    assert hive_partitioning(keys, values, ddl=True) == clause


@pytest.mark.parametrize(
    ("keys", "values", "parts"),
    [
        (["a", "b"], ["1"], ("2", "1", "a, b")),
        ([], [], ("key",)),
        ([""], ["1"], ("empty",)),
        (["a", "A"], ["1", "2"], ("'A'", "twice")),
        ("dt", "2025-07-01", ("list",)),
    ],
)
def test_mistake(keys: Any, values: Any, parts: tuple[str, ...]) -> None:
    with pytest.raises(PrepError) as caught:
        hive_partitioning(keys, values)
    for part in ("hive_partitioning", *parts):
        assert part in str(caught.value)
