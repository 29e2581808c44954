"""The IO manager in runs of real assets: frames of every kind out and in, days into a month."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from resources.errors import PermanentError
from resources.folder_store import FolderStore
from resources.io_manager import LakeIOManager
from resources.partition import Partition

DAYS = dg.DailyPartitionsDefinition("2025-06-29", timezone="Asia/Seoul")
MONTHS = dg.MonthlyPartitionsDefinition("2025-06", timezone="Asia/Seoul", fmt="%Y-%m")

ROWS = pa.table(
    {
        "id": pa.array([2**53 + 1, None]),
        "name": pa.array(["서울\n점", ""]),
        "amount": pa.array([Decimal("9007199254740993.01"), None], pa.decimal128(18, 2)),
        "day": pa.array([date(2025, 7, 1), None]),
        "at": pa.array([datetime(2025, 7, 1, 9, 0, 0, 1), None], pa.timestamp("us")),
        "ok": pa.array([True, None]),
    }
)


def run(
    root: Path, assets: Sequence[dg.AssetsDefinition], keys: Sequence[str | None] = (None,)
) -> dg.ExecuteInProcessResult:
    """Materialise `assets` one key after another; the last result."""
    with dg.DagsterInstance.ephemeral() as instance:
        for key in keys:
            result = dg.materialize(
                assets,
                partition_key=key,
                resources={"io_manager": LakeIOManager(root=str(root))},
                instance=instance,
                raise_on_error=True,
            )
        return result


MAKE: dict[str, Callable[[], Any]] = {
    "polars.DataFrame": lambda: pl.DataFrame(ROWS),
    "polars.LazyFrame": lambda: pl.DataFrame(ROWS).lazy(),
    "pandas.DataFrame": lambda: ROWS.to_pandas(types_mapper=pd.ArrowDtype),
    "pyarrow.Table": lambda: ROWS,
}
TYPES: dict[str, Any] = {
    "polars.DataFrame": pl.DataFrame,
    "polars.LazyFrame": pl.LazyFrame,
    "pandas.DataFrame": pd.DataFrame,
    "pyarrow.Table": pa.Table,
}


@pytest.mark.parametrize("kind", MAKE)
def test_a_frame_goes_out_and_comes_in_as_annotated(tmp_path: Path, kind: str) -> None:
    got: list[Any] = []

    @dg.asset(key=["raw", "store"])
    def store() -> Any:
        return MAKE[kind]()

    def keep(store: Any) -> None:
        got.append(store)

    keep.__annotations__ = {"store": TYPES[kind], "return": None}
    reader = dg.asset(key=["prep", "reader"], ins={"store": dg.AssetIn(["raw", "store"])})(keep)
    result = run(tmp_path, [store, reader])
    assert FolderStore(tmp_path, "modern").read([Partition("raw", "store")]).equals(ROWS)
    assert isinstance(got[0], TYPES[kind])
    (event,) = result.asset_materializations_for_node("raw__store")
    file = tmp_path / "raw/store/part-0.parquet"
    assert {name: value.value for name, value in event.metadata.items()} == {
        "dagster/row_count": 2,
        "lake/bytes": file.stat().st_size,
        "lake/path": str(file),
        "lake/data_version": hashlib.sha256(file.read_bytes()).hexdigest(),
    }


def test_a_month_reads_its_days(tmp_path: Path) -> None:
    got: list[pl.DataFrame] = []

    @dg.asset(key=["raw", "sales"], partitions_def=DAYS)
    def sales(context) -> pl.DataFrame:
        return pl.DataFrame({"day_of_month": [int(context.partition_key[-2:])]})

    @dg.asset(
        key=["prep", "month"],
        partitions_def=MONTHS,
        ins={
            "sales": dg.AssetIn(
                ["raw", "sales"],
                partition_mapping=dg.TimeWindowPartitionMapping(
                    allow_nonexistent_upstream_partitions=True
                ),
            )
        },
    )
    def month(sales):  # no annotation: Polars
        got.append(sales)
        return sales.group_by("dt").agg(pl.len())

    with dg.DagsterInstance.ephemeral() as instance:
        resources = {"io_manager": LakeIOManager(root=str(tmp_path), parquet="hive1")}
        for key in ("2025-06-29", "2025-06-30", "2025-07-01"):
            dg.materialize([sales], partition_key=key, resources=resources, instance=instance)
        dg.materialize(
            [sales, month],
            selection=[month],
            partition_key="2025-06",
            resources=resources,
            instance=instance,
        )
    june = [date(2025, 6, 29), date(2025, 6, 30)]
    assert got[0].to_dict(as_series=False) == {"day_of_month": [29, 30], "dt": june}
    store = FolderStore(tmp_path, "hive1")
    assert store.keys("raw", "sales") == ["2025-06-29", "2025-06-30", "2025-07-01"]
    kept = store.read([Partition("prep", "month", "monthly", "2025-06")])
    assert sorted(kept["dt"].to_pylist()) == june
    assert set(kept["ym"].to_pylist()) == {"2025-06"}
    assert kept["len"].to_pylist() == [1, 1]


@pytest.mark.parametrize(
    ("partitions", "metadata", "key", "folder", "column"),
    [
        (
            dg.HourlyPartitionsDefinition(
                "2025-07-01-00", timezone="Asia/Seoul", fmt="%Y-%m-%d-%H"
            ),
            {},
            "2025-07-01-09",
            "hr=2025-07-01-09",
            "hr",
        ),
        (
            dg.WeeklyPartitionsDefinition("2024-12-30", timezone="Asia/Seoul", day_offset=1),
            {},
            "2024-12-30",
            "wk=2025-W01",
            "wk",
        ),
        (
            dg.StaticPartitionsDefinition(["P100", "P200"]),
            {"lake/partition_column": "plant"},
            "P200",
            "plant=P200",
            "plant",
        ),
        (
            dg.MultiPartitionsDefinition(
                {"day": DAYS, "plant": dg.StaticPartitionsDefinition(["P100", "P200"])}
            ),
            {},
            "2025-07-01|P200",
            "dt=2025-07-01/plant=P200",
            "plant",
        ),
    ],
)
def test_other_partitions_go_out_and_in(
    tmp_path: Path, partitions: Any, metadata: Any, key: str, folder: str, column: str
) -> None:
    got: list[pl.DataFrame] = []

    @dg.asset(key=["raw", "sales"], partitions_def=partitions, metadata=metadata)
    def sales() -> pl.DataFrame:
        return pl.DataFrame({"id": [1, 2]})

    @dg.asset(
        key=["prep", "sales"],
        partitions_def=partitions,
        metadata=metadata,
        ins={"rows": dg.AssetIn(["raw", "sales"])},
    )
    def read(rows: pl.DataFrame) -> pl.DataFrame:
        got.append(rows)
        return rows

    run(tmp_path, [sales, read], [key])
    assert (tmp_path / "raw/sales" / folder / "part-0.parquet").is_file()
    assert (tmp_path / "prep/sales" / folder / "part-0.parquet").is_file()
    (rows,) = got
    assert rows["id"].to_list() == [1, 2]
    assert rows[column].unique().to_list() == [folder.rpartition("=")[2]]


def test_rows_may_carry_their_own_partition(tmp_path: Path) -> None:
    @dg.asset(key=["raw", "sales"], partitions_def=DAYS)
    def sales() -> pl.DataFrame:
        return pl.DataFrame({"id": [1, 2], "dt": [date(2025, 7, 1)] * 2})

    run(tmp_path, [sales], ["2025-07-01"])
    store = FolderStore(tmp_path, "modern")
    day = Partition("raw", "sales", "daily", "2025-07-01")
    assert store.read([day], ["id", "dt"]).equals(
        pa.table({"id": [1, 2], "dt": [date(2025, 7, 1)] * 2})
    )
    with pytest.raises(PermanentError, match="rows whose dt is not 2025-07-02"):
        run(tmp_path, [sales], ["2025-07-02"])
    assert store.keys("raw", "sales") == ["2025-07-01"]


_EVERY_TWO_HOURS = dg.TimeWindowPartitionsDefinition(
    "2025-07-01-00", "%Y-%m-%d-%H", cron_schedule="0 */2 * * *"
)


@pytest.mark.parametrize(
    ("key", "value", "partitions", "says"),
    [
        (["sales"], ROWS, None, "give it a key of layer and name"),
        (["raw", "a", "b"], ROWS, None, "give it a key of layer and name"),
        (["raw", "Sales"], ROWS, None, r"names match \[a-z\]"),
        (["raw", "sales"], {"a": 1}, None, "dict is no frame of the lake; it takes polars"),
        (["raw", "sales"], pl.DataFrame({"t": [None]}), None, r"no type for t \(null\)"),
        (["raw", "sales"], pa.table({"t": pa.array([1]).cast("time64[us]")}), None, r"t \(time64"),
        (
            ["raw", "sales"],
            pa.table({"t": pa.array([2**63], pa.uint64())}),
            None,
            "do not fit the lake's types",
        ),
        (
            ["raw", "sales"],
            pa.table({"t": pa.array([1], pa.timestamp("ns"))}),
            None,
            "do not fit the lake's types",
        ),
        (
            ["raw", "sales"],
            ROWS,
            dg.StaticPartitionsDefinition(["seoul"]),
            "the column of its names",
        ),
        (["raw", "sales"], ROWS, _EVERY_TWO_HOURS, "is not by time"),
    ],
)
def test_what_has_no_place_in_the_lake(
    tmp_path: Path, key: list[str], value: Any, partitions: Any, says: str
) -> None:
    @dg.asset(key=key, partitions_def=partitions)
    def made() -> Any:
        return value

    with pytest.raises(PermanentError, match=says):
        run(tmp_path, [made], [partitions.get_first_partition_key() if partitions else None])
    assert list(tmp_path.rglob("*.parquet*")) == []


def test_one_frame_is_one_partition(tmp_path: Path) -> None:
    @dg.asset(
        key=["raw", "sales"],
        partitions_def=DAYS,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def sales() -> pl.DataFrame:
        return pl.DataFrame({"id": [1]})

    with pytest.raises(PermanentError, match=r"one frame cannot be 2 partitions"):
        dg.materialize(
            [sales],
            resources={"io_manager": LakeIOManager(root=str(tmp_path))},
            tags={
                "dagster/asset_partition_range_start": "2025-07-01",
                "dagster/asset_partition_range_end": "2025-07-02",
            },
        )
