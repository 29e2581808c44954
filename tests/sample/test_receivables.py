"""The receivables: generated as a real ledger is, and balanced, aged and told in features exactly.

The results are compared with a calculation in plain Python, loops over documents with Decimal,
that was written from the descriptions in the pipeline files and shares nothing with their SQL. It
reads the source's tables, not the lake. Not here: what a model makes of the features.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa
import pytest

from lake_assets.loader import SHIPPED, load_pipelines
from lake_assets.materialise import Work, materialise
from lake_assets.pipeline import assets, catalogue
from lake_assets.sample import receivables
from lake_assets.sample.generate import write_duckdb
from lake_assets.spec.datasets import DatasetSpec
from resources.partition import Partition
from resources.settings import Sample, load_settings
from resources.store import open_store

D = Decimal
ZERO = D("0.00")
OPENED = receivables.OPENED
#: Ten months of a tenth of the business; the lake has them all.
SAMPLE = Sample(days=304, until="2025-08-31", scale=0.1)
TODAY = date(2025, 9, 1)
MONTHS = ["2024-11", "2024-12", *(f"2025-{month:02}" for month in range(1, 9))]
FACTS = ("raw/ar_invoice", "raw/ar_payment")
STATES = ("prep/ar_open_item", "prep/outstanding_balance_monthly", "prep/outstanding_balance_aging")
LEARNED = ("prep/payment_outcome", "prep/payment_feature")


# --- the ledger and the lake ---------------------------------------------------------------------


class Doc(NamedTuple):
    """A row of ZFIT0010; days are ISO texts, `due` '' is SAP's '00000000'."""

    document: str
    customer: str
    kind: str
    posted: str
    amount: str
    terms: str | None = "NT30"
    due: str = ""
    item: int = 1
    of: str | None = ""
    of_item: int | None = 0


class Paid(NamedTuple):
    """A row of ZFIT0020."""

    document: str
    customer: str
    posted: str
    amount: str
    of: str | None = ""
    of_item: int | None = 1
    item: int = 1


def sap(day: str) -> str:
    return day.replace("-", "") or "00000000"


def erp(home: Path) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(str(home / "sources" / "hana_db.duckdb"))


def post(home: Path, docs: Iterable[Doc], paid: Iterable[Paid]) -> None:
    """Write rows into the source's tables."""
    with closing(erp(home)) as con:
        invoices = (
            "ZFIT0010 (BUKRS, WAERS, BELNR, BUZEI, KUNNR, BLART, BUDAT, ZTERM, NETDT, REBZG, "
            "REBZZ, DMBTR)"
        )
        payments = "ZFIT0020 (BUKRS, WAERS, BELNR, BUZEI, KUNNR, BUDAT, REBZG, REBZZ, DMBTR)"
        firm = ("1000", "KRW")
        of_invoices = [
            (
                *(*firm, d.document, d.item, d.customer, d.kind, sap(d.posted), d.terms),
                *(sap(d.due), d.of, d.of_item, D(d.amount)),
            )
            for d in docs
        ]
        of_payments = [
            (*firm, p.document, p.item, p.customer, sap(p.posted), p.of, p.of_item, D(p.amount))
            for p in paid
        ]
        for table, rows in ((invoices, of_invoices), (payments, of_payments)):
            marks = ", ".join("?" * (table.count(",") + 1))
            if rows:
                con.executemany(f"INSERT INTO SAPERP.{table} VALUES ({marks})", rows)


class Lake:
    """The shipped pipelines over one home, without Dagster."""

    def __init__(self, home: Path) -> None:
        self.settings = load_settings("local", {"LAKE_HOME": str(home)})
        self.store = open_store(self.settings)
        pipelines = load_pipelines([SHIPPED])
        self._catalogue = catalogue(pipelines)
        self._assets = {one.key: one for pipeline in pipelines for one in assets(pipeline)}

    def make(self, keys: Sequence[str], *names: str, sound: bool = True) -> None:
        """Publish partitions; where the ledger is `sound`, every check passes too."""
        for name in names:
            work = Work(self._assets[name], self.settings, self.store, self._catalogue, {})
            for _, outcome in materialise(work, keys):
                assert outcome.published, (name, outcome.key, outcome.failed_gates)
                # The ledger of a test may have months without a row.
                warned = [v for v in outcome.checks if not v.passed and v.rule != "rows"]
                assert not sound or warned == [], name

    def rows(self, name: str, month: str) -> list[dict[str, Any]]:
        layer, _, table = name.partition("/")
        found = self.store.read([Partition(layer, table, "monthly", month)])  # type: ignore[arg-type]
        return [
            {key: value for key, value in row.items() if key != "ym"} for row in found.to_pylist()
        ]


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with generated sources, and documents as awkward as a ledger's can be."""
    home = tmp_path_factory.mktemp("generated")
    write_duckdb(home, SAMPLE, TODAY)
    post(home, *AWKWARD)
    return home


@pytest.fixture(scope="module")
def lake(generated: Path) -> Lake:
    lake = Lake(generated)
    lake.make([""], "raw/customer", "prep/customer_master")
    lake.make(MONTHS, *FACTS, *STATES)
    lake.make(MONTHS[1:], *LEARNED)
    return lake


AWKWARD = (
    [
        # Referred to by another customer, before it is posted, and by an item that is not there.
        Doc("W1", "0000100001", "DR", "2025-03-10", "1000000.10"),
        Doc("W2", "0000100002", "DG", "2025-03-11", "-100.01", of="W1", of_item=1),
        Doc("W3", "0000100001", "DG", "2025-02-11", "-200.02", of="W1", of_item=1),
        Doc("W4", "0000100001", "DG", "2025-03-12", "-300.03", of="W1", of_item=2),
        Doc("W5", "0000100001", "DG", "2025-03-12", "-400.04", of=None, of_item=None),
        # No due date, and terms that are none, empty or not of days.
        Doc("W6", "0000100003", "DR", "2025-04-01", "600.06", terms=None),
        Doc("W7", "0000100003", "DR", "2025-04-01", "700.07", terms=""),
        Doc("W8", "0000100003", "DR", "2025-04-01", "800.08", terms="ZB01"),
        Doc("W9", "0000100003", "DR", "2025-04-01", "900.09", terms="NT60"),
        # Two items of one document, paid apart; one of nothing; one credited more than it is.
        Doc("X1", "0000100004", "DR", "2025-01-31", "11.11", due="2025-02-28"),
        Doc("X1", "0000100004", "DR", "2025-01-31", "12.12", due="2025-03-31", item=2),
        Doc("X2", "0000100004", "DR", "2025-01-31", "0.00"),
        Doc("X3", "0000100004", "DR", "2025-01-31", "13.13", due="2025-02-01"),
        Doc("X4", "0000100004", "DG", "2025-05-02", "-14.14", of="X3", of_item=1),
        # Nobody of KNA1, whose overpayment and reversed payment on account are nothing together.
        Doc("X5", "9", "DR", "2025-02-01", "50.00"),
    ],
    [
        Paid("Y1", "0000100005", "2025-03-15", "5.05", of="W1"),
        Paid("Y2", "0000100001", "2025-02-15", "6.06", of="W1"),
        Paid("Y3", "0000100001", "2025-03-16", "-7.07", of="W1"),
        Paid("Y4", "0000100004", "2025-02-16", "11.11", of="X1"),
        Paid("Y5", "0000100004", "2025-04-16", "12.12", of="X1", of_item=2),
        Paid("Y6", "9", "2025-02-17", "80.00", of="X5"),
        Paid("Y7", "9", "2025-02-18", "-30.00", of=None, of_item=None),
    ],
)


# --- the calculation in plain Python -------------------------------------------------------------


def ledger(home: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """All rows of both tables of the source, as they are."""
    found = []
    with closing(erp(home)) as con:
        for table in ("ZFIT0010", "ZFIT0020"):
            cursor = con.execute(f"SELECT * FROM SAPERP.{table}")
            names = [column[0] for column in cursor.description or ()]
            found.append([dict(zip(names, row, strict=True)) for row in cursor.fetchall()])
    return found[0], found[1]


def day_of(text: str) -> date:
    return date(int(text[:4]), int(text[4:6]), int(text[6:]))


def last_day(month: str) -> date:
    year, number = map(int, month.split("-"))
    return date(year + number // 12, number % 12 + 1, 1) - timedelta(days=1)


def due_day(doc: dict[str, Any]) -> date:
    """만기일은 전표의 만기일이며, 날짜가 아니면 전기일 + 지급 조건의 일수."""
    if doc["NETDT"] != "00000000":
        return day_of(doc["NETDT"])
    days = {"NT30": 30, "NT60": 60}.get(doc["ZTERM"], 0)
    return day_of(doc["BUDAT"]) + timedelta(days=days)


BUCKETS = ("not_due", "overdue_1_30", "overdue_31_60", "overdue_61_90", "overdue_91_180")


def bucket(overdue: int) -> str:
    for name, most in zip(BUCKETS, (0, 30, 60, 90, 180), strict=True):
        if overdue <= most:
            return name
    return "overdue_181_plus"


def by_hand(
    docs: list[dict[str, Any]], paid: list[dict[str, Any]], month: str
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Balance and aging of all customers at the end of a month, customer by customer."""
    end = last_day(month)
    own: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]]
    own = defaultdict(lambda: ([], []))
    for index, rows in enumerate((docs, paid)):
        for row in rows:
            if day_of(row["BUDAT"]) <= end:
                own[row["KUNNR"]][index].append(row)
    balances, agings = [], []
    for customer in sorted(own):
        balance, aging = customer_by_hand(*own[customer], end)
        if balance:
            balances.append({"customer": customer, **balance})
        if aging:
            agings.append({"customer": customer, **aging})
    return balances, agings


def customer_by_hand(
    docs: list[dict[str, Any]], paid: list[dict[str, Any]], end: date
) -> tuple[dict[str, Any], dict[str, Any]]:
    """One customer's rows; `docs` and `paid` are all of it that was posted until `end`."""
    # 송장 항목마다 남은 금액
    remaining: dict[tuple[str, int], Decimal] = {}
    due: dict[tuple[str, int], date] = {}
    for doc in docs:
        if doc["BLART"] == "DR":
            remaining[doc["BELNR"], doc["BUZEI"]] = doc["DMBTR"]
            due[doc["BELNR"], doc["BUZEI"]] = due_day(doc)
    loose = ZERO
    reducing = [(row, row["DMBTR"]) for row in docs if row["BLART"] == "DG"]
    reducing += [(row, -row["DMBTR"]) for row in paid]
    for row, amount in reducing:
        if (row["REBZG"], row["REBZZ"]) in remaining:
            remaining[row["REBZG"], row["REBZZ"]] += amount
        else:
            loose += amount

    # 그 달의 움직임
    opening = invoiced = credited = collected = ZERO
    moved, last_paid_on = False, None
    for row in docs + paid:
        posted = day_of(row["BUDAT"])
        of_month = (posted.year, posted.month) == (end.year, end.month)
        moved = moved or of_month
        kind = row.get("BLART", "payment")
        if not of_month:
            opening += -row["DMBTR"] if kind == "payment" else row["DMBTR"]
        elif kind == "DR":
            invoiced += row["DMBTR"]
        elif kind == "DG":
            credited += row["DMBTR"]
        else:
            collected += row["DMBTR"]
        if kind == "payment" and row["DMBTR"] > 0:
            last_paid_on = max(last_paid_on or posted, posted)
    ending = opening + invoiced + credited - collected

    # 연체 구간
    aged = dict.fromkeys((*BUCKETS, "overdue_181_plus", "unapplied_credit"), ZERO)
    aged["unapplied_credit"] += loose
    overdue: list[tuple[int, Decimal]] = []
    for key, rest in remaining.items():
        days = (end - due[key]).days
        aged[bucket(days) if rest > 0 else "unapplied_credit"] += rest
        if rest > 0 and days > 0:
            overdue.append((days, rest))
    total = sum(aged.values(), ZERO)

    balance = {
        "opening_balance": opening,
        "invoiced": invoiced,
        "credit_notes": credited,
        "collected": collected,
        "closing_balance": ending,
        "open_amount": sum((rest for rest in remaining.values() if rest > 0), ZERO),
        "unapplied_credit": aged["unapplied_credit"],
        "overdue_amount": sum((rest for _, rest in overdue), ZERO),
        "overdue_items": len(overdue),
        "oldest_overdue_days": max((days for days, _ in overdue), default=0),
        "last_paid_on": last_paid_on,
    }
    has_items = loose != 0 or any(remaining.values())
    aging = {**aged, "total": total, "closing_balance": ending}
    return (
        balance if moved or ending or has_items else {},
        aging if any(aged.values()) or ending else {},
    )


# --- equal ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("month", MONTHS)
def test_balance_and_aging_equal_plain_python(lake: Lake, generated: Path, month: str) -> None:
    balances, agings = by_hand(*ledger(generated), month)
    assert lake.rows("prep/outstanding_balance_monthly", month) == balances
    assert lake.rows("prep/outstanding_balance_aging", month) == agings
    if month > "2025-05":
        assert len(balances) > 300
        # Every kind of amount is there to be wrong.
        assert [key for key in agings[0] if not any(row[key] for row in agings)] == []
        assert [key for key in balances[0] if not any(row[key] for row in balances)] == []


#: Three customers at the end of March 2025, and what the books of each say.
THREE = (
    [
        # 가: 일부 입금, 두 구간의 연체, 월말이 지난 입금
        Doc("A1", "0000100001", "DR", "2025-01-10", "1000000.00", due="2025-02-09"),
        Doc("A2", "0000100001", "DR", "2025-02-20", "300000.00", due="2025-03-22"),
        # 나: 참조가 있는 대변표와 없는 대변표, 월말 당일이 만기인 송장(만기일은 지급 조건에서)
        Doc("B1", "0000100002", "DR", "2025-02-28", "2000000.00", due="2025-03-30"),
        Doc("B2", "0000100002", "DR", "2025-03-01", "700000.00", terms="NT30"),
        Doc("B3", "0000100002", "DG", "2025-03-12", "-500000.00", of="B1", of_item=1),
        Doc("B4", "0000100002", "DG", "2025-03-20", "-50000.00"),
        # 다: 두 번 낸 송장, 120일 연체, 송장을 모르는 입금
        Doc("C1", "0000100003", "DR", "2024-11-05", "100000.00", terms="NT00"),
        Doc("C2", "0000100003", "DR", "2024-12-01", "80000.25", terms="NT00"),
    ],
    [
        Paid("PA1", "0000100001", "2025-02-20", "400000.00", of="A1"),
        Paid("PA2", "0000100001", "2025-03-15", "100000.00", of="A1"),
        Paid("PA3", "0000100001", "2025-04-02", "300000.00", of="A2"),
        Paid("PC1", "0000100003", "2024-11-06", "100000.00", of="C1"),
        Paid("PC2", "0000100003", "2025-01-03", "100000.00", of="C1"),
        Paid("PC3", "0000100003", "2025-03-05", "120000.50"),
    ],
)

# Opening, invoiced, credit notes, collected, closing; open, unapplied, overdue, items, days, paid.
BALANCES = {
    # 1,000,000 + 300,000 - 400,000; A1 is 50 days over on 31 March (28 February: 19), A2 is 9.
    "0000100001": (
        *("900000.00", "0.00", "0.00", "100000.00", "800000.00"),
        *("800000.00", "0.00", "800000.00", 2, 50, date(2025, 3, 15)),
    ),
    # B1 is 2,000,000 - 500,000 and one day over; B2 is due on the 31st itself, so it is not.
    "0000100002": (
        *("2000000.00", "700000.00", "-550000.00", "0.00", "2150000.00"),
        *("2200000.00", "-50000.00", "1500000.00", 1, 1, None),
    ),
    # 100,000 + 80,000.25 - 200,000; from 1 December to 31 March are 30 + 31 + 28 + 31 days.
    "0000100003": (
        *("-19999.75", "0.00", "0.00", "120000.50", "-140000.25"),
        *("80000.25", "-220000.50", "80000.25", 1, 120, date(2025, 3, 5)),
    ),
}
# Not due, 1-30, 31-60, 61-90, 91-180, 181 and more, unapplied, total.
AGINGS = {
    "0000100001": (0, "300000.00", "500000.00", 0, 0, 0, 0, "800000.00"),
    "0000100002": ("700000.00", "1500000.00", 0, 0, 0, 0, "-50000.00", "2150000.00"),
    "0000100003": (0, 0, 0, 0, "80000.25", 0, "-220000.50", "-140000.25"),
}


def small_ledger(home: Path, docs: Iterable[Doc], paid: Iterable[Paid], until: str) -> Lake:
    """A lake of these documents alone, until the month `until`."""
    write_duckdb(home, Sample(days=1, until="2025-08-31", scale=0.02), TODAY)
    with closing(erp(home)) as con:
        con.execute("DELETE FROM SAPERP.ZFIT0010; DELETE FROM SAPERP.ZFIT0020")
    post(home, docs, paid)
    lake = Lake(home)
    lake.make([""], "raw/customer", "prep/customer_master")
    lake.make([month for month in MONTHS if month <= until], *FACTS, *STATES)
    return lake


def test_three_rows_worked_by_hand(tmp_path: Path) -> None:
    lake = small_ledger(tmp_path, *THREE, until="2025-04")
    found = {
        row.pop("customer"): tuple(row.values())
        for row in lake.rows("prep/outstanding_balance_monthly", "2025-03")
    }
    assert found == {
        customer: tuple(D(value) if isinstance(value, str) else value for value in row)
        for customer, row in BALANCES.items()
    }
    aged = {
        row.pop("customer"): tuple(row.values())
        for row in lake.rows("prep/outstanding_balance_aging", "2025-03")
    }
    assert aged == {customer: (*map(D, row), D(row[-1])) for customer, row in AGINGS.items()}
    # The payment of 2 April is seen at the end of April and nowhere before.
    [april] = [
        row
        for row in lake.rows("prep/outstanding_balance_monthly", "2025-04")
        if row["customer"] == "0000100001"
    ]
    assert (april["opening_balance"], april["collected"]) == (D("800000.00"), D("300000.00"))
    assert (april["overdue_amount"], april["oldest_overdue_days"]) == (D("500000.00"), 80)
    # And the calculation in plain Python says what the hand does.
    balances, agings = by_hand(*ledger(tmp_path), "2025-03")
    assert [tuple(row.values())[1:] for row in balances] == [*found.values()]
    assert [tuple(row.values())[1:] for row in agings] == [*aged.values()]


def test_each_boundary(tmp_path: Path) -> None:
    days = (-1, 0, 1, 30, 31, 60, 61, 90, 91, 180, 181)
    end = date(2025, 7, 31)
    docs = [
        Doc(f"D{n}", "1", "DR", "2025-01-31", f"{10**index}.00", due=f"{end - timedelta(days=n)}")
        for index, n in enumerate(days)
    ]
    [row] = small_ledger(tmp_path, docs, [], "2025-07").rows(
        "prep/outstanding_balance_aging", "2025-07"
    )
    sums = [11, 1100, 110_000, 11_000_000, 1_100_000_000, 10_000_000_000]
    assert [*row.values()][1:7] == [D(f"{value}.00") for value in sums]


def test_the_gate_refuses_an_aging_that_is_not_the_balance(tmp_path: Path) -> None:
    """The balance is a sum of movements, the aging one of open items: they are held together."""
    lake = small_ledger(tmp_path, *THREE, until="2025-03")
    other = lake.store.read([Partition("prep", "ar_open_item", "monthly", "2025-02")])
    with lake.store.writer(
        Partition("prep", "ar_open_item", "monthly", "2025-03"), other.drop_columns("ym").schema
    ) as writer:
        for batch in other.drop_columns("ym").to_batches():
            writer.write(batch)
        writer.close()
        writer.publish()
    with pytest.raises(AssertionError, match="total_is_the_balance"):
        lake.make(["2025-03"], "prep/outstanding_balance_aging")


# --- features ------------------------------------------------------------------------------------

#: One customer of 30 days, and one that pays exactly half of what is due.
FOUR = (
    [
        Doc("E1", "1", "DR", "2025-01-15", "1000000.00", due="2025-02-14"),
        Doc("E2", "1", "DR", "2025-02-10", "600000.00", due="2025-03-12"),
        Doc("E3", "1", "DR", "2025-03-11", "400000.00", due="2025-04-10"),
        Doc("E4", "1", "DR", "2025-03-21", "200000.00", due="2025-04-20"),
        # In April's window, but not known in March: it is in no row.
        Doc("E5", "1", "DR", "2025-04-01", "900000.00", due="2025-04-01"),
        Doc("F1", "2", "DR", "2025-03-11", "100.00", due="2025-04-10"),
        Doc("F2", "2", "DR", "2025-03-11", "300.00", due="2025-05-01"),
    ],
    [
        Paid("PE1", "1", "2025-02-20", "1000000.00", of="E1"),
        Paid("PE2", "1", "2025-03-20", "100000.00", of="E2"),
        Paid("PE3", "1", "2025-04-15", "150000.00", of="E3"),
        Paid("PE4", "1", "2025-04-25", "200000.00", of="E4"),
        Paid("PF1", "2", "2025-04-30", "50.00", of="F1"),
        Paid("PF2", "2", "2025-05-01", "50.00", of="F1"),
    ],
)


def test_outcome_and_features_worked_by_hand(tmp_path: Path) -> None:
    lake = small_ledger(tmp_path, *FOUR, until="2025-04")
    lake.make(["2025-03", "2025-04"], *LEARNED)
    outcomes = [
        tuple(row.values())
        for month in ("2025-03", "2025-04")
        for row in lake.rows("prep/payment_outcome", month)
    ]
    assert outcomes == [
        # 500,000 of 600,000 are more than half.
        ("1", True, D("600000.00"), D("500000.00")),
        # 250,000 of 600,000 are not; exactly half is not more than half.
        ("1", False, D("600000.00"), D("250000.00")),
        ("2", False, D("100.00"), D("50.00")),
    ]
    first, second = lake.rows("prep/payment_feature", "2025-04")
    assert first == {
        "customer": "1",
        "due_amount": D("600000.00"),
        "due_items": 2,
        "due_day": pytest.approx((400 * 10 + 200 * 20) / 600),
        "month_of_year": 4,
        "segment": "기타",
        "region": "미상",
        "terms_days": 0,
        "late_last": True,
        # February was not late, March was.
        "late_share_3m": 0.5,
        "late_share_6m": 0.5,
        # 6 days late with 1,000,000, then 8 with 100,000.
        "paid_days_late_1m": 8,
        "paid_days_late_6m": pytest.approx((1000 * 6 + 100 * 8) / 1100),
        "split_payment_share_6m": 0,
        # E2: 500,000 of 1,100,000 open, 19 days over.
        "overdue_share": pytest.approx(500 / 1100),
        "overdue_91_share": 0,
        "oldest_overdue_days": 19,
        "weighted_overdue_days": pytest.approx(500 * 19 / 1100),
        "overdue_months_share_6m": pytest.approx(1 / 3),
        "credit_utilisation": None,
        # 1,000,000, 600,000 and 1,100,000 at the ends of January, February and March.
        "balance_trend_6m": pytest.approx(1100 / 900),
        "credit_note_share_6m": 0,
    }
    assert (second["late_last"], second["late_share_3m"], second["paid_days_late_6m"]) == (
        None,
    ) * 3
    assert (second["due_amount"], second["due_items"]) == (D("100.00"), 1)


def test_the_months_that_are_read_end_before_the_month_that_is_predicted() -> None:
    [feature] = [
        one
        for pipeline in load_pipelines([SHIPPED])
        for one in assets(pipeline)
        if one.key == "prep/payment_feature"
    ]
    assert isinstance(feature.spec, DatasetSpec)
    read = {name: feature.spec.offsets.get(name) for name in feature.spec.named_inputs.values()}
    assert read.pop("prep/customer_master") is None
    assert {last for _, last in filter(None, read.values())} == {-1}
    assert None not in read.values()


def test_features_do_not_change_with_what_comes_later(lake: Lake, tmp_path: Path) -> None:
    """Every row posted in the month or later is altered; the outcome follows, no feature does."""
    month, start = "2025-06", "20250601"
    write_duckdb(tmp_path, SAMPLE, TODAY)
    post(tmp_path, *AWKWARD)
    with closing(erp(tmp_path)) as con:
        for table in ("ZFIT0010", "ZFIT0020"):
            con.execute(
                f"DELETE FROM SAPERP.{table} WHERE BUDAT >= '{start}' AND hash(BELNR) % 3 = 0"
            )
            changed = con.execute(
                f"UPDATE SAPERP.{table} SET DMBTR = DMBTR * 3 WHERE BUDAT >= '{start}'"
            ).fetchone()
            assert changed is not None
            assert changed[0] > 500
        con.execute(f"UPDATE SAPERP.ZFIT0010 SET NETDT = '20250930' WHERE BUDAT >= '{start}'")
    # And some that were not there: due in the month, and paid on its first day.
    buyers = [row["customer"] for row in lake.rows("prep/payment_feature", month)]
    post(
        tmp_path,
        [
            Doc(f"Z{n}", one, "DR", "2025-06-01", "999.00", due="2025-06-20")
            for n, one in enumerate(buyers)
        ],
        [Paid(f"Z{n}", one, "2025-06-01", "99999.00") for n, one in enumerate(buyers)],
    )
    other = Lake(tmp_path)
    other.make([""], "raw/customer", "prep/customer_master")
    other.make(MONTHS, *FACTS, *STATES, sound=False)
    other.make(MONTHS[1:], *LEARNED)
    before = [one for one in MONTHS if one <= month]
    for one in before[1:]:
        features = lake.rows("prep/payment_feature", one)
        assert len(features) > 20
        assert other.rows("prep/payment_feature", one) == features
    for one in before[1:-1]:
        assert other.rows("prep/payment_outcome", one) == lake.rows("prep/payment_outcome", one)
    mine, altered = (one.rows("prep/payment_outcome", month) for one in (lake, other))
    assert [row["due_amount"] for row in altered] == [row["due_amount"] for row in mine]
    differ = sum(one["late"] != two["late"] for one, two in zip(mine, altered, strict=True))
    assert differ > 0.05 * len(mine)
    assert other.rows("prep/payment_feature", "2025-07") != lake.rows(
        "prep/payment_feature", "2025-07"
    )


def test_features_and_outcomes_are_of_one_population(lake: Lake) -> None:
    late: dict[str, bool] = {}
    seen = Counter[bool | None]()
    for month in MONTHS[1:]:
        features = lake.rows("prep/payment_feature", month)
        outcomes = lake.rows("prep/payment_outcome", month)
        assert [(row["customer"], row["due_amount"]) for row in features] == [
            (row["customer"], row["due_amount"]) for row in outcomes
        ]
        # What is known of the last month is what its outcome was.
        known = {row["customer"]: row["late_last"] for row in features}
        assert known == {customer: late.get(customer) for customer in known}
        seen.update(known.values())
        late = {row["customer"]: row["late"] for row in outcomes}
    assert min(seen[True], seen[False], seen[None]) > 100


def test_late_payment_can_be_learnt_and_is_not_given_away(lake: Lake) -> None:
    """One column alone: the past says something, none says it all."""
    rows = []
    for month in MONTHS[6:]:
        outcomes = lake.rows("prep/payment_outcome", month)
        late = {row["customer"]: row["late"] for row in outcomes}
        rows += [(late[row["customer"]], row) for row in lake.rows("prep/payment_feature", month)]
    base = sum(was_late for was_late, _ in rows) / len(rows)
    assert 0.2 < base < 0.5
    found = {name: separation(rows, name) for name in ("late_last", "late_share_6m", "due_day")}
    assert 0.55 < found["late_last"] < 0.75
    assert 0.6 < found["late_share_6m"] < 0.85
    assert 0.55 < found["due_day"] < 0.75


def separation(rows: list[tuple[bool, dict[str, Any]]], name: str) -> float:
    """How often a late one has the higher value of a pair (the area under the ROC curve)."""
    late = [float(row[name]) for was_late, row in rows if was_late and row[name] is not None]
    not_late = [
        float(row[name]) for was_late, row in rows if not was_late and row[name] is not None
    ]
    wins = sum((one > two) + 0.5 * (one == two) for one in late for two in not_late)
    return wins / (len(late) * len(not_late))


# --- the generated ledger ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def books() -> Iterator[duckdb.DuckDBPyConnection]:
    """A year and a half at scale 1: invoices and credit notes `i`, payments `p`."""
    con = duckdb.connect()
    for name, batches, types in (
        ("i", receivables.invoice_batches, receivables.INVOICE_TYPES),
        ("p", receivables.payment_batches, receivables.PAYMENT_TYPES),
    ):
        con.execute(f"CREATE TABLE {name} ({', '.join(map(' '.join, types.items()))})")
        for batch in batches(1, 1, OPENED, OPENED, date(2026, 4, 30)):
            con.from_arrow(batch).insert_into(name)
    yield con
    con.close()


def test_any_span_is_the_same_alone() -> None:
    first, last = date(2025, 1, 5), date(2025, 12, 31)
    for batches in (receivables.invoice_batches, receivables.payment_batches):
        together = pa.Table.from_batches(batches(1, 0.2, first, first, last)).combine_chunks()
        pieces, day = [], first
        while day <= last:
            end = min(day + timedelta(days=22), last)
            pieces += batches(1, 0.2, first, day, end)
            day = end + timedelta(days=1)
        assert pa.Table.from_batches(pieces).combine_chunks() == together
        assert together.num_rows > 5000
        assert pa.Table.from_batches(batches(2, 0.2, first, first, last)) != together


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    span = (1, 0.2, OPENED, OPENED, date(2025, 6, 30))
    whole = pa.Table.from_batches(receivables.payment_batches(*span)).combine_chunks()
    monkeypatch.setattr(receivables, "CHUNK", 400)
    batches = [*receivables.payment_batches(*span)]
    assert len(batches) > 10
    assert pa.Table.from_batches(batches).combine_chunks() == whole


def test_the_books_are_in_order(books: duckdb.DuckDBPyConnection) -> None:
    """Keys, references, days and signs; nothing is paid before it is invoiced."""
    wrong = books.execute(
        """SELECT
             (SELECT count(*) - count(DISTINCT (BELNR, BUZEI)) FROM i),
             (SELECT count(*) - count(DISTINCT (BELNR, BUZEI)) FROM p),
             (SELECT count(*) FROM p ANTI JOIN i ON p.REBZG = i.BELNR AND p.REBZZ = i.BUZEI
                AND p.KUNNR = i.KUNNR AND p.BUDAT >= i.BUDAT WHERE p.REBZG <> ''),
             (SELECT count(*) FROM i AS g ANTI JOIN i ON g.REBZG = i.BELNR AND g.REBZZ = i.BUZEI
                AND g.KUNNR = i.KUNNR AND g.BUDAT > i.BUDAT WHERE g.REBZG <> ''),
             (SELECT count(*) FROM i WHERE (BLART = 'DR') <> (DMBTR > 0)),
             (SELECT count(*) FROM i WHERE BUDAT < '20241101'),
             (SELECT count(*) FROM i WHERE BLART = 'DR' AND NETDT < BUDAT AND NETDT <> '00000000'),
             (SELECT count(*) FROM p WHERE DMBTR = 0 OR DMBTR <> round(DMBTR)),
             (SELECT count(*) FROM p WHERE SGTXT IN ('입금', '일부 입금') AND DMBTR > 0
                AND dayofweek(strptime(BUDAT, '%Y%m%d')) IN (0, 6)) - 0"""
    ).fetchone()
    assert wrong is not None
    assert wrong[:8] == (0,) * 8


def test_customers_owe_as_real_ones_do(books: duckdb.DuckDBPyConnection) -> None:
    """Some 3,000 to 6,000 invoices a month, and each kind of untidiness in its share."""
    months = books.execute(
        "SELECT count(*) FROM i WHERE BLART = 'DR' GROUP BY left(BUDAT, 6)"
    ).fetchall()
    assert len(months) == 18
    assert 3000 < min(months)[0] <= max(months)[0] < 6500
    texts = dict(books.execute("SELECT SGTXT, count(*) FROM p GROUP BY 1").fetchall())
    assert sorted(texts) == sorted(receivables._TEXTS)
    assert min(texts.values()) > 100
    shares = books.execute(
        """WITH paid AS (
             SELECT REBZG, REBZZ, sum(DMBTR) AS paid, count(*) AS times, min(BUDAT) AS first
             FROM p WHERE REBZG <> '' GROUP BY ALL),
           item AS (
             SELECT i.*, paid, times, first,
               date_diff('day', strptime(NETDT, '%Y%m%d'), strptime(first, '%Y%m%d')) AS late
             FROM i LEFT JOIN paid ON i.BELNR = paid.REBZG AND i.BUZEI = paid.REBZZ
             WHERE BLART = 'DR' AND NETDT <> '00000000' AND BUDAT < '20251001')
           SELECT avg((paid IS NULL)::INT), avg((times > 1)::INT), avg((late > 0)::INT),
             avg((late > 30)::INT), avg((late < 0)::INT), avg((paid > DMBTR)::INT),
             avg((BUZEI = 2)::INT) FROM item"""
    ).fetchone()
    assert shares is not None
    wanted = {
        "never": (0.005, 0.04),
        "in parts": (0.12, 0.3),
        "late": (0.6, 0.9),
        "a month late": (0.05, 0.25),
        "early": (0.15, 0.45),
        "too much": (0.0005, 0.01),
        "second instalment": (0.015, 0.035),
    }
    found = dict(zip(wanted, shares, strict=True))
    outside = {
        name: found[name] for name, (low, high) in wanted.items() if not low < found[name] < high
    }
    assert outside == {}
    # Public offices pay before direct customers do, and December's invoices are paid late.
    by_month = dict(
        books.execute(
            """SELECT month(strptime(NETDT, '%Y%m%d')),
                 avg(date_diff('day', strptime(NETDT, '%Y%m%d'), strptime(p.BUDAT, '%Y%m%d')))
               FROM i JOIN p ON p.REBZG = i.BELNR AND p.REBZZ = i.BUZEI
               WHERE NETDT BETWEEN '20250101' AND '20251231' GROUP BY 1"""
        ).fetchall()
    )
    assert by_month[12] > 3 + sum(by_month[month] for month in (3, 4, 7, 10, 11)) / 5
