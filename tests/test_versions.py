"""The newest materialisation of a partition, read from a real instance."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dagster import AssetKey, AssetMaterialization, DagsterInstance

from lake_assets.versions import input_digest, latest

KEY = AssetKey(["raw", "x"])


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[DagsterInstance]:
    with DagsterInstance.local_temp(str(tmp_path)) as found:
        yield found


def report(instance: DagsterInstance, partition: str | None = None, **more: Any) -> None:
    event = AssetMaterialization(KEY, partition=partition, **more)
    instance.report_runless_asset_event(event)


def test_newest_per_partition(instance: DagsterInstance) -> None:
    assert latest(instance, KEY, ["2025-01-01"]) == {}
    assert latest(instance, KEY, []) == {}
    for version in ("old", "new"):
        for day in ("2025-01-01", "2025-01-02", "2025-01-03"):
            metadata = {
                "lake/data_version": f"{version}-{day}",
                "lake/input_versions": {"src/x": "abc"},
                "dagster/partition_row_count": 7,
            }
            report(instance, day, metadata=metadata, tags={"dagster/code_version": "3"})
    found = latest(instance, KEY, ["2025-01-01", "2025-01-03", "2025-01-09"])
    assert sorted(found) == ["2025-01-01", "2025-01-03"]
    one = found["2025-01-03"]
    assert (one.partition, one.code_version, one.rows) == ("2025-01-03", "3", 7)
    assert one.data_version == "new-2025-01-03"
    assert one.input_versions == {"src/x": "abc"}


def test_more_partitions_than_one_query_takes(instance: DagsterInstance) -> None:
    report(instance, "p0")
    report(instance, "p1999")
    assert sorted(latest(instance, KEY, [f"p{i}" for i in range(2000)])) == ["p0", "p1999"]


@pytest.mark.parametrize(
    ("more", "version"),
    [
        ({"metadata": {"lake/data_version": "a"}, "tags": {"dagster/data_version": "b"}}, "a"),
        ({"tags": {"dagster/data_version": "b"}}, "b"),
        ({}, ""),  # an event that was reported by hand belongs to no run
    ],
)
def test_data_version_of_an_unpartitioned_asset(
    instance: DagsterInstance, more: dict[str, Any], version: str
) -> None:
    assert latest(instance, KEY, None) == {}
    report(instance, **more)
    found = latest(instance, KEY, None)[""]
    assert (found.data_version, found.partition, found.rows) == (version, "", None)
    assert found.input_versions == {}


def test_input_digest() -> None:
    one = {"2025-01-01": "a", "2025-01-02": "b"}
    digest = input_digest(one)
    assert len(digest) == 16
    assert digest == input_digest(dict(reversed(one.items())))
    assert digest != input_digest({"2025-01-01": "a"})
    assert digest != input_digest({"2025-01-01": "b", "2025-01-02": "a"})
    assert input_digest({"": "a"}) != input_digest({"a": ""})
