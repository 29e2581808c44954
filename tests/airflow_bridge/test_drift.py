"""How a folder of DAG files differs from the graph: in words, and what is done about lost tasks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from airflow_bridge.drift import differences, gone_tasks, read_pipeline
from airflow_bridge.errors import UsageError
from airflow_bridge.export import Exported, Wish, export, show
from airflow_bridge.location import Location

OURS = Location("tests.airflow_bridge.foreign", "defs", "ours")


def pipeline(**other: Any) -> str:
    told: dict[str, Any] = {
        "title": "일별 주문",
        "schedule": "0 6 * * *",
        "dag": {"dag_id": "daily", "tags": ["0.ETL", "주문"], "doc_md": "one"},
        "default_args": {"queue": "s21", "retries": 1},
        "params": {"rate": {"default": 0.1}},
        "messages": [],
        "tasks": [
            {"assets": ["a"], "after": [], "task": {"task_id": "a", "pool": "erp"}},
            {"assets": ["b"], "after": ["a"], "task": {"task_id": "b"}},
        ],
    }
    return f"# airflow-bridge 0.1.0: m\nPIPELINE = { ({**told, **other})!r}\n"


TASKS: list[dict[str, Any]] = [
    {"assets": ["a"], "after": [], "task": {"task_id": "a", "pool": "erp", "doc_md": "x"}},
    {"assets": ["c"], "after": ["a"], "group": "g", "task": {"task_id": "c"}},
]

CASES: list[tuple[str, dict[str, Any], list[str]]] = [
    ("nothing", {}, []),
    ("schedule", {"schedule": None}, ["schedule: 0 6 * * *, should be none"]),
    ("truth", {"schedule": True}, ["schedule: 0 6 * * *, should be True"]),
    (
        "tags and documentation",
        {"dag": {"dag_id": "daily", "tags": ["주문"], "doc_md": "two"}},
        ["tags: 0.ETL, 주문, should be 주문", "documentation"],
    ),
    ("retries", {"default_args": {"queue": "s21"}}, ["all tasks: retries: 1, should be none"]),
    (
        "parameter",
        {"params": {"rate": {"default": 0.2}}},
        ["parameter rate: {'default': 0.1}, should be {'default': 0.2}"],
    ),
    ("told", {"messages": ["room"]}, ["who is told: none, should be room"]),
    (
        "tasks",
        {"tasks": TASKS},
        ["task b is gone", "task c is new", "task a: documentation"],
    ),
    (
        "edges",
        {"tasks": [TASKS[0], {"assets": ["b"], "after": [], "task": {"task_id": "b"}}]},
        ["task a: documentation", "task b: waits for: a, should be none"],
    ),
]


@pytest.mark.parametrize(("other", "told"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_every_difference_in_words(other: dict[str, Any], told: list[str]) -> None:
    assert differences(pipeline(), pipeline(**other)) == told
    assert gone_tasks(pipeline(), pipeline(**other)) == (["b"] if "task b is gone" in told else [])


def test_what_is_no_longer_a_pipeline() -> None:
    for text in ("PIPELINE = {", "PIPELINE = dict()", "x = 1", "PIPELINE = [1]"):
        assert read_pipeline(text) is None
        assert "changed by hand" in differences(text, pipeline())[0]
    assert differences(pipeline() + "x = 1\n", pipeline()) == [
        "the code beside the pipeline: airflow-bridge 0.1.0 wrote it, or it was changed by hand"
    ]


# -- folders


def assets(*names: str) -> dg.Definitions:
    made = [dg.asset(name=name)(lambda: None) for name in names]
    job = dg.define_asset_job("daily", selection=made)
    return dg.Definitions(made, jobs=[job])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "dags"


def exported(
    folder: Path, definitions: dg.Definitions, monkeypatch: pytest.MonkeyPatch, **other: Any
) -> Exported:
    monkeypatch.setattr(Location, "load", lambda _self: definitions.get_repository_def())
    return export(OURS, Wish(folder, "bridge", "export", **other))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_dag_that_would_lose_tasks(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both, one = assets("a", "b"), assets("a")
    exported(folder, both, monkeypatch)
    before = (folder / "daily.py").read_bytes()
    (told,) = exported(folder, one, monkeypatch, write=False).changes
    assert (told.kind, list(told.gone)) == ("changed", ["b"])
    assert "task b is gone" in told.details
    with pytest.raises(UsageError, match=r"daily\.py: b\n.*--allow-removed.*--new-version"):
        exported(folder, one, monkeypatch)
    assert (folder / "daily.py").read_bytes() == before

    for version in (2, 3):
        done = exported(folder, one, monkeypatch, removed="version")
        assert names(folder) == [f"daily__v{version}.py"]
        assert {(change.name, change.kind) for change in done.changes} == {
            (f"daily__v{version}.py", "new"),
            ("daily.py" if version == 2 else "daily__v2.py", "removed"),
        }
        # From then on it is what it is called, and nothing is to change.
        assert not exported(folder, one, monkeypatch).differs
        exported(folder, both, monkeypatch)
        assert names(folder) == [f"daily__v{version}.py"]
    exported(folder, one, monkeypatch, removed="allow")
    assert names(folder) == ["daily__v3.py"]
    assert '"dag_id": "daily__v3"' in (folder / "daily__v3.py").read_text()


def test_a_job_that_is_called_like_a_version(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [dg.asset(name=name)(lambda: None) for name in ("a", "b")]
    jobs = [dg.define_asset_job(name, selection=made) for name in ("daily", "daily__v2")]
    definitions = dg.Definitions(made, jobs=jobs)
    for _ in range(2):
        exported(folder, definitions, monkeypatch)
        assert names(folder) == ["daily.py", "daily__v2.py"]
    fewer = dg.Definitions(
        made,
        jobs=[dg.define_asset_job(name, selection=made[:1]) for name in ("daily", "daily__v2")],
    )
    for _ in range(2):
        exported(folder, fewer, monkeypatch, removed="version")
        assert names(folder) == ["daily__v2__v2.py", "daily__v3.py"]


def test_a_trial_beside_the_dags_of_the_same_names(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported(folder, assets("a"), monkeypatch)
    done = exported(folder, assets("a"), monkeypatch, prefix="new_", prune=True)
    assert [(change.name, change.kind) for change in done.changes] == [("new_daily.py", "new")]
    assert names(folder) == ["daily.py", "new_daily.py"]
    assert '"dag_id": "new_daily"' in (folder / "new_daily.py").read_text()
    # Neither takes the files of the other for its own.
    assert not exported(folder, assets("a"), monkeypatch, prune=True).differs
    with pytest.raises(UsageError, match=r"The prefix is 'a/b'; allowed: letters"):
        exported(folder, assets("a"), monkeypatch, prefix="a/b")


def test_what_airflow_cannot_have_may_be_left_out(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = dg.asset(name="good")(lambda: None)
    bad = dg.asset(name="bad", metadata={"airflow/que": "x"})(lambda: None)
    jobs = [dg.define_asset_job(name, [one]) for name, one in (("g", good), ("b", bad))]
    watch = dg.SensorDefinition(name="watch", job=jobs[0], evaluation_fn=lambda _context: None)
    definitions = dg.Definitions([good, bad], jobs=jobs, sensors=[watch])
    done = exported(folder, definitions, monkeypatch, skip=True)
    assert names(folder) == ["g.py"]
    assert [one.name for one in done.skipped] == ["asset bad", "sensor watch"]
    wish = Wish(folder, "bridge", "export", skip=True)
    assert "skipped   sensor watch: it starts runs in Dagster" in show(done, wish, as_json=False)
    told = json.loads(show(done, wish, as_json=True))["skipped"]
    assert told[1]["cure"].startswith("If Dagster's daemon shall go on")
