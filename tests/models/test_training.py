"""A model's partitions: what they learn from, who is champion, what a run leaves behind."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lake_assets.loader import load_pipelines
from lake_assets.materialise import Work, _job
from lake_assets.models.examples import frame
from lake_assets.models.fitting import probabilities
from lake_assets.models.registry import Registry
from lake_assets.pipeline import assets, catalogue
from lake_assets.spec.models import ModelSpec
from resources.store import open_store
from tests.models.lake import MODEL, MONTHS, PIPELINE, Lake, opened

MONTH = "2024-09"


def training_set(lake: Lake, folder: Path, month: str) -> pa.Table:
    """All examples that a partition may see, held-out ones included."""
    pipelines = load_pipelines([folder / "pipelines"])
    known = {asset.key: asset for one in pipelines for asset in assets(one)}
    asset = known["model/late"]
    assert isinstance(asset.spec, ModelSpec)
    params = {"skill": 1.0}
    work = Work(asset, lake.settings, open_store(lake.settings), catalogue(pipelines), params)
    return _job(work, asset.spec, month).table


def predictions(lake: Lake, month: str) -> list[float]:
    """What the version of a partition says of fixed rows."""
    registry = Registry(lake.settings)
    estimator = registry.load("late", lake.model(month)["version"])
    rows = pa.table(
        {
            "region": ["서울", "부산", None, "없는 곳"],
            "late_share": [0.0, 0.5, 0.3, 1.0],
            "worst": pa.array([1, 9, 2, 30], pa.int32()),
            "amount": [1000.0, 2000.5, 0.0, 1.0],
        }
    )
    return probabilities(estimator, frame(rows, rows.column_names, "a test")).tolist()


def test_nothing_of_the_month_it_predicts_or_later_is_learned(lake: Lake, folder: Path) -> None:
    assert lake.run("model/late", "prep/late_score", month=MONTH).success
    seen, row = training_set(lake, folder, MONTH), lake.model(MONTH)
    features, said = lake.rows("prep/feature", MONTH), predictions(lake, MONTH)
    scores = lake.rows("prep/late_score", MONTH)
    assert set(seen["ym"].to_pylist()) == set(MONTHS[2:8])

    # Every row of that month and of those after it becomes another one, some vanish, some come.
    lake.execute(
        "UPDATE PAYMENT SET days_late = 40 - days_late, amount = amount * 7, region = '제주' "
        f"WHERE due >= DATE '{MONTH}-01'; "
        f"DELETE FROM PAYMENT WHERE due >= DATE '{MONTH}-01' AND customer LIKE '%3'; "
        f"INSERT INTO PAYMENT SELECT 'N' || customer, * EXCLUDE customer FROM PAYMENT "
        f"WHERE due >= DATE '{MONTH}-01'"
    )
    lake.prepare()
    assert lake.rows("prep/outcome", MONTH) != []
    assert lake.run("model/late", "prep/late_score", month=MONTH).success
    assert training_set(lake, folder, MONTH).equals(seen)
    assert lake.rows("prep/feature", MONTH) == features
    assert predictions(lake, MONTH) == said
    again = lake.model(MONTH)
    for name in ("score", "baseline_score", "trained_until", "heldout_until", "champion_version"):
        assert again[name] == row[name], name
    assert lake.rows("prep/late_score", MONTH) == scores

    # One row of the month before does change it, so that the above means something.
    lake.execute(
        "UPDATE PAYMENT SET days_late = 40 - days_late "
        "WHERE due >= DATE '2024-08-01' AND due < DATE '2024-09-01' AND customer = 'C00007'"
    )
    lake.prepare()
    assert not training_set(lake, folder, MONTH).equals(seen)


def test_held_out_months_are_never_fitted_on(folder: Path) -> None:
    spying = MODEL.replace(
        "    wrong =",
        "    open('seen', 'a').write(' '.join(sorted(set(period))) + '\\n')\n    wrong =",
    )
    with opened(folder, model=spying) as lake:
        assert lake.run("model/late", month=MONTH).success
        row = lake.model(MONTH)
    assert Path("seen").read_text() == "2024-03 2024-04 2024-05 2024-06\n"
    assert (row["trained_from"], row["trained_until"]) == ("2024-03", "2024-06")
    assert (row["heldout_from"], row["heldout_until"]) == ("2024-07", "2024-08")
    assert (row["trained_examples"], row["heldout_examples"]) == (1600, 800)


def test_examples_of_the_month_itself_are_refused(folder: Path) -> None:
    shifted = PIPELINE.replace("SELECT ym, customer, region", "SELECT '2024-09' AS ym, region")
    with opened(folder, shifted) as lake:
        ended = lake.run("model/late", month=MONTH)
        assert not ended.success
        assert "the examples of partition 2024-09 have rows of 2024-09" in ended.message
        assert lake.versions() == []


def test_the_same_data_and_seed_give_the_same_model(lake: Lake) -> None:
    first = lake.run("model/late", month=MONTH)
    before = lake.model(MONTH), predictions(lake, MONTH)
    second = lake.run("model/late", month=MONTH)
    after = lake.model(MONTH), predictions(lake, MONTH)
    assert before[1] == after[1]
    assert before[0]["score"] == after[0]["score"]
    assert first.metadata["lake/importance"] == second.metadata["lake/importance"]
    # The rerun is a run and a version of its own, and changes nothing else.
    assert (before[0]["version"], after[0]["version"]) == (1, 2)
    assert (before[0]["champion_version"], after[0]["champion_version"]) == (1, 1)
    assert lake.alias() == 1
    assert "equals version 1 of 2024-09" in after[0]["decision"]
    assert lake.states() == [
        ("2024-09", "FINISHED", "superseded"),
        ("2024-09", "FINISHED", "live"),
    ]


def test_the_champion_changes_only_for_a_better_one(lake: Lake) -> None:
    """Better, equal, worse, out of order, worse in the champion's own partition, below baseline."""
    steps: list[tuple[str, float, int | None, int | None, str]] = [
        # month, skill → the alias, the champion of the partition, why
        ("2024-07", 0.8, 1, 1, "there was no champion"),
        ("2024-08", 1.0, 2, 2, "beats version 1 of 2024-07"),
        ("2024-08", 1.0, 2, 2, "equals version 2 of 2024-08"),
        ("2024-09", 0.75, 2, 2, "does not beat version 2 of 2024-08"),
        ("2024-06", 1.0, 2, 5, "the alias stays with the champion of a later partition"),
        ("2024-08", 0.7, 2, 2, "does not beat version 2 of 2024-08"),
        ("2024-10", 0.5, 2, 2, "does not beat the baseline's"),
    ]
    for month, skill, alias, champion, why in steps:
        ended = lake.run("model/late", month=month, skill=skill)
        assert ended.success, ended.message
        assert why in ended.metadata["lake/decision"]
        assert (lake.alias(), lake.model(month)["champion_version"]) == (alias, champion), month
    live = [partition for partition, _, state in lake.states() if state == "live"]
    assert sorted(live) == ["2024-06", "2024-07", "2024-08", "2024-09", "2024-10"]
    # A later month compares with the alias, not with what the past was given afterwards.
    assert (
        "version 2 of 2024-08" in lake.model("2024-10")["decision"]
        or "baseline" in (lake.model("2024-10")["decision"])
    )


def test_before_there_is_a_champion_nothing_is_scored(lake: Lake) -> None:
    assert lake.run("model/late", month=MONTH, skill=0.4).success
    row = lake.model(MONTH)
    assert (row["champion_version"], row["promoted"], lake.alias()) == (None, False, None)
    ended = lake.run("prep/late_score", month=MONTH)
    assert not ended.success
    assert "model/late has no champion in 2024-09" in ended.message


def test_scores_are_those_of_the_version_that_the_partition_names(lake: Lake) -> None:
    assert lake.run("model/late", month="2024-08").success
    assert lake.run("model/late", month=MONTH, skill=0.6).success
    ended = lake.run("prep/late_score", month=MONTH)
    assert ended.success, ended.message
    assert (ended.metadata["lake/model"], ended.metadata["lake/model_version"]) == ("model/late", 1)
    rows = lake.rows("prep/late_score", MONTH)
    assert [row["customer"] for row in rows] == [f"C{number:05}" for number in range(400)]
    assert {row["model_version"] for row in rows} == {1}
    features = pa.Table.from_pylist(lake.rows("prep/feature", MONTH))
    spec = ["region", "late_share", "worst", "amount"]
    estimator = Registry(lake.settings).load("late", 1)
    expected = probabilities(estimator, frame(features, spec, "a test")).tolist()
    assert [row["probability"] for row in rows] == expected
    assert len(set(expected)) > 100
    # A better model of a later month leaves the scores of this one as they were.
    assert lake.run("model/late", month="2024-10").success
    first = ended.metadata["lake/data_version"]
    assert lake.run("prep/late_score", month=MONTH).metadata["lake/data_version"] == first


def test_what_a_run_leaves_in_mlflow(lake: Lake) -> None:
    assert lake.run("model/late", month="2024-08").success
    ended = lake.run("model/late", month=MONTH)
    assert ended.success, ended.message
    client, (before, run) = lake.client, lake.runs()
    assert run.info.run_name == MONTH
    assert before.info.run_id != run.info.run_id
    params = run.data.params
    assert params["param.skill"] == "1.0"
    assert params["seed"] == "1992"
    assert params["trained"] == "2024-03 to 2024-06"
    assert params["held_out"] == "2024-07 to 2024-08"
    assert params["version.scikit-learn"]
    metrics = run.data.metrics
    row = lake.model(MONTH)
    assert metrics["model_average_precision"] == row["score"] > row["baseline_score"]
    assert metrics["baseline_average_precision"] == row["baseline_score"]
    assert metrics["champion_average_precision"] == row["champion_score"]
    history = client.get_metric_history(run.info.run_id, "model_average_precision_by_period")
    assert sorted(point.step for point in history) == [202407, 202408]
    # Lineage: which partitions, with which content, by which code and Dagster run.
    inputs = {one.dataset.name: one.dataset for one in run.inputs.dataset_inputs}
    assert sorted(inputs) == ["prep/feature", "prep/outcome"]
    read = json.loads(inputs["prep/feature"].source)["partitions"]
    assert read == MONTHS[2:8]
    versions = json.loads(ended.metadata["lake/input_versions"])
    assert inputs["prep/feature"].digest == versions["prep/feature"]
    kept = json.loads(client_text(client, run, "inputs.json"))
    assert sorted(kept["prep/outcome"]) == MONTHS[2:8]
    assert all(len(version) == 64 for version in kept["prep/outcome"].values())
    assert run.data.tags["lake.dagster_run"]
    assert run.data.tags["lake.code_version"]
    files = {one.path for one in client.list_artifacts(run.info.run_id, "plots")}
    assert files == {
        f"plots/{name}.png" for name in ("calibration", "importance", "precision_recall")
    }
    version = client.get_model_version("late", str(row["version"]))
    assert version.tags["lake.trained_until"] == "2024-06"
    assert version.run_id == run.info.run_id == row["run_id"]
    from mlflow.models import get_model_info

    info = get_model_info(f"models:/late/{row['version']}")
    assert info.signature.inputs.input_names() == ["region", "late_share", "worst", "amount"]
    # The working directory and its own experiments are MLflow's habit, not ours.
    assert not Path("mlruns").exists()
    assert {one.name for one in client.search_experiments()} == {"Default", "model/late"}
    for name, found in (("scores", "| all | 800 |"), ("importance", "| late_share |")):
        assert found in ended.metadata[f"lake/{name}"]


def client_text(client: Any, run: Any, path: str) -> str:
    return Path(client.download_artifacts(run.info.run_id, path)).read_text(encoding="utf-8")


def test_personal_features_leave_no_example(folder: Path) -> None:
    text = PIPELINE.replace("      region: string\n", "      region: {type: string, pii: masked}\n")
    with opened(folder, text) as lake:
        assert lake.run("model/late", month=MONTH).success
    artifacts = folder / "home" / "mlflow" / "artifacts"
    assert list(artifacts.rglob("model.skops"))
    assert not list(artifacts.rglob("*input_example*"))


OWN_PARTS = """
from sklearn.preprocessing import FunctionTransformer


def mine(x):
    return x
"""

#: What the model's file says instead, and what is told of it.
FAILURES = {
    "fit raises": (
        MODEL.replace("    wrong =", "    raise ValueError('no such thing')\n    wrong ="),
        r"model/late: fit raised ValueError at .*model\.py:16: no such thing",
    ),
    "no classifier": (
        MODEL.replace("LogisticRegression(random_state=seed)", "StandardScaler()"),
        "fit must return a fitted scikit-learn classifier with predict_proba",
    ),
    "own parts": (
        MODEL.replace("remainder=", "(FunctionTransformer(mine), ['amount']), remainder=")
        + OWN_PARTS,
        r"parts that only this pipeline's folder has: lake_pipeline_credit_model\.mine",
    ),
}


@pytest.mark.parametrize("what", FAILURES)
def test_a_failed_partition_leaves_a_failed_run_and_no_version(folder: Path, what: str) -> None:
    model, words = FAILURES[what]
    with opened(folder, model=model) as lake:
        ended = lake.run("model/late", month=MONTH)
        assert not ended.success
        assert re.search(words, ended.message), ended.message
        (run,) = lake.runs()
        assert (run.info.status, run.data.tags["lake.state"]) == ("FAILED", "failed")
        assert run.data.tags["lake.reason"] == ended.message
        assert (lake.versions(), lake.alias()) == ([], None)
    # Corrected, the next run of the partition is the live one.
    with opened(folder) as lake:
        assert lake.run("model/late", month=MONTH).success
        assert lake.states() == [
            (MONTH, "FAILED", "superseded"),
            (MONTH, "FINISHED", "live"),
        ]


def test_a_run_whose_process_was_killed_is_superseded(lake: Lake) -> None:
    # What SIGKILL leaves: a run that is begun and never ended, and nothing else.
    Registry(lake.settings).begin("model/late", MONTH, {})
    assert lake.states() == [(MONTH, "RUNNING", "running")]
    assert lake.run("model/late", month=MONTH).success
    assert lake.states() == [(MONTH, "KILLED", "superseded"), (MONTH, "FINISHED", "live")]


def test_a_gate_keeps_a_bad_model_out(folder: Path) -> None:
    gated = PIPELINE + "    gates: {range: {score: {min: 0.99}}}\n"
    with opened(folder, gated) as lake:
        ended = lake.run("model/late", month=MONTH)
        assert not ended.success
        assert "range(score)" in ended.message
        (run,) = lake.runs()
        assert run.info.status == "FAILED"
        assert "range(score)" in run.data.tags["lake.reason"]
        assert (lake.versions(), lake.alias()) == ([], None)


def test_too_few_months_are_not_yet(lake: Lake) -> None:
    ended = lake.run("model/late", month="2024-04")
    assert not ended.success
    assert "2 partitions are held out, so it needs examples of 3; there are 2" in ended.message
    assert lake.runs() == []


def test_a_champion_whose_features_are_gone_is_succeeded(folder: Path) -> None:
    with opened(folder) as lake:
        assert lake.run("model/late", month="2024-08").success
    text = PIPELINE.replace("features: [region, late_share, worst, amount]", "features: [region]")
    text = text.replace(
        "SELECT ym, customer, region, late_share, worst, amount, late",
        "SELECT ym, customer, region, late_share, late",
    )
    with opened(folder, text) as lake:
        ended = lake.run("model/late", month=MONTH)
        row = lake.model(MONTH)
        assert "needs features that are gone" in row["decision"] or "baseline" in row["decision"]
        assert ended.success
