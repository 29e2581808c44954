"""The generated sources: the same wherever and whenever generated, of a real business's shape."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute
import pytest

from lake_assets.sample import customers, receivables, sales, season
from lake_assets.sample.generate import (
    DIRTY_DAYS,
    VERSION,
    dirty_day,
    last_day,
    tables,
    write_duckdb,
)
from resources.errors import TransientError
from resources.settings import Sample

TODAY = date(2026, 3, 1)
BW = 'SAPBW."/BIC/AZSD_O0100"'
ERP = ("SAPERP.KNA1", "SAPERP.ZFIT0010", "SAPERP.ZFIT0020")


def sample(days: int, until: str = "yesterday", scale: float = 0.02) -> Sample:
    return Sample(days=days, until=until, scale=scale)


def content(home: Path, calday: str = "true") -> tuple[list[tuple[object, ...]], ...]:
    """All rows of all tables in an order of their own, every column compared."""
    found = []
    erp = [("hana_db", table, "true") for table in ERP]
    for connection, table, where in (("hana_bw", BW, calday), *erp):
        with duckdb.connect(str(home / "sources" / f"{connection}.duckdb"), read_only=True) as con:
            found.append(
                con.execute(f"SELECT * FROM {table} WHERE {where} ORDER BY ALL").fetchall()
            )
    return tuple(found)


@pytest.fixture(scope="module")
def year() -> Iterator[duckdb.DuckDBPyConnection]:
    """Two years of sales at scale 1 as a table `t`, and the customers `c`."""
    con = duckdb.connect()
    names = {"KNA1": "c", "/BIC/AZSD_O0100": "t"}
    for table in tables(sample(730, "2026-10-31", 1), TODAY):
        name = names.get(table.table)
        if name is None:
            continue
        con.execute(f"CREATE TABLE {name} ({table.declaration})")
        for batch in table.batches:
            con.from_arrow(batch).insert_into(name)
    yield con
    con.close()


def one(con: duckdb.DuckDBPyConnection, sql: str) -> tuple[float, ...]:
    row = con.execute(sql).fetchone()
    assert row is not None
    return row


def test_two_builds_are_equal_and_a_current_one_is_left_alone(tmp_path: Path) -> None:
    first = write_duckdb(tmp_path / "a", sample(230), TODAY)
    write_duckdb(tmp_path / "b", sample(230), TODAY)
    assert [g.done for g in first] == ["built", "built"]
    assert first[1].rows > 230 * 15
    assert content(tmp_path / "a") == content(tmp_path / "b")

    files = {g.path: g.path.stat().st_mtime_ns for g in first}
    again = write_duckdb(tmp_path / "a", sample(230), TODAY)
    assert [(g.done, g.rows, g.last) for g in again] == [("current", 0, date(2026, 2, 28))] * 2
    assert {path: path.stat().st_mtime_ns for path in files} == files


@pytest.mark.parametrize("more", [1, 3, 210], ids=lambda days: f"{days} days more")
def test_grown_day_by_day_equals_built_at_once(tmp_path: Path, more: int) -> None:
    """Over the moves of the dirty day too; 210 days more put it among the new days."""
    grown, direct = tmp_path / "grown", tmp_path / "direct"
    write_duckdb(grown, sample(205), TODAY)
    steps = write_duckdb(grown, sample(205), TODAY + timedelta(days=more))
    assert [g.done for g in steps] == ["extended", "extended"]
    assert steps[1].first == TODAY - timedelta(days=205)
    write_duckdb(direct, sample(205 + more), TODAY + timedelta(days=more))
    assert content(grown) == content(direct)
    if more < 10:
        kept = content(grown, f"CALDAY < '{TODAY - timedelta(days=DIRTY_DAYS + 1):%Y%m%d}'")[0]
        assert kept
        assert steps[1].rows < 40 * 15 * (more + 2)


@pytest.mark.parametrize(
    "other",
    [sample(30, scale=0.03), sample(40), sample(30, "2026-02-20")],
    ids=["scale", "longer past", "earlier end"],
)
def test_what_cannot_grow_is_built_anew(tmp_path: Path, other: Sample) -> None:
    write_duckdb(tmp_path / "a", sample(30), TODAY)
    assert [g.done for g in write_duckdb(tmp_path / "a", other, TODAY)] == ["built", "built"]
    write_duckdb(tmp_path / "b", other, TODAY)
    assert content(tmp_path / "a") == content(tmp_path / "b")


def test_a_day_is_the_same_alone_and_among_others() -> None:
    first, last = date(2026, 1, 1), date(2026, 3, 31)
    together = pa.Table.from_batches(sales.batches(1, 0.5, first, last))
    days = together.column("CALDAY")
    for day in (first, date(2026, 2, 17), last):
        alone = pa.Table.from_batches(sales.batches(1, 0.5, day, day))
        mask = pa.compute.equal(days, f"{day:%Y%m%d}")
        assert together.filter(mask).combine_chunks() == alone.combine_chunks()
    assert next(sales.batches(2, 0.5, first, first)) != next(sales.batches(1, 0.5, first, first))


def test_values_do_not_move_between_versions() -> None:
    """A change here is a change of every site's demo data: raise VERSION with it."""
    day = next(sales.batches(1, 1, date(2026, 1, 2), date(2026, 1, 2)))
    some = customers.rows(1, 1190, 1210, 1)
    span = (1, 1, receivables.OPENED, date(2026, 1, 2), date(2026, 1, 2))
    billed = next(receivables.invoice_batches(*span))
    paid = next(receivables.payment_batches(*span))
    digests = [
        sha256(repr(batch.to_pylist()).encode()).hexdigest()[:16]
        for batch in (day, some, billed, paid)
    ]
    assert (VERSION, day.num_rows, digests) == (
        2,
        1817,
        ["032babe587ac8660", "4161505b7e872017", "26d542cdde260b3c", "be3f4c0b811ca745"],
    )


def test_killed_writer_leaves_the_old_file_and_its_litter_goes(tmp_path: Path) -> None:
    write_duckdb(tmp_path, sample(10), TODAY)
    before = content(tmp_path)
    script = (
        "import os, sys; from datetime import date; from pathlib import Path\n"
        "from lake_assets.sample import generate; from resources.settings import Sample\n"
        "generate.os.fsync = lambda fd: os._exit(9)\n"
        "sample = Sample(days=10, until='yesterday', scale=0.02)\n"
        "generate.write_duckdb(Path(sys.argv[1]), sample, date(2026, 3, 5))\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    assert done.returncode == 9
    assert content(tmp_path) == before
    assert [*(tmp_path / "sources").glob(".hana*")]
    assert [g.done for g in write_duckdb(tmp_path, sample(10), date(2026, 3, 5))] == [
        "extended"
    ] * 2
    assert not [*(tmp_path / "sources").glob(".hana*")]


def test_a_file_that_is_not_ours_is_replaced_and_a_locked_one_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "sources"
    folder.mkdir()
    (folder / "hana_db.duckdb").write_bytes(b"torn")
    duckdb.connect(str(folder / "hana_bw.duckdb")).close()
    assert [g.done for g in write_duckdb(tmp_path, sample(3), TODAY)] == ["built", "built"]
    script = (
        "import duckdb, sys; con = duckdb.connect(sys.argv[1]); print('open', flush=True); input()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", script, str(folder / "hana_bw.duckdb")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        with pytest.raises(TransientError, match=r"hana_bw\.duckdb is open for writing"):
            write_duckdb(tmp_path, sample(3), TODAY)
    finally:
        other.communicate("\n")


def test_nothing_to_do_imports_no_numpy(tmp_path: Path) -> None:
    write_duckdb(tmp_path, sample(3, "2026-02-28"), TODAY)
    script = (
        "import sys; from datetime import date; from pathlib import Path\n"
        "from lake_assets.sample.generate import write_duckdb\n"
        "from resources.settings import Sample\n"
        "sample = Sample(days=3, until='2026-02-28', scale=0.02)\n"
        "done = write_duckdb(Path(sys.argv[1]), sample, date(2026, 3, 1))\n"
        "assert [g.done for g in done] == ['current'] * 2, done\n"
        "sys.exit(', '.join({'numpy', 'pyarrow', 'pandas', 'holidays'} & set(sys.modules)) or 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_until() -> None:
    assert last_day(sample(1), TODAY) == date(2026, 2, 28)
    assert last_day(sample(1, "2025-12-31"), TODAY) == date(2025, 12, 31)
    assert dirty_day(sample(730), TODAY) == date(2025, 8, 12)
    assert dirty_day(sample(200), TODAY) is None


def test_one_day_has_one_key_twice(year: duckdb.DuckDBPyConnection) -> None:
    twice = year.execute(
        "SELECT CALDAY, count(*) FROM t GROUP BY CALDAY, DOC_NUMBER, S_ORD_ITEM HAVING count(*) > 1"
    ).fetchall()
    assert twice == [("20260414", 2)]
    assert dirty_day(sample(730, "2026-10-31", 1), TODAY) == date(2026, 4, 14)


def test_a_working_day_is_busy_and_holidays_and_sundays_are_not(
    year: duckdb.DuckDBPyConnection,
) -> None:
    counts = {
        date(int(d[:4]), int(d[4:6]), int(d[6:])): n
        for d, n in year.execute("SELECT CALDAY, count(*) FROM t GROUP BY 1").fetchall()
    }
    assert len(counts) == 730
    mean = sum(counts.values()) / 730
    assert 1450 < mean < 1550
    weekday = {
        kind: [n for day, n in counts.items() if test(day)]
        for kind, test in {
            "working": lambda d: d.weekday() < 5 and not season.is_holiday(d),
            "saturday": lambda d: d.weekday() == 5 and not season.is_holiday(d),
            "quiet": lambda d: d.weekday() == 6 or season.is_holiday(d),
        }.items()
    }
    average = {kind: sum(ns) / len(ns) / mean for kind, ns in weekday.items()}
    assert average["working"] > 1.25
    assert 0.3 < average["saturday"] < 0.5
    assert average["quiet"] < 0.12
    assert min(counts.values()) > 50
    # 추석 2025 is a Monday, 대체공휴일 the Wednesday after it.
    for holiday in (date(2025, 10, 6), date(2025, 10, 8), date(2026, 2, 17), date(2025, 12, 25)):
        assert counts[holiday] < 0.2 * mean, holiday


def test_seasons_growth_and_gifts(year: duckdb.DuckDBPyConnection) -> None:
    per_month = dict(
        year.execute(
            "SELECT MATL_GROUP || substr(CALDAY, 1, 6), count(*)::DOUBLE FROM t GROUP BY 1"
        ).fetchall()
    )
    assert per_month["BEV202507"] > 1.8 * per_month["BEV202501"]
    assert per_month["NDL202501"] > 1.3 * per_month["NDL202507"]
    # Gifts for 추석 (6 October 2025) are ordered in September.
    assert per_month["GFT202509"] > 3 * per_month["GFT202507"]
    before, after = one(
        year,
        """SELECT count(*) FILTER (CALDAY < '20251101'), count(*) FILTER (CALDAY >= '20251101')
           FROM t""",
    )
    assert 1.02 < after / before < 1.08


def test_returns_corrections_and_dirty_rows(year: duckdb.DuckDBPyConnection) -> None:
    returns, late, first, last, lost_sign, currency, unit = one(
        year,
        """SELECT count(*) FILTER (DOC_TYPE = 'RE') / count(*), avg(late),
                  min(days), max(days),
                  count(*) FILTER (QUANTITY < 0 AND DOC_TYPE <> 'RE'),
                  count(*) FILTER (DOC_CURRCY NOT IN ('KRW', 'USD', 'EUR', 'JPY')),
                  count(*) FILTER (abs(AMOUNT) > 1e11)
           FROM (SELECT *, (days > 0)::INT AS late FROM (
             SELECT *, date_diff('day', strptime(CALDAY, '%Y%m%d'), CHANGED_AT) AS days FROM t))""",
    )
    assert 0.02 < returns < 0.04
    assert 0.012 < late < 0.022
    assert (first, last) == (0, 5)
    for dirty in (lost_sign, currency, unit):
        assert 1 <= dirty / 24 <= 8, (lost_sign, currency, unit)
    assert one(year, "SELECT count(*) FROM t WHERE DOC_TYPE = 'RE' AND QUANTITY >= 0") == (0,)
    # A correction comes with a later load than its day's rows.
    assert one(
        year,
        "SELECT count(*) FROM t WHERE (REQTSN // 1000000000000000)::VARCHAR <= CALDAY",
    ) == (0,)


def test_money_is_exact(year: duckdb.DuckDBPyConnection) -> None:
    wrong = one(
        year,
        """SELECT count(*) FROM t WHERE abs(AMOUNT) < 1e11
           AND AMOUNT <> round(QUANTITY::DECIMAL(18,3) * "/BIC/ZUNITPR"::DECIMAL(20,4), 2)""",
    )
    assert wrong == (0,)
    big, lossy, request = one(
        year,
        """SELECT count(*) FILTER (abs(AMOUNT) > 90071992547409.92),
                  count(*) FILTER (AMOUNT::DOUBLE::DECIMAL(18,2) <> AMOUNT), min(REQTSN) FROM t""",
    )
    assert big > 20
    assert lossy > 20  # what goes through a double is not the same any more
    assert request > 2**64


def test_text_is_korean_and_null_is_not_empty(year: duckdb.DuckDBPyConnection) -> None:
    remarks = dict(
        year.execute(
            """SELECT CASE WHEN "/BIC/ZREMARK" IS NULL THEN 'null' WHEN "/BIC/ZREMARK" = ''
                 THEN 'empty' WHEN contains("/BIC/ZREMARK", chr(10)) THEN 'lines'
                 WHEN contains("/BIC/ZREMARK", '"') THEN 'quotes' WHEN contains("/BIC/ZREMARK", ',')
                 THEN 'comma' ELSE 'plain' END, count(*) FROM t GROUP BY 1"""
        ).fetchall()
    )
    assert sorted(remarks) == ["comma", "empty", "lines", "null", "plain", "quotes"]
    assert min(remarks.values()) > 1000
    assert one(
        year,
        """SELECT count(*) FROM t WHERE NOT regexp_matches("/BIC/ZMATTXT", '[가-힣]')""",
    ) == (0,)
    for column in ("NAME1", "J_1KFREPRE", "ORT01"):
        korean, filled = one(
            year,
            f"SELECT count(*) FILTER (regexp_matches({column}, '[가-힣]')), "
            f"count(*) FILTER ({column} <> '') FROM c",
        )
        assert korean == filled > 1500, column
    nulls, empties = one(
        year,
        "SELECT count(*) FILTER (J_1KFREPRE IS NULL), count(*) FILTER (J_1KFREPRE = '') FROM c",
    )
    assert nulls > 50
    assert empties > 50


def test_customers_are_known_before_they_buy(year: duckdb.DuckDBPyConnection) -> None:
    unknown, early, one_time = one(
        year,
        """SELECT count(*) FILTER (KUNNR IS NULL AND SOLD_TO <> '0000999999'),
                  count(*) FILTER (ERDAT > CALDAY), count(*) FILTER (SOLD_TO = '0000999999')
           FROM t LEFT JOIN c ON SOLD_TO = KUNNR""",
    )
    assert (unknown, early) == (0, 0)
    assert one_time > 0
    joined = one(year, "SELECT count(*) FROM c WHERE ERDAT >= '20260101'")[0]
    expected = customers.count(1, date(2026, 10, 31)) - customers.count(1, date(2025, 12, 31))
    assert 0.95 * expected <= joined <= expected


def test_nobody_is_named_by_a_registration_number(year: duckdb.DuckDBPyConnection) -> None:
    """The check digit is wrong in every one, so that none is a real company's."""
    for (text,) in year.execute("SELECT STCD2 FROM c").fetchall():
        number = [int(digit) for digit in text.replace("-", "")]
        total = sum(d * f for d, f in zip(number, (1, 3, 7, 1, 3, 7, 1, 3, 5), strict=False))
        total += number[8] * 5 // 10
        assert (10 - total % 10) % 10 != number[9], text
