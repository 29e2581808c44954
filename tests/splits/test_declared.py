"""`splits` of a pipeline file: every mistake at its line, all at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from lake_assets.builder import code_version
from lake_assets.loader import load_pipelines, read_pipelines
from lake_assets.pipeline import assets
from tests.pipeline_files import SALES, changed, write

COLUMN = "    sums: [amount]\n"


def with_splits(splits: str, *more: tuple[str, str]) -> str:
    return changed((COLUMN, f"{COLUMN}    splits: {splits}\n"), *more)


@pytest.mark.parametrize(
    ("splits", "more", "wanted"),
    [
        ("{column: id, count: 1}", (), ["count: must be at least 2 (found 1)"]),
        ("{column: id}", (), ["give either count or bounds"]),
        ("{column: id, count: 4, bounds: [5]}", (), ["give either count or bounds"]),
        ("{column: idd, count: 4}", (), ["splits: there is no column 'idd'"]),
        (
            "{column: region, count: 4}",
            (("order_by: [id]", "order_by: [region]"),),
            ["splits: region is text, which has no ranges of equal width"],
        ),
        (
            "{column: flag, count: 4}",
            (("      id: int64\n", "      id: int64\n      flag: boolean\n"),),
            [
                "splits: flag is boolean, which is not cut into ranges",
                "splits: order_by begins with id, and the parts come by flag",
            ],
        ),
        (
            "{column: sold_on, count: 4}",
            (),
            [
                "splits: order_by begins with id, and the parts come by sold_on",
                "splits: sold_on has one value in all rows of a partition",
            ],
        ),
        (
            '{column: id, bounds: [5, "x", 5, 9, 7]}',
            (),
            [
                "splits: bounds: 'x' is no value of id, int64",
                "splits: bounds: 5 does not come after 5",
                "splits: bounds: 7 does not come after 9",
            ],
        ),
        (
            "{column: amount, bounds: [0.5, 2]}",
            (),
            ["splits: order_by begins with id, and the parts come by amount"],
        ),
    ],
)
def test_what_is_refused(
    splits: str, more: tuple[tuple[str, str], ...], wanted: list[str], tmp_path: Path
) -> None:
    text = with_splits(splits, *more)
    write(tmp_path, {"sales": text})
    _, mistakes = read_pipelines([tmp_path])
    said = [str(one) for one in mistakes]
    assert len(said) == len(wanted), said
    for words in wanted:
        assert any(words in one for one in said), (words, said)
    line = next(at for at, one in enumerate(text.splitlines(), 1) if "splits:" in one)
    assert {one.line for one in mistakes} == {line}


def test_of_what_is_no_table(tmp_path: Path) -> None:
    text = with_splits("{column: id, count: 4}").replace("connection: hana_bw", "connection: es")
    text = text.replace("table: /BIC/AZSD_O0100", "index: {name: sales}")
    write(tmp_path, {"sales": text})
    _, mistakes = read_pipelines([tmp_path])
    assert any("splits belong to a table or query" in str(one) for one in mistakes), mistakes


@pytest.mark.parametrize(
    "splits",
    [
        "{column: id, count: 2}",
        "{column: id, bounds: [-5, 9223372036854775807]}",
        "{column: day, count: 4}",
        '{column: day, bounds: ["2025-07-01"]}',
        '{column: at, bounds: ["2025-07-01T09:30:00"]}',
        '{column: region, bounds: ["가", "나"]}',
    ],
)
def test_what_is_taken(splits: str, tmp_path: Path) -> None:
    more = "      id: int64\n      day: date\n      at: timestamp\n"
    changes = (("      id: int64\n", more), ("    order_by: [id]\n", ""))
    write(tmp_path, {"sales": with_splits(splits, *changes)})
    _, mistakes = read_pipelines([tmp_path])
    assert mistakes == []


def test_nothing_gets_stale_by_it(tmp_path: Path) -> None:
    """How rows are read is no part of what they are."""
    write(tmp_path / "a", {"sales": SALES})
    write(tmp_path / "b", {"sales": with_splits("{column: id, count: 4}")})
    one, other = (assets(load_pipelines([tmp_path / name])[0])[0] for name in "ab")
    assert code_version(one) == code_version(other)
