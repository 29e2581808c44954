"""Reading by hand: what a caller's words mean, and what is said where they mean nothing."""

from __future__ import annotations

import subprocess
import sys
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import lake_assets
from resources.errors import NotYetError, UsageError
from resources.folder_store import FolderStore
from resources.partition import Partition
from resources.settings import CONNECTIONS

JULY = [(date(2025, 7, 1) + timedelta(days=n)).isoformat() for n in range(31)]

WEEKS = ["2024-12-23", "2024-12-30", "2025-01-06"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment of its own: July's days but for the 20th, two months, one whole asset."""
    connections = "\n".join(f"  {name}: {{kind: duckdb, path: x}}" for name in CONNECTIONS)
    folder = tmp_path_factory.mktemp("lake")
    (folder / "here.yaml").write_text(
        "store: {root: '{home}/lake', connection: null, parquet: modern, hive: null}\n"
        "mlflow: x\n"
        f"connections:\n{connections}\n"
        "fires: {default: nobody}\nsample: null\n",
        encoding="utf-8",
    )
    store = FolderStore(folder / "home/lake", "modern")
    partitions = [Partition("raw", "sales", "daily", key) for key in JULY if key[-2:] != "20"]
    partitions += [Partition("prep", "totals", "monthly", key) for key in ("2025-06", "2025-07")]
    partitions += [
        Partition("raw", "hours", "hourly", f"2025-07-{day:02}-{hour:02}")
        for day in (1, 2)
        for hour in range(24)
    ]
    partitions += [Partition("raw", "weeks", "weekly", key) for key in WEEKS]
    partitions += [Partition("raw", "plants", None, key, "plant") for key in ("P100", "P200")]
    both = [f"2025-07-0{day}|{name}" for day in (1, 2, 4) for name in ("P100", "P200")]
    partitions += [Partition("raw", "both", "daily", key, "plant") for key in both[:-1]]
    for one in [*partitions, Partition("raw", "customer")]:
        table = pa.table({"amount": pa.array([1, 2]), "name": pa.array(["가", None])})
        with store.writer(one, table.schema) as writer:
            writer.write(table.to_batches()[0])
            writer.publish()
    return folder


@pytest.fixture
def lake(folder: Path, monkeypatch: pytest.MonkeyPatch) -> FolderStore:
    monkeypatch.setenv("LAKE_ENVIRONMENTS", str(folder))
    monkeypatch.setenv("LAKE_HOME", str(folder / "home"))
    monkeypatch.setenv("LAKE_ENV", "here")
    return FolderStore(folder / "home/lake", "modern")


@pytest.mark.parametrize(
    ("asset", "words", "column", "first", "last", "count"),
    [
        ("raw/sales", {}, "dt", date(2025, 7, 1), date(2025, 7, 31), 30),
        ("raw/sales", {"partition": "2025-07-02"}, "dt", date(2025, 7, 2), date(2025, 7, 2), 1),
        (
            "raw/sales",
            {"start": "2025-07-02", "end": "2025-07-04"},
            "dt",
            date(2025, 7, 2),
            date(2025, 7, 4),
            3,
        ),
        ("raw/sales", {"start": "2025-07-30"}, "dt", date(2025, 7, 30), date(2025, 7, 31), 2),
        ("raw/sales", {"end": "2025-07-02"}, "dt", date(2025, 7, 1), date(2025, 7, 2), 2),
        (
            "raw/sales",
            {"partition": date(2025, 7, 2)},
            "dt",
            date(2025, 7, 2),
            date(2025, 7, 2),
            1,
        ),
        (
            "raw/sales",
            {"start": date(2025, 7, 2), "end": datetime(2025, 7, 4, 12)},
            "dt",
            date(2025, 7, 2),
            date(2025, 7, 4),
            3,
        ),
        (
            "prep/totals",
            {"start": date(2025, 7, 1), "end": date(2025, 7, 31)},
            "ym",
            "2025-07",
            "2025-07",
            1,
        ),
        ("prep/totals", {"partition": date(2025, 7, 9)}, "ym", "2025-07", "2025-07", 1),
        ("prep/totals", {}, "ym", "2025-06", "2025-07", 2),
        ("prep/totals", {"start": "2025-06", "end": "2025-06"}, "ym", "2025-06", "2025-06", 1),
        ("prep/totals", {"partition": "2025-07"}, "ym", "2025-07", "2025-07", 1),
        ("raw/hours", {}, "hr", "2025-07-01-00", "2025-07-02-23", 48),
        ("raw/hours", {"partition": "2025-07-01-09"}, "hr", "2025-07-01-09", "2025-07-01-09", 1),
        (
            "raw/hours",
            {"partition": datetime(2025, 7, 1, 9, 30)},
            "hr",
            "2025-07-01-09",
            "2025-07-01-09",
            1,
        ),
        ("raw/hours", {"start": date(2025, 7, 2)}, "hr", "2025-07-02-00", "2025-07-02-23", 24),
        ("raw/hours", {"end": "2025-07-01-01"}, "hr", "2025-07-01-00", "2025-07-01-01", 2),
        ("raw/weeks", {}, "wk", "2024-W52", "2025-W02", 3),
        ("raw/weeks", {"partition": "2024-12-30"}, "wk", "2025-W01", "2025-W01", 1),
        ("raw/weeks", {"partition": date(2025, 1, 5)}, "wk", "2025-W01", "2025-W01", 1),
        ("raw/weeks", {"start": "2025-01", "end": "2025-01-06"}, "wk", "2025-W01", "2025-W02", 2),
        ("raw/plants", {}, "plant", "P100", "P200", 2),
        ("raw/plants", {"partition": "P200"}, "plant", "P200", "P200", 1),
        ("raw/both", {"partition": "2025-07-02|P200"}, "plant", "P200", "P200", 1),
        ("raw/both", {"partition": "2025-07-02"}, "plant", "P100", "P200", 2),
        ("raw/both", {"partition": date(2025, 7, 4)}, "plant", "P100", "P100", 1),
        ("raw/both", {"start": "2025-07-01", "end": "2025-07-02"}, "plant", "P100", "P200", 2),
    ],
)
def test_which_partitions_are_meant(
    lake: FolderStore,
    asset: str,
    words: dict[str, Any],
    column: str,
    first: Any,
    last: Any,
    count: int,
) -> None:
    frame = lake_assets.read(asset, **words, columns=[column, "amount"])
    assert frame.columns == [column, "amount"]
    found = frame[column].unique().sort().to_list()
    twice = 2 if asset == "raw/both" and "start" in words else 1  # each name on two days
    assert (found[0], found[-1], len(found)) == (first, last, count)
    assert len(frame) == 2 * count * twice


def test_one_column_by_name(lake: FolderStore) -> None:
    assert lake_assets.read("raw/customer", columns="amount").columns == ["amount"]


def test_every_kind_of_frame(lake: FolderStore) -> None:
    polars = lake_assets.read("raw/customer")
    arrow = lake_assets.read("raw/customer", as_="arrow")
    pandas = lake_assets.read("raw/customer", as_="pandas")
    relation = lake_assets.read("raw/customer", as_="duckdb")
    assert isinstance(polars, pl.DataFrame)
    assert isinstance(arrow, pa.Table)
    assert isinstance(pandas, pd.DataFrame)
    assert isinstance(relation, duckdb.DuckDBPyRelation)
    rows = [{"amount": 1, "name": "가"}, {"amount": 2, "name": None}]
    assert polars.to_dicts() == arrow.to_pylist() == rows
    assert pandas["amount"].tolist() == [1, 2]
    assert pandas["name"].isna().tolist() == [False, True]
    assert relation.aggregate("sum(amount)").fetchone() == (3,)


@pytest.mark.parametrize(
    ("asset", "words", "error", "says"),
    [
        ("raw/salse", {}, UsageError, r"no 'raw/salse'; did you mean 'raw/sales'\? allowed: prep/"),
        ("sales", {}, UsageError, "no 'sales'; did you mean 'raw/sales'"),
        (
            "raw/sales",
            {"partition": "2025-08-01"},
            NotYetError,
            "no partition 2025-08-01; there are 30, from 2025-07-01 to 2025-07-31",
        ),
        (
            "prep/totals",
            {"partition": "2025-08"},
            NotYetError,
            "no partition 2025-08; there is 2025-06, 2025-07",
        ),
        # A range with a hole would be a sum that is too small.
        (
            "raw/sales",
            {"start": "2025-07-19", "end": "2025-07-21"},
            NotYetError,
            "no partition 2025-07-20; there are 30",
        ),
        (
            "raw/sales",
            {"start": "2025-07", "end": "2025-08"},
            NotYetError,
            "no partition 2025-07-20, 2025-08-01, .* and 22 more; there",
        ),
        (
            "raw/sales",
            {"start": "2025-07-05", "end": "2025-07-01"},
            UsageError,
            "start 2025-07-05 is after end 2025-07-01",
        ),
        ("raw/sales", {"start": "2025-08"}, NotYetError, "no partition 2025-08 to …; there are 30"),
        ("raw/sales", {"end": "2025-W27-1"}, UsageError, "'2025-W27-1' is no day or month"),
        ("raw/sales", {"start": "01/07/2025"}, UsageError, "no day or month; write 2025-07-01"),
        ("raw/sales", {"partition": "2025-07-01", "end": "2025-07-02"}, UsageError, "either"),
        ("raw/customer", {"partition": "2025-07-01"}, UsageError, "raw/customer has no partitions"),
        ("raw/hours", {"partition": date(2025, 7, 1)}, UsageError, "write '2025-07-01-09' for one"),
        ("raw/hours", {"partition": "2025-07-03-00"}, NotYetError, "there are 48, from 2025-07-01"),
        ("raw/weeks", {"partition": "2025-01-01"}, UsageError, "of its week is 2024-12-30"),
        ("raw/weeks", {"start": "2025-01-13"}, NotYetError, "no partition 2025-01-13 to …; there"),
        ("raw/plants", {"partition": "P3"}, NotYetError, "no partition P3; there is P100, P200"),
        (
            "raw/plants",
            {"start": "2025-07"},
            UsageError,
            "partitioned by plant, not by time",
        ),
        ("raw/plants", {"partition": date(2025, 7, 1)}, UsageError, "partitioned by plant, not by"),
        (
            "raw/both",
            {"partition": "2025-07-04|P200"},
            NotYetError,
            r"no partition 2025-07-04\|P200",
        ),
        (
            "raw/both",
            {"start": "2025-07-01", "end": "2025-07-04"},
            NotYetError,
            r"no partition 2025-07-03; there is 2025-07-01\|P100, ",
        ),
        ("raw/customer", {"columns": ["nmae"]}, UsageError, "'nmae'; did you mean 'name'"),
        ("raw/customer", {"as_": "panda"}, UsageError, "as_='panda' .* did you mean 'pandas'"),
        ("raw/customer", {"columns": []}, UsageError, r"columns=\[\] names no columns"),
        ("raw/customer", {"columns": [1]}, UsageError, r"columns=\[1\] names no columns"),
        ("raw/customer", {"columns": 1}, UsageError, r"columns=1 names no columns"),
        ("raw/sales", {"partition": 20250701}, UsageError, "partition=20250701 is no day or month"),
        ("raw/sales", {"start": 2025.07}, UsageError, "start=2025.07 is no day or month"),
        (123, {}, UsageError, "asset=123 is no text; write raw/<table>"),
        ("raw/customer", {"env": "hree"}, UsageError, "no environment 'hree'"),
    ],
)
def test_errors_teach(
    lake: FolderStore, asset: str, words: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        lake_assets.read(asset, **words)


def test_an_empty_lake(lake: FolderStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LAKE_HOME", str(tmp_path / "elsewhere"))
    with pytest.raises(UsageError, match="nothing is there yet; run `make demo`"):
        lake_assets.read("raw/sales")


def test_reading_needs_neither_dagster_nor_pandas(lake: FolderStore) -> None:
    program = (
        "import sys, lake_assets; print(len(lake_assets.read('raw/sales')), "
        "[m for m in ('dagster', 'pandas', 'duckdb') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=True
    )
    assert done.stdout.strip() == "60 []"
