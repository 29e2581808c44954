"""Every kind of rule: what passes, what fails, and the words it fails with."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lake_assets.rules import Inspector, Verdict
from lake_assets.spec.columns import Columns, ColumnSpec
from lake_assets.spec.rules import Checks, Gates
from resources.source import Totals

COLUMNS: Columns = {
    "id": ColumnSpec(type="int64"),
    "day": ColumnSpec(type="date"),
    "amount": ColumnSpec(type="decimal(18,2)"),
    "currency": ColumnSpec(type="string"),
    "phone": ColumnSpec(type="string", pii="masked"),
}
SCHEMA = pa.schema([(name, column.parsed.arrow()) for name, column in COLUMNS.items()])


def batch(*rows: tuple[object, ...]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(
        [dict(zip(COLUMNS, row, strict=True)) for row in rows], schema=SCHEMA
    )


GOOD = (1, date(2025, 1, 1), Decimal("9007199254740993.01"), "KRW", "010-1")
OTHER = (2, date(2025, 1, 31), Decimal("0.01"), "USD", None)


def judge(rules: dict[str, object], *rows: tuple[object, ...], **options: object) -> list[Verdict]:
    inspector = Inspector(Gates(), Checks.model_validate(rules), COLUMNS, **options)  # type: ignore[arg-type]
    for row in rows:
        inspector.see(batch(row))
    return inspector.verdicts(None, lambda: 2)["checks"]


@pytest.mark.parametrize(
    ("rules", "bad", "words"),
    [
        ({"not_null": ["amount"]}, (3, None, None, None, None), "1 of 3 rows"),
        ({"unique": ["id"]}, (1, None, None, None, None), "rows too many: 1"),
        ({"unique": ["currency", "id"]}, (2, None, None, "USD", None), "rows too many: 1"),
        ({"accepted": {"currency": ["KRW", "USD"]}}, (3, None, None, "WON", None), "1 of 3"),
        ({"accepted": {"id": [1, 2]}}, (3, None, None, None, None), "1 of 3 rows"),
        ({"range": {"amount": {"min": 0}}}, (3, None, Decimal("-0.01"), None, None), "1 of 3"),
        (
            {"range": {"day": {"max": "2025-01-31"}}},
            (3, date(2025, 2, 1), None, None, None),
            "1 of",
        ),
        ({"range": {"id": {"min": 1, "max": 2}}}, (3, None, None, None, None), "1 of 3 rows"),
        ({"expect": {"paid": "amount > 0 OR id < 0"}}, (3, None, Decimal("0"), None, None), "1 of"),
        ({"rows": {"max": 2}}, (3, None, None, None, None), "3 rows"),
        ({"rows": {"change": 0.4}}, (3, None, None, None, None), "2 in the partition before"),
    ],
)
def test_a_rule_passes_good_rows_and_tells_of_a_bad_one(
    rules: dict[str, object], bad: tuple[object, ...], words: str
) -> None:
    assert [v for v in judge(rules, GOOD, OTHER) if not v.passed] == []
    failed = [v for v in judge(rules, GOOD, OTHER, bad) if not v.passed]
    assert len(failed) == 1
    assert words in failed[0].found


def test_null_passes_what_is_not_about_null() -> None:
    rules = {
        "accepted": {"currency": ["KRW"]},
        "range": {"amount": {"min": 1}},
        "expect": {"paid": "amount > 0"},
        "unique": ["day"],
    }
    # Two NULL keys are not equal, but NULL in a key is told by its own rule.
    failed = [v.rule for v in judge(rules, (1,) + (None,) * 4, (2,) + (None,) * 4) if not v.passed]
    assert failed == ["not_null(day)"]


def test_an_example_names_the_key_and_no_personal_data() -> None:
    rules = {"unique": ["id", "phone"], "range": {"amount": {"min": 1}}}
    bad = (77, None, Decimal("0.5"), None, "010-1234-5678")
    failed = [v for v in judge(rules, bad) if not v.passed]
    assert [(v.rule, v.example) for v in failed] == [("range(amount)", "77")]
    assert "010-1234" not in str(failed)


@pytest.mark.parametrize("sorted_by", [(), ("phone", "id")])
def test_the_unique_gate_names_a_key_that_stands_twice(sorted_by: tuple[str, ...]) -> None:
    inspector = Inspector(Gates(unique=["id", "phone"]), Checks(), COLUMNS, sorted_by=sorted_by)
    for number in (1, 77, 77, 80):
        inspector.see(batch((number, None, None, None, "010-1234")))
    (verdict,) = [v for v in inspector.verdicts(None, lambda: None)["gates"] if not v.passed]
    assert (verdict.rule, verdict.found, verdict.example) == (
        "unique(id, phone)",
        "rows too many: 1",
        "77",
    )


def test_not_nullable_columns_are_a_gate() -> None:
    columns = {**COLUMNS, "id": ColumnSpec(type="int64", nullable=False)}
    inspector = Inspector(Gates(), Checks(), columns)
    inspector.see(batch((None, None, None, None, None)))
    verdicts = inspector.verdicts(None, lambda: None)
    assert [(v.rule, v.passed) for v in verdicts["gates"]] == [("not_null(id)", False)]
    assert verdicts["checks"] == []


@pytest.mark.parametrize(
    ("totals", "words"),
    [
        (Totals(2, {"amount": Decimal("9007199254740993.02"), "id": 3}), ""),
        (Totals(3, {"amount": Decimal("9007199254740993.02"), "id": 3}), "2 rows against 3"),
        (Totals(2, {"amount": Decimal("9007199254740993.03"), "id": 3}), "sum(amount)"),
        (Totals(2, {"amount": Decimal("9007199254740993.02"), "id": 4}), "sum(id) 3 against 4"),
    ],
)
def test_reconciliation_is_exact(totals: Totals, words: str) -> None:
    inspector = Inspector(Gates(), Checks(), COLUMNS, sums=["amount", "id"])
    inspector.see(batch(GOOD))
    inspector.see(batch(OTHER))
    (verdict,) = inspector.verdicts(totals, lambda: None)["gates"]
    assert verdict.passed is (not words)
    assert words in verdict.found


def test_rows_of_one_partition_are_not_counted_in_the_next() -> None:
    inspector = Inspector(Gates(unique=["id"]), Checks(), COLUMNS, sums=["id"], sorted_by=["id"])
    for _ in range(2):
        inspector.begin()
        inspector.see(batch(GOOD))
        assert inspector.sums() == {"id": 1}
        assert [v.passed for v in inspector.verdicts(None, lambda: None)["gates"]] == [True, True]


@given(st.lists(st.integers(0, 20), max_size=30), st.lists(st.integers(1, 5), max_size=30))
def test_unique_counts_alike_sorted_and_not(ids: list[int], cuts: list[int]) -> None:
    expected = len(ids) - len(set(ids))
    for sorted_by, values in ((["id"], sorted(ids)), ([], ids)):
        inspector = Inspector(Gates(unique=["id"]), Checks(), COLUMNS, sorted_by=sorted_by)
        rows = list(values)
        for size in [*cuts, len(rows) or 1]:
            inspector.see(batch(*[(one, None, None, None, None) for one in rows[:size]]))
            rows = rows[size:]
        verdict = next(
            v for v in inspector.verdicts(None, lambda: None)["gates"] if v.rule == "unique(id)"
        )
        assert verdict.found == (f"rows too many: {expected:,}" if expected else "none twice")
