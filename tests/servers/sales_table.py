"""The table on which reading is measured and proven exact: sales, 14 columns, any number of rows.

Here: building it in PostgreSQL (decimals above 2^53, '' and NULL, microseconds, Korean, quotes,
newlines, nullable integers), its description, and comparing Arrow rows with the server's own value
by value, by a route that shares no code with the one under test. Not here: what is measured.
"""

from __future__ import annotations

import contextlib
import io
from datetime import date, timedelta

import pyarrow as pa
import pyarrow.compute as pc
from psycopg2 import sql
from pyarrow import csv

from resources.source import Column, Table, Window
from resources.types import parse_type
from tests.servers.postgres import PostgresServer

TYPES = {
    "line_id": "int64",
    "order_id": "int64",
    "sale_date": "date",
    "sold_at": "timestamp",
    "store_cd": "string",
    "store_nm": "string",
    "item_cd": "string",
    "item_nm": "string",
    "qty": "int32",
    "unit_price": "decimal(18,2)",
    "amount": "decimal(18,2)",
    "discount": "decimal(18,2)",
    "cust_id": "int64",
    "comment": "string",
}
START = date(2025, 7, 1)

_CREATE = """
CREATE TABLE {table} (
  line_id bigint NOT NULL, order_id bigint NOT NULL, sale_date date NOT NULL,
  sold_at timestamp NOT NULL, store_cd varchar(8) NOT NULL, store_nm varchar(40) NOT NULL,
  item_cd varchar(18) NOT NULL, item_nm varchar(80) NOT NULL, qty integer,
  unit_price numeric(18,2) NOT NULL, amount numeric(18,2) NOT NULL, discount numeric(18,2),
  cust_id bigint, comment text)
"""

_FILL = """
INSERT INTO {table}
SELECT g, 100000000 + g / 3, day,
  day + interval '9 hours' + (g % 32787) * interval '1.3 seconds'
    + (g % 997) * interval '1 microsecond',
  'S' || lpad(store::text, 4, '0'),
  (ARRAY['서울','부산','대구','인천','광주','대전','울산','수원','성남','고양'])[1 + store % 10]
    || (ARRAY['중앙','강남','역전','시청','터미널','공항','대학로'])[1 + store % 7]
    || '점 ' || store || '호',
  '8801' || lpad(((item * 7919) % 1000000000)::text, 9, '0'),
  (ARRAY['유기농','국내산','프리미엄','알뜰','1+1','냉동'])[1 + item % 6] || ' '
    || (ARRAY['우유','두부','라면','김치','삼겹살','사과','배추','생수','커피믹스','햇반','고추장'])
       [1 + item % 11] || ' ' || (100 + (item * 37) % 900) || 'g',
  CASE WHEN g % 50 = 7 THEN NULL ELSE 1 + (g * 13) % 9 END,
  price,
  CASE WHEN g % 50000 = 17 THEN 9007199254740993.01
       ELSE round(price * (1 + (g * 13) % 9) * 0.97, 2) END,
  CASE WHEN g % 3 = 0 THEN round(price * 0.03 * (1 + (g * 13) % 9), 2) END,
  CASE WHEN g % 4 <> 1 THEN 9007199254740000 + (g * 7907) % 2000000 END,
  CASE g % 10
    WHEN 0 THEN '배송메모: 문 앞에 놓아주세요, "파손주의"' || E'\\n' || '건 ' || g
    WHEN 1 THEN ''
    WHEN 2 THEN '정상 판매 ' || g % 1000
    WHEN 3 THEN '정상 판매 ' || g % 1000
    WHEN 4 THEN 'regular sale, card' END
FROM generate_series(0::bigint, {rows}::bigint - 1) g
  CROSS JOIN LATERAL (SELECT (g * 31) % 500 AS store, (g * 104729) % 20000 AS item) a
  CROSS JOIN LATERAL (SELECT (500 + (item * 131) % 49500)::numeric(18,2) AS price,
                             {start}::date + (g * {days} / {rows})::int AS day) b
"""


def build_sales(
    server: PostgresServer, database: str, *, rows: int, days: int, table: str = "sales"
) -> date:
    """Make the table, its rows spread evenly over `days` from `START`; the first day after them."""
    with contextlib.closing(server.connect(database)) as connection:
        cursor = connection.cursor()
        name = sql.Identifier(table)
        cursor.execute(sql.SQL(_CREATE).format(table=name))
        values = {"rows": rows, "days": days, "start": START}
        literals = {key: sql.Literal(value) for key, value in values.items()}
        cursor.execute(sql.SQL(_FILL).format(table=name, **literals))
        for statement in (
            "CREATE INDEX ON {} (sale_date)",
            "CREATE UNIQUE INDEX ON {} (line_id)",
            "VACUUM (FREEZE, ANALYZE) {}",
        ):
            cursor.execute(sql.SQL(statement).format(name))
    return START + timedelta(days)


def sales_table(table: str = "sales", order_by: tuple[str, ...] = ("line_id",)) -> Table:
    """How a pipeline would describe it."""
    return Table(
        columns=tuple(Column(name, name, parse_type(type_)) for name, type_ in TYPES.items()),
        schema="public",
        table=table,
        window=Window("sale_date", "date"),
        order_by=order_by,
        sums=("amount", "qty"),
    )


def server_rows(
    server: PostgresServer,
    database: str,
    types: dict[str, str],
    *,
    table: str = "sales",
    order: str = "line_id",
    where: str = "true",
) -> pa.Table:
    """The server's own text of every value, parsed by pyarrow: no DuckDB on the way."""
    columns = sql.SQL(", ").join(map(sql.Identifier, types))
    copy = sql.SQL(
        "COPY (SELECT {} FROM {} WHERE " + where + " ORDER BY {}) TO STDOUT (FORMAT csv)"
    ).format(columns, sql.Identifier(table), sql.Identifier(order))
    text = io.BytesIO()
    with contextlib.closing(server.connect(database)) as connection:
        connection.cursor().copy_expert(copy, text)
    text.seek(0)
    return csv.read_csv(
        text,
        csv.ReadOptions(column_names=list(types), block_size=16 << 20),
        csv.ParseOptions(newlines_in_values=True),
        csv.ConvertOptions(
            column_types={name: parse_type(type_).arrow() for name, type_ in types.items()},
            null_values=[""],
            true_values=["t"],
            false_values=["f"],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,  # '' is not NULL
        ),
    )


def assert_equal_rows(found: pa.Table, expected: pa.Table, key: str = "line_id") -> None:
    """Every value equal, whatever the order of the rows; else the first few that differ."""
    assert found.schema.names == expected.schema.names
    assert found.schema.types == expected.schema.types
    assert found.num_rows == expected.num_rows
    found, expected = found.sort_by(key), expected.sort_by(key)
    for name in expected.schema.names:
        left, right = found[name].combine_chunks(), expected[name].combine_chunks()
        assert left.null_count == right.null_count, f"{name}: other NULLs"
        if left.equals(right):
            continue
        same = pc.fill_null(pc.equal(left, right), left.is_null().equals(right.is_null()))
        wrong = pc.indices_nonzero(pc.invert(same)).slice(0, 3)
        raise AssertionError(
            f"{name} differs at {key} {expected[key].take(wrong).to_pylist()}: "
            f"{left.take(wrong).to_pylist()} for {right.take(wrong).to_pylist()}"
        )
