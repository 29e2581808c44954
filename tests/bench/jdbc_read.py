"""Rows through a JDBC driver, against JayDeBeApi's cursor on the same driver and table.

Here: rows a CPU second (the JVM is in the process, and counted) by PostgreSQL's driver and by H2's
in its Oracle mode, which stands in for Tibero's, and memory that does not grow. Not here:
PostgreSQL's own route (`extraction.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.bench.runner import MONTH, Bench, Ratio, Side, alternate, megabytes
from tests.servers import h2
from tests.servers.sales_table import TYPES

#: The cursor is too slow for a month: the rate of so many rows is its rate.
CURSOR_ROWS = 30_000

_JAR, _DRIVER = "/usr/share/java/postgresql.jar", "org.postgresql.Driver"

#: The sales table as H2 makes it: a DATE of Oracle's kin has a time, and is not needed here.
_H2_TYPES = {**TYPES, "sale_date": "timestamp"}
_H2_TABLE = """
CREATE TABLE "{table}" AS SELECT
  x AS "line_id", 100000000 + x / 3 AS "order_id",
  CAST(DATEADD('DAY', CAST(x * 34 / {rows} AS int), DATE '2025-07-01') AS timestamp) AS "sale_date",
  CAST(DATEADD('MICROSECOND', MOD(x, 997), TIMESTAMP '2025-07-01 09:00:00') AS timestamp(6))
    AS "sold_at",
  CAST('S' || LPAD(MOD(x * 31, 500), 4, '0') AS varchar(8)) AS "store_cd",
  CAST('서울중앙점 ' || MOD(x * 31, 500) || '호' AS varchar(40)) AS "store_nm",
  CAST('8801' || LPAD(MOD(x * 7919, 1000000000), 9, '0') AS varchar(18)) AS "item_cd",
  CAST('유기농 우유 ' || MOD(x * 37, 900) || 'g' AS varchar(80)) AS "item_nm",
  CAST(CASE WHEN MOD(x, 50) <> 7 THEN 1 + MOD(x * 13, 9) END AS int) AS "qty",
  CAST(500 + MOD(x * 131, 49500) AS decimal(18,2)) AS "unit_price",
  CAST(CASE WHEN MOD(x, 50000) = 17 THEN 9007199254740993.01
    ELSE (500 + MOD(x * 131, 49500)) * 0.97 END AS decimal(18,2)) AS "amount",
  CAST(CASE WHEN MOD(x, 3) = 0 THEN MOD(x, 49500) * 0.03 END AS decimal(18,2)) AS "discount",
  CASE WHEN MOD(x, 4) <> 1 THEN 9007199254740000 + MOD(x * 7907, 2000000) END AS "cust_id",
  CAST(CASE MOD(x, 10) WHEN 0 THEN '배송메모: 문 앞에 놓아주세요, "파손주의" 건 ' || x
    WHEN 2 THEN '정상 판매 ' || MOD(x, 1000) WHEN 4 THEN 'regular sale, card' END
    AS varchar(200)) AS "comment"
FROM system_range(1, {rows})
"""


def run(bench: Bench) -> list[Ratio]:
    return [*_postgres(bench), *_oracle(bench)]


def _postgres(bench: Bench) -> list[Ratio]:
    at = f"{bench.address['host']}:{bench.address['port']}"
    url = f"jdbc:postgresql://{at}/bench"
    options = {"jar": _JAR, "driver": _DRIVER, "url": url}
    where = {**bench.address, "database": "bench", "options": options}
    given = {"where": where, "schema": "public", "table": bench.month, "types": TYPES}
    ours = Side("ours", "jdbc_sides:read", {**given, "span": MONTH, "route": "arrow"})
    query = (
        f"SELECT * FROM \"{bench.month}\" WHERE sale_date >= DATE '{MONTH[0]}' "
        f"AND sale_date < DATE '{MONTH[1]}' ORDER BY sale_date LIMIT {CURSOR_ROWS:d}"
    )
    words = {"user": bench.address["user"]}
    cursor = {"driver": _DRIVER, "jar": _JAR, "words": words, "query": query}
    peer = Side(
        "JayDeBeApi",
        "jdbc_sides:by_cursor",
        {**cursor, "url": f"{url}?defaultRowFetchSize=2000"},
    )
    few = Side("six days", ours.function, {**ours.arguments, "span": ("2025-07-01", "2025-07-07")})
    return _measured(bench, "jdbc", ours, peer, few, 15)


def _oracle(bench: Bench) -> list[Ratio]:
    rows = 50_000 if bench.quick else 400_000
    with h2.running_h2() as server:
        for table, count in (("sales", rows), ("fifth", rows // 5)):
            server.execute("bench", _H2_TABLE.format(table=table, rows=count))
        # The lake asks for pages of its own size; the cursor has no word for it but the driver's.
        secret = {"TIBERO_WORD": h2.WORD}
        paged = {**secret, "JAVA_TOOL_OPTIONS": "-Dh2.serverResultSetFetchSize=2000"}
        connection = server.connection("bench")
        where = {
            **connection.model_dump(include={"host", "port", "database", "user", "options"}),
            "password": "env:TIBERO_WORD",
        }
        given = {"where": where, "schema": None, "span": None, "types": _H2_TYPES}
        ours = Side(
            "ours", "jdbc_sides:read", {**given, "table": "sales", "route": "arrow"}, secret
        )
        cursor = {
            "driver": h2.DRIVER,
            "jar": str(h2.JAR),
            "url": server.url("bench"),
            "words": {"user": h2.OWNER, "password": h2.WORD},
            "query": f'SELECT * FROM "sales" WHERE ROWNUM <= {CURSOR_ROWS:d}',
        }
        peer = Side("JayDeBeApi", "jdbc_sides:by_cursor", cursor, paged)
        few = Side("a fifth", ours.function, {**ours.arguments, "table": "fifth"}, secret)
        # Java compiles for 1.2 s, and H2's own driver takes a quarter of what ours takes to make
        # values of the bytes: neither side is free of that, and 15 cannot be had of it.
        return _measured(bench, "jdbc h2", ours, peer, few, 5)


def _measured(
    bench: Bench, case: str, ours: Side, peer: Side, few: Side, limit: float
) -> list[Ratio]:
    found = alternate(case, ours, peer, bench.rounds(7))
    flat = alternate(case, ours, few, 1)
    plain = Side("rows", ours.function, {**few.arguments, "route": "rows"}, few.environment).run()
    rates = {
        "rows a second": f"{_rate(found.ours[-1]):,.0f} against {_rate(found.peer[-1]):,.0f}",
        "our fallback": f"{_rate(plain):,.0f}",
    }
    rows = {"rows": f"{found.ours[0]['facts']['rows']:,} against {flat.peer[0]['facts']['rows']:,}"}
    return [
        found.ratio("CPU a row against JayDeBeApi", "µs", _each, limit, least=True, notes=rates),
        flat.ratio("five times the rows", "MB", megabytes, 1.15, notes=rows),
    ]


def _each(found: Mapping[str, Any]) -> float:
    return float(found["cpu"]["cpu"]) / int(found["facts"]["rows"]) * 1e6


def _rate(found: Mapping[str, Any]) -> float:
    return float(found["facts"]["rows"] / found["facts"]["seconds"])
