"""DAG files: what stands in them, what is refused, when they are written; no Airflow is needed."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_bridge import tasks
from airflow_bridge.dag_file import literal
from airflow_bridge.errors import UsageError
from airflow_bridge.export import Wish, export, render, show
from airflow_bridge.location import Location
from lake_assets.cli.airflow import COMMAND
from tests.airflow_bridge.conftest import FOREIGN, MODULE, ROOT

GOLDEN = Path(__file__).with_name("golden")
PRELUDE = (ROOT / "airflow_bridge" / "prelude.py").read_text(encoding="utf-8")
LAKE = Location("lake_assets.definitions", "defs", "lake")


def wish(folder: Path, **more: Any) -> Wish:
    return Wish(folder, "python -m airflow_bridge", "the test", **more)


def parts(text: str) -> tuple[str, dict[str, Any]]:
    """The prelude of a file, and its literals."""
    assert text.endswith(PRELUDE)
    head = text.removesuffix(PRELUDE)
    (assignment,) = ast.parse(head).body
    assert isinstance(assignment, ast.Assign)
    return PRELUDE, ast.literal_eval(assignment.value)


@pytest.mark.parametrize(
    ("location", "dag_id"),
    [
        (FOREIGN, "daily"),
        (FOREIGN, "monthly"),
        (FOREIGN, "by_hand"),
        (FOREIGN, "nightly"),
        (FOREIGN, "once"),
        (LAKE, "customer_master"),
        (LAKE, "bw_sales_result_daily"),
        (LAKE, "bw_sales_result_monthly"),
    ],
)
def test_files_as_they_are_kept(location: Location, dag_id: str, tmp_path: Path) -> None:
    """The whole text above the prelude; WRITE_GOLDEN=1 writes it anew, to be read in the diff."""
    asked = Wish(tmp_path, COMMAND, "lake airflow export", everything=True)
    text = render(location, asked)[f"{dag_id}.py"].removesuffix(PRELUDE)
    kept = GOLDEN / f"{location.name}-{dag_id}.txt"
    if os.environ.get("WRITE_GOLDEN") == "1":
        kept.parent.mkdir(exist_ok=True)
        kept.write_text(text, encoding="utf-8")
    assert text == kept.read_text(encoding="utf-8")


def test_what_a_file_says(tmp_path: Path) -> None:
    files = render(FOREIGN, wish(tmp_path))
    assert sorted(files) == ["by_hand.py", "daily.py", "monthly.py", "nightly.py", "once.py"]
    spec = parts(files["daily.py"])[1]
    assert spec["dag"]["tags"] == ["0.ETL", "1.Start:SAP", "2.End:SERVER", "주문"]
    assert (spec["schedule"], spec["timezone"]) == ("10 7 * * *", "Asia/Seoul")
    # The first partition is of 2025-01-01; its tick is on the 2nd, and the first tick never fires.
    assert spec["start_date"] == "2024-12-31T07:10"
    assert parts(files["monthly.py"])[1]["start_date"] == "2024-12-01T07:00"
    assert spec["default_args"] == {
        "owner": "team:sales",
        "queue": "s21",
        "retries": 3,
        "retry_delay": 30,
        "retry_exponential_backoff": True,
    }
    lines, star, load = spec["tasks"]
    assert lines["assets"] == ["raw/order.lines"]
    assert (lines["task"]["pool"], lines["task"]["priority_weight"]) == ("erp", 5)
    assert (star["assets"], star["after"]) == (["dims", "facts"], ["raw__order.lines"])
    assert (load["task"]["task_id"], load["after"]) == ("load", ["star"])
    assert (load["task"]["retries"], load["task"]["retry_delay"]) == (1, 300)
    assert spec["params"]["rate"] == {"default": 0.1, "type": "number", "description": "부가세"}
    assert set(spec["params"]) == {"partition", "from", "to", "rate", "since"}
    assert spec["command"].endswith("--location foreign --job daily --schedule weekdays")
    assert parts(files["once.py"])[1]["schedule"] == "@once"
    assert parts(files["once.py"])[1]["params"] == {}
    assert parts(files["by_hand.py"])[1]["schedule"] is None
    assert "--schedule" not in parts(files["by_hand.py"])[1]["command"]


def test_all_also_exports_what_is_left_to_dagster(tmp_path: Path) -> None:
    files = render(FOREIGN, wish(tmp_path, everything=True))
    assert parts(files["by_dagster.py"])[1]["schedule"] == "0 0 * * *"


def test_the_same_graph_gives_the_same_bytes(tmp_path: Path) -> None:
    """In two processes whose sets have another order, and in another zone."""
    for seed, zone in (("0", "UTC"), ("4711", "America/New_York")):
        folder = tmp_path / seed
        words = ["export", "-m", MODULE, "--to", str(folder), "--all"]
        variables = {**os.environ, "PYTHONHASHSEED": seed, "TZ": zone}
        command = [sys.executable, "-m", "airflow_bridge", *words]
        subprocess.run(command, cwd=ROOT, env=variables, check=True, capture_output=True)
    one, other = (
        {file.name: file.read_bytes() for file in (tmp_path / seed).iterdir()}
        for seed in ("0", "4711")
    )
    assert len(one) == 6
    assert one == other


# -- writing


def test_a_folder_is_kept_as_it_should_be(tmp_path: Path) -> None:
    asked = wish(tmp_path / "dags")
    check = wish(tmp_path / "dags", write=False)
    before = export(FOREIGN, check)
    assert [(one.name, one.kind) for one in before.changes][:2] == [
        ("by_hand.py", "new"),
        ("daily.py", "new"),
    ]
    assert not (tmp_path / "dags").exists()
    assert export(FOREIGN, asked).differs
    assert not export(FOREIGN, check).differs
    files = sorted(path.name for path in (tmp_path / "dags").iterdir())
    assert files == sorted(render(FOREIGN, asked))

    daily, monthly = (tmp_path / "dags" / f"{name}.py" for name in ("daily", "monthly"))
    kept = monthly.stat().st_mtime_ns
    daily.write_text(daily.read_text().replace('"retries": 3', '"retries": 9'))
    left = daily.with_name("gone.py")
    left.write_text(daily.read_text())
    theirs = daily.with_name("theirs.py")
    theirs.write_text("# written by hand\n")
    another = daily.with_name("another.py")
    another.write_text(daily.read_text().replace("location foreign", "location another"))
    found = {one.name: one for one in export(FOREIGN, check).changes}
    assert {name: one.kind for name, one in found.items()} == {
        "daily.py": "changed",
        "gone.py": "left over",
    }
    assert found["daily.py"].details == ["all tasks: retries: 9, should be 3"]
    done = export(FOREIGN, wish(tmp_path / "dags", prune=True))
    assert [(one.name, one.kind) for one in done.changes] == [
        ("daily.py", "changed"),
        ("gone.py", "removed"),
    ]
    assert not left.exists()
    assert theirs.read_text() == "# written by hand\n"
    assert another.exists()
    # What is as it should be is not touched, or Airflow would parse it again.
    assert monthly.stat().st_mtime_ns == kept
    assert json.loads(show(done, asked, as_json=True))["same"] == 4


def test_a_file_of_someone_else_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "daily.py").write_text("# an old DAG\n")
    with pytest.raises(UsageError, match=r"daily.py was not written by an export"):
        export(FOREIGN, wish(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["daily.py"]


def test_a_file_of_another_location_is_never_overwritten(tmp_path: Path) -> None:
    """Nor one of another prefix: else the DAG of that export would be gone without a word."""
    export(FOREIGN, wish(tmp_path, prefix="new_"))
    kept = {path: path.read_text() for path in tmp_path.iterdir()}
    another = Location(FOREIGN.module, FOREIGN.attribute, "another")
    told = r"new_by_hand.py is of another export \(airflow-bridge \S+: .*, location foreign, prefix"
    for write in (True, False):
        with pytest.raises(UsageError, match=told):
            export(another, wish(tmp_path, prefix="new_", write=write))
    assert {path: path.read_text() for path in tmp_path.iterdir()} == kept


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="Name a folder with --to"):
        export(FOREIGN, wish(tmp_path / "file" / "dags"))


def test_what_is_left_out_is_told(tmp_path: Path) -> None:
    done = export(FOREIGN, wish(tmp_path))
    assert show(done, wish(tmp_path), as_json=False).splitlines()[-2].startswith("left out  ")
    every = export(LAKE, wish(tmp_path / "local", write=False))
    assert (len(every.changes), len(every.left) > 10) == (0, True)
    assert export(LAKE, wish(tmp_path / "all", write=False, everything=True)).left == []


def test_a_dry_run_says_what_the_export_would_refuse(tmp_path: Path) -> None:
    export(FOREIGN, wish(tmp_path))
    again = wish(tmp_path, write=False, granularity="job")
    assert "To write is refused" in show(export(FOREIGN, again), again, as_json=False)


@pytest.mark.parametrize(
    ("location", "words"),
    [
        (Location("no.such", "defs", "x"), "There is no module 'no.such'"),
        (Location("json", "defs", "x"), "json.defs are no Definitions; .* the module has none"),
        (Location(MODULE, "daily", "x"), r"--attribute names one: defs\."),
    ],
)
def test_a_module_without_definitions_is_told(location: Location, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        location.load()


def test_the_address_of_the_ui_has_a_scheme(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="write it as http://dagster:3000"):
        export(FOREIGN, wish(tmp_path, url="dagster:3000"))


def test_check_ends_with_1(tmp_path: Path) -> None:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "airflow_bridge", "export", "-m", MODULE, *words],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )

    folder = ["--to", str(tmp_path / "dags")]
    assert run(*folder, "--check").returncode == 1
    assert run(*folder, "--dry-run").returncode == 0
    assert run(*folder).returncode == 0
    again = run(*folder, "--check", "--json")
    assert (again.returncode, json.loads(again.stdout)["changes"]) == (0, [])


# -- literals

TEXTS = st.text() | st.sampled_from(["O'Neil", 'a "b"', 'it\'s "both"', "a\nb'\n", "\\n"])
FLAT = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    FLAT | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
    max_leaves=30,
)


@given(VALUES)
def test_literals_are_what_they_were(value: Any) -> None:
    assert ast.literal_eval(literal(value)) == value


# -- the prelude


def test_the_prelude_is_python_38_with_airflow_and_the_standard_library_alone() -> None:
    tree = ast.parse(PRELUDE, feature_version=(3, 8))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    # docker is there wherever Airflow's Docker provider is, and only imported with it.
    assert imported - set(sys.stdlib_module_names) == {"airflow", "docker", "pendulum"}
    assert PRELUDE.count("\n") <= 280
    assert tasks.OWN_TASKS == ("tick", "wait", "done")
    assert all(f'task_id="{name}"' in PRELUDE for name in tasks.OWN_TASKS)
