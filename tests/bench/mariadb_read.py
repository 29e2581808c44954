"""A month from MariaDB to a published partition, against connectorx's stream of the same rows.

Here: the table, the ratio, the proof that both files hold the same, memory that does not grow. Not
here: what either side does (`mariadb_sides.py`).
"""

from __future__ import annotations

from tests.bench.extraction import same
from tests.bench.runner import MONTH, Bench, Ratio, Side, alternate, cpu, megabytes
from tests.servers.mariadb import MariaDBServer, running_mariadb
from tests.servers.sales_table import TYPES

#: The sales table in MariaDB's words: the same kinds of values as PostgreSQL's.
_CREATE = """
CREATE TABLE month (
  line_id bigint NOT NULL, order_id bigint NOT NULL, sale_date date NOT NULL,
  sold_at datetime(6) NOT NULL, store_cd varchar(8) NOT NULL, store_nm varchar(40) NOT NULL,
  item_cd varchar(18) NOT NULL, item_nm varchar(80) NOT NULL, qty int,
  unit_price decimal(18,2) NOT NULL, amount decimal(18,2) NOT NULL, discount decimal(18,2),
  cust_id bigint, comment text, KEY (sale_date))
"""
_FILL = """
INSERT INTO month
SELECT seq, 100000000 + seq DIV 3, day,
  TIMESTAMP(day, '09:00:00')
    + INTERVAL ((seq % 32787) * 1300000 + seq % 997) MICROSECOND,
  concat('S', lpad(store, 4, '0')),
  concat(elt(1 + store % 10, '서울','부산','대구','인천','광주','대전','울산','수원','성남','고양'),
    elt(1 + store % 7, '중앙','강남','역전','시청','터미널','공항','대학로'), '점 ', store, '호'),
  concat('8801', lpad((item * 7919) % 1000000000, 9, '0')),
  concat(elt(1 + item % 6, '유기농','국내산','프리미엄','알뜰','1+1','냉동'), ' ',
    elt(1 + item % 11, '우유','두부','라면','김치','삼겹살','사과','배추','생수','커피믹스','햇반',
      '고추장'), ' ', 100 + (item * 37) % 900, 'g'),
  if(seq % 50 = 7, NULL, 1 + (seq * 13) % 9),
  price,
  if(seq % 50000 = 17, 9007199254740993.01, round(price * (1 + (seq * 13) % 9) * 0.97, 2)),
  if(seq % 3 = 0, round(price * 0.03 * (1 + (seq * 13) % 9), 2), NULL),
  if(seq % 4 <> 1, 9007199254740000 + (seq * 7907) % 2000000, NULL),
  CASE seq % 10
    WHEN 0 THEN concat('배송메모: 문 앞에 놓아주세요, "파손주의"', '\\n', '건 ', seq)
    WHEN 1 THEN ''
    WHEN 2 THEN concat('정상 판매 ', seq % 1000)
    WHEN 3 THEN concat('정상 판매 ', seq % 1000)
    WHEN 4 THEN 'regular sale, card' END
FROM (
  SELECT seq, (seq * 31) % 500 AS store, (seq * 104729) % 20000 AS item,
    CAST(500 + ((seq * 104729) % 20000 * 131) % 49500 AS decimal(18,2)) AS price,
    DATE '2025-07-01' + INTERVAL (seq * 34 DIV {rows}) DAY AS day
  FROM seq_0_to_{last}) AS made
"""


def run(bench: Bench) -> list[Ratio]:
    with running_mariadb("--innodb-buffer-pool-size=512M") as server:
        build(server, 109_680 if bench.quick else 1_096_800)
        given = {"host": server.host, "port": server.port, "user": "root", "table": "month"}
        file = bench.folder / "connectorx.parquet"
        ours = Side(
            "ours",
            "sides:published",
            {
                **given,
                "span": MONTH,
                "root": str(bench.folder / "mariadb"),
                "types": TYPES,
                "kind": "mariadb",
            },
        )
        peer = Side(
            "connectorx",
            "mariadb_sides:by_connectorx",
            {**given, "span": MONTH, "file": str(file), "types": TYPES},
        )
        found = alternate("mariadb", ours, peer, bench.rounds(7))
        same(found.ours[-1]["facts"]["file"], str(file))
        # Six days are a fifth of the month, and more than the row group that the file's writer has.
        few = {**ours.arguments, "span": ("2025-07-01", "2025-07-07")}
        flat = alternate("mariadb", ours, Side("six days", ours.function, few), 1)
    rows = found.ours[0]["facts"]["rows"]
    memory = found.ratio("", "MB", megabytes, 1.0)
    notes = {"rows": f"{rows:,}", "memory": f"{memory.ours:.0f} MB against {memory.peer:.0f} MB"}
    fewer = {"rows": f"{rows:,} against {flat.peer[0]['facts']['rows']:,}"}
    return [
        found.ratio("CPU against connectorx", "s", cpu(), 1.15, notes=notes),
        flat.ratio("a month against six days", "MB", megabytes, 1.1, notes=fewer),
    ]


def build(server: MariaDBServer, rows: int) -> None:
    """The table `month`, its rows spread evenly over 34 days."""
    server.execute(
        "CREATE DATABASE bench",
        "USE bench",
        _CREATE,
        _FILL.format(rows=rows, last=rows - 1),
        "ANALYZE TABLE month",
    )
