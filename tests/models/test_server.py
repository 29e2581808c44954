"""The same model on a real MLflow server: trained, crowned, scored, and the server lost."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from resources.settings import SHIPPED
from tests.models.lake import opened
from tests.servers.mlflow import running_mlflow


@pytest.mark.server
@pytest.mark.slow
def test_on_a_server(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    shutil.rmtree(folder / "home" / "mlflow")
    with running_mlflow(tmp_path / "server") as address:
        environment = yaml.safe_load((SHIPPED / "local.yaml").read_text(encoding="utf-8"))
        (tmp_path / "environments").mkdir()
        (tmp_path / "environments" / "served.yaml").write_text(
            yaml.safe_dump({**environment, "mlflow": address})
        )
        monkeypatch.setenv("LAKE_ENVIRONMENTS", str(tmp_path / "environments"))
        with opened(folder, env="served") as lake:
            first = lake.run("model/late", "prep/late_score", month="2024-08")
            assert first.success, first.message
            second = lake.run("model/late", "prep/late_score", month="2024-09", skill=0.75)
            assert second.success, second.message
            assert (lake.alias(), lake.model("2024-09")["champion_version"]) == (1, 1)
            assert {row["model_version"] for row in lake.rows("prep/late_score", "2024-09")} == {1}
            run = lake.runs()[-1]
            link = f"{address}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}"
            assert second.metadata["lake/mlflow"] == link
            files = {one.path for one in lake.client.list_artifacts(run.info.run_id, "plots")}
            assert len(files) == 3
            # The model went to the server, not to this machine's folder.
            assert list((tmp_path / "server" / "artifacts").rglob("model.skops"))
            assert not list((folder / "home").rglob("model.skops"))
    with opened(folder, env="served") as lake:
        lost = lake.run("model/late", month="2024-10")
        assert not lost.success
        assert f"MLflow at {address}" in lost.message
        assert "Does the server run" in lost.message
