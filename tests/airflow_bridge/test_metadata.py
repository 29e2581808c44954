"""The keys an asset may carry for Airflow: read, or refused by name, all at once."""

from __future__ import annotations

import dagster as dg
import pytest

from airflow_bridge.metadata import Hints, read_hints


def test_keys_are_read_and_others_left_alone() -> None:
    metadata = {
        "airflow/tags": ["0.ETL", "1.Start:SAP", "2.End:HDFS", "일별 영업매출"],
        "airflow/queue": dg.MetadataValue.text("s21"),
        "airflow/retries": 3,
        "lake/title": "매출",
    }
    assert read_hints("raw/sales", metadata) == Hints(
        tags=["0.ETL", "1.Start:SAP", "2.End:HDFS", "일별 영업매출"], queue="s21", retries=3
    )


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({"airflow/que": "s21"}, "airflow/que is unknown"),
        ({"airflow/retries": "3"}, "airflow/retries is '3'"),
        ({"airflow/retries": True}, "airflow/retries is True"),
        ({"airflow/runner": "ssh"}, "allowed: shell, docker"),
        ({"airflow/task_id": "load sales"}, "letters, digits"),
        ({"airflow/que": "x", "airflow/runner": "ssh"}, "unknown.*allowed: shell, docker"),
        ({"airflow/export": "no"}, "airflow/export is 'no'"),
        ({"airflow/schedule": "@daily"}, "allowed: @once"),
        ({"airflow/tags": ["x" * 101]}, "texts of 1 to 100 characters"),
        ({"airflow/dag_id": "a b"}, "letters, digits"),
        ({"airflow/params": {"from": {"type": "int", "default": 1}}}, "'from' is no name"),
        ({"airflow/params": {"n": {"type": "int", "default": True}}}, "not of type int"),
        ({"airflow/params": {"n": {"type": "text", "default": ""}}}, "allowed: string, int"),
        ({"airflow/params": {"n": {"type": "int", "default": 1, "min": 0}}}, "type, default, help"),
    ],
)
def test_mistakes_are_named(metadata: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=f"raw/sales: .*{words}"):
        read_hints("raw/sales", metadata)


def test_the_nearer_wins() -> None:
    job = Hints(queue="s21", retries=1, tags=["0.ETL"])
    assert Hints(retries=0).over(job) == Hints(queue="s21", retries=0, tags=["0.ETL"])
