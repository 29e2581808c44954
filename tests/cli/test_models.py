"""`lake models`: what is declared, who is champion, and the history of one, with what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest
from click.testing import CliRunner, Result

from lake_assets.cli.main import cli
from lake_assets.materialise import arrow_schema
from lake_assets.models.registry import FEATURES, PARTITION, TRAINED_UNTIL, Registry
from lake_assets.spec.models import MODEL_COLUMNS
from resources.partition import Partition
from resources.settings import load_settings
from resources.store import open_store


def lake(*words: str) -> Result:
    return CliRunner().invoke(cli, ["models", *words])


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LAKE_ENV", "local")
    monkeypatch.delenv("LAKE_PIPELINES", raising=False)


def publish(month: str, version: int, champion: int, score: float) -> None:
    """A partition of the shipped model as training leaves it."""
    row = dict.fromkeys(MODEL_COLUMNS)
    row |= {
        "version": version,
        "champion_version": champion,
        "promoted": version == champion,
        "decision": f"because of {version}",
        "metric": "average_precision",
        "score": score,
        "baseline_score": 0.5,
        "trained_examples": 4000,
    }
    schema = arrow_schema(MODEL_COLUMNS)
    store = open_store(load_settings())
    with store.writer(Partition("model", "late_payment", "monthly", month), schema) as writer:
        for batch in pa.Table.from_pylist([row], schema=schema).to_batches():
            writer.write(batch)
        writer.publish()


def test_a_model_that_has_not_been_trained(tmp_path: Path) -> None:
    result = lake()
    assert result.exit_code == 0, result.output
    assert "model/late_payment" in result.output
    assert lake("late_payment").exit_code == 75
    assert "no partition yet: lake run +model/late_payment" in lake("late_payment").output
    # Looking makes nothing.
    assert not (tmp_path / "home").exists()


def test_champion_and_history() -> None:
    publish("2026-08", 1, 1, 0.7)
    publish("2026-09", 2, 1, 0.6789)
    registry = Registry(load_settings())
    registry._client.create_registered_model("late_payment")
    for month in ("2026-08", "2026-09"):
        tags = {PARTITION: month, TRAINED_UNTIL: "2026-04", FEATURES: "[]"}
        registry._client.create_model_version("late_payment", "file:///nowhere", tags=tags)
    registry.crown("late_payment", 1, "2026-08")
    told = json.loads(lake("--json").output)["models"]
    (one,) = [model for model in told if model["model"] == "model/late_payment"]
    assert one["champion"] == {"version": 1, "partition": "2026-08"}
    assert (one["partitions"], one["newest"], one["score"]) == (2, "2026-09", 0.6789)
    shown = lake("model/late_payment").output
    assert "champion: version 1 of 2026-08" in shown
    assert [line.split()[:4] for line in shown.splitlines()[2:]] == [
        ["2026-08", "1", "1", "0.7000"],
        ["2026-09", "2", "1", "0.6789"],
    ]
    history = json.loads(lake("late_payment", "--json").output)["partitions"]
    assert [row["why"] for row in history] == ["because of 1", "because of 2"]


def test_an_unknown_model_is_wrong_usage() -> None:
    result = lake("late_paymnt")
    assert result.exit_code == 2
    assert "There is no model 'late_paymnt'; did you mean 'late_payment'?" in result.output
