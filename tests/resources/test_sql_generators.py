"""Conditions in SQL Server's and HANA's words, one by one; there is neither to run them here.

T-SQL is read back by sqlglot, which shows that it is well formed as far as that knows.
"""

from __future__ import annotations

from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

import pytest
import sqlglot

from resources import sql
from resources.errors import PermanentError
from resources.source import Column
from resources.types import parse_type

COLUMNS = [
    Column(name, name.upper(), parse_type(type_))
    for name, type_ in {
        "a": "string", "b": "int32", "d": "date", "t": "timestamp", "flag": "boolean",
    }.items()
]  # fmt: skip
BIN = " COLLATE Latin1_General_100_BIN2"

CASES: list[tuple[str, str, str]] = [
    ("a = 'it''s'", f"(q.[A] = 'it''s'{BIN})", "(q.\"A\" = 'it''s')"),
    ("a = '서울'", f"(q.[A] = N'서울'{BIN})", "(q.\"A\" = '서울')"),
    ("length(a) > 3", "((LEN(q.[A] + N'.') - 1) > 3)", '(LENGTH(q."A") > 3)'),
    ("a || b = 'x1'", f"(q.[A] + q.[B] = 'x1'{BIN})", "(q.\"A\" || q.\"B\" = 'x1')"),
    ("a ILIKE 'x%'", f"(LOWER(q.[A]) LIKE LOWER('x%'{BIN}))", "(LOWER(q.\"A\") LIKE LOWER('x%'))"),
    ("a LIKE '[x]%'", f"(q.[A] LIKE '[[]x]%'{BIN})", "(q.\"A\" LIKE '[x]%')"),
    ("a LIKE :p", f"(q.[A] LIKE 'a[[]%'{BIN})", "(q.\"A\" LIKE 'a[%')"),
    ("a LIKE '![[!%' ESCAPE '!'", f"(q.[A] LIKE '![![!%'{BIN} ESCAPE '!')",
     "(q.\"A\" LIKE '![[!%' ESCAPE '!')"),
    ("starts_with(a, 'x')", f"(SUBSTRING(q.[A], 1, (LEN('x'{BIN} + N'.') - 1)) = 'x'{BIN})",
     "(SUBSTRING(q.\"A\", 1, LENGTH('x')) = 'x')"),
    ("trim(a) = 'x'", f"(LTRIM(RTRIM(q.[A])) = 'x'{BIN})", "(TRIM(q.\"A\") = 'x')"),
    ("b IS NOT DISTINCT FROM 3",
     "(CASE WHEN (q.[B] = 3 OR (q.[B] IS NULL AND 3 IS NULL)) THEN 1 ELSE 0 END = 1)",
     '(CASE WHEN (q."B" = 3 OR (q."B" IS NULL AND 3 IS NULL)) THEN 1 ELSE 0 END = 1)'),
    ("b IS DISTINCT FROM 3",
     "(CASE WHEN (q.[B] = 3 OR (q.[B] IS NULL AND 3 IS NULL)) THEN 1 ELSE 0 END = 0)",
     '(CASE WHEN (q."B" = 3 OR (q."B" IS NULL AND 3 IS NULL)) THEN 1 ELSE 0 END = 0)'),
    ("b / 2 > 1", "(CAST(q.[B] AS FLOAT) / 2 > 1)", '(q."B" / 2 > 1)'),
    ("b % 2 = 1", "(q.[B] % 2 = 1)", '(MOD(q."B", 2) = 1)'),
    ("CAST(b AS VARCHAR) = '1'", f"(CAST(q.[B] AS NVARCHAR(MAX)) = '1'{BIN})",
     "(CAST(q.\"B\" AS NVARCHAR(5000)) = '1')"),
    ("flag", "(q.[FLAG] = 1)", '(q."FLAG" = TRUE)'),
    ("NOT flag AND b = 1", "(NOT q.[FLAG] = 1 AND q.[B] = 1)",
     '(NOT q."FLAG" = TRUE AND q."B" = 1)'),
    ("flag = FALSE", "(q.[FLAG] = 0)", '(q."FLAG" = FALSE)'),
    ("CASE WHEN flag THEN 1 ELSE 0 END = 1", "(CASE WHEN q.[FLAG] = 1 THEN 1 ELSE 0 END = 1)",
     '(CASE WHEN q."FLAG" = TRUE THEN 1 ELSE 0 END = 1)'),
    ("d - INTERVAL 2 WEEK < :d", "(DATEADD(DAY, -14, q.[D]) < CAST('2025-07-01' AS DATE))",
     "(ADD_DAYS(q.\"D\", -14) < CAST('2025-07-01' AS DATE))"),
    ("t + INTERVAL 2 HOUR < t", "(DATEADD(HOUR, 2, q.[T]) < q.[T])",
     '(ADD_SECONDS(q."T", 7200) < q."T")'),
    ("year(d) = 2025", "(YEAR(q.[D]) = 2025)", '(YEAR(q."D") = 2025)'),
]  # fmt: skip


@pytest.mark.parametrize(("text", "tsql", "hana"), CASES)
def test_conditions(text: str, tsql: str, hana: str) -> None:
    params = {"p": "a[%", "d": date(2025, 7, 1)}
    assert sql.condition(text, COLUMNS, params, "tsql") == tsql
    assert sql.condition(text, COLUMNS, params, "hana") == hana
    assert sqlglot.parse_one(f"SELECT 1 FROM q WHERE {tsql}", read="tsql")


VALUES: list[tuple[Any, str, str]] = [
    ("it's", "'it''s'", "'it''s'"),
    ("서'울", "N'서''울'", "'서''울'"),
    ("a\\", "'a\\'", "'a\\'"),
    (True, "1", "TRUE"),
    (Decimal("-1.50"), "CAST('-1.50' AS NUMERIC(3, 2))", "CAST('-1.50' AS DECIMAL(3, 2))"),
    (2**70, f"CAST('{2**70}' AS NUMERIC(22, 0))", f"CAST('{2**70}' AS DECIMAL(22, 0))"),
    (datetime(2025, 7, 1), "CAST('2025-07-01 00:00:00.000000' AS DATETIME2)",
     "CAST('2025-07-01 00:00:00.000000' AS TIMESTAMP)"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "tsql", "hana"), VALUES)
def test_values(value: Any, tsql: str, hana: str) -> None:
    assert sql.literal(value, "tsql") == tsql
    assert sql.literal(value, "hana") == hana


def test_an_instant_is_none_of_hanas() -> None:
    with pytest.raises(PermanentError, match="HANA has no timestamps with a zone"):
        sql.literal(datetime(2025, 7, 1, tzinfo=timezone.utc), "hana")


@pytest.mark.parametrize("name", ["/BIC/AZSD00", 'a"b', "a]b", "표 이름", "x; DROP TABLE y --"])
def test_names(name: str) -> None:
    assert sql.quoted(name, "tsql") == "[" + name.replace("]", "]]") + "]"
    assert sql.quoted(name, "hana") == '"' + name.replace('"', '""') + '"'
