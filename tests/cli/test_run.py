"""`lake run` over a small lake: what it prints, its JSON, its exit codes."""

from __future__ import annotations

import functools
import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from click.testing import CliRunner, Result

import lake_assets.execute as execute
from lake_assets.cli import run
from lake_assets.cli.main import cli
from lake_assets.execute import Ended, Failed
from lake_assets.plan import Plan, Step

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _small_lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKE_HOME", str(tmp_path))
    monkeypatch.setenv("LAKE_ENV", "local")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    monkeypatch.setattr(
        execute, "Location", functools.partial(execute.Location, "tests.small_lake")
    )


def lake(*words: str) -> Result:
    return CliRunner().invoke(cli, ["run", *words])


def document(*words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(lake(*words, "--json").stdout)
    return found


def test_a_dry_run_changes_nothing(tmp_path: Path) -> None:
    for _ in range(2):
        result = lake("+prep/sales", "--from", "2025-01-01", "--to", "2025-01-05", "--dry-run")
        assert result.exit_code == 0
        assert [line.split() for line in result.stdout.splitlines()] == [
            ["run", "asset", "partitions", "because"],
            ["1", "raw/customer", "missing"],
            ["2", "raw/sales", "2025-01-01", "…", "2025-01-05", "(5)", "missing"],
            ["3", "prep/sales", "2025-01-01", "…", "2025-01-05", "(5)", "missing"],
        ]
    assert not (tmp_path / "lake").exists()
    assert document("raw/customer", "--dry-run") == {
        "waves": [
            [
                {
                    "assets": ["raw/customer"],
                    "partitions": [],
                    "reasons": {"raw/customer": "missing"},
                }
            ]
        ],
        "skipped": [],
        "overwrites": {},
    }


def test_run_then_nothing_to_do(tmp_path: Path) -> None:
    result = lake("+prep/sales", "--to", "2025-01-03")
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.stdout.splitlines()]
    at = lines.index(["asset", "partitions", "rows", "seconds"])
    assert [line[:-1] for line in lines[at + 1 : at + 4]] == [
        ["raw/customer", "5"],
        ["raw/sales", "2025-01-01", "…", "2025-01-03", "(3)", "15"],
        ["prep/sales", "2025-01-01", "…", "2025-01-03", "(3)", "15"],
    ]
    assert result.stdout.splitlines()[-1].startswith("3 runs, 0 failed, ")
    again = lake("+prep/sales", "--to", "2025-01-03")
    assert again.exit_code == 0
    assert again.stdout.count("up to date since 20") == 3
    assert again.stdout.splitlines()[-1].startswith("0 runs, 0 failed, ")
    # A file that somebody removed is made again.
    (tmp_path / "lake/raw/sales/dt=2025-01-02/part-0.parquet").unlink()
    plan = document("raw/sales", "--to", "2025-01-03", "--dry-run")
    assert plan["waves"][0][0]["reasons"] == {"raw/sales": "file missing from the store"}
    assert plan["waves"][0][0]["partitions"] == ["2025-01-02"]


def test_the_json_document() -> None:
    found = document("raw/sales", "--to", "2025-01-02")
    assert found["runs"][0].pop("run_id")
    assert found.pop("seconds") > found["runs"][0].pop("seconds") > found["made"][0].pop("seconds")
    assert found == {
        "ok": True,
        "exit_code": 0,
        "runs": [
            {
                "assets": ["raw/sales"],
                "partitions": ["2025-01-01", "2025-01-02"],
                "reasons": {"raw/sales": "missing"},
                "succeeded": True,
            }
        ],
        "made": [{"asset": "raw/sales", "partitions": ["2025-01-01", "2025-01-02"], "rows": 10}],
        "skipped": [],
        "failed": [],
        "warnings": [],
    }


@pytest.mark.parametrize(
    ("kind", "code", "reason"),
    [
        ("gate", 65, "raw/sales: the gate unique failed for 2025-01-02"),
        ("transient", 1, "raw/sales: the host is not reachable"),
        ("bug", 1, "ZeroDivisionError: division by zero"),
    ],
)
def test_failures(monkeypatch: pytest.MonkeyPatch, kind: str, code: int, reason: str) -> None:
    monkeypatch.setenv("SMALL_LAKE", f"fail=raw/sales:2025-01-02 kind={kind}")
    result = lake("raw/sales", "--to", "2025-01-03")
    assert result.exit_code == code
    line = next(one for one in result.stdout.splitlines() if one.endswith(reason))
    # Words that name no asset get its name, and what of it is not there.
    assert line in (f"  {reason}", f"  raw/sales 2025-01-02: {reason}")
    assert "Traceback" not in result.stdout
    assert ", in step" not in result.stdout
    assert ", in step" in lake("raw/sales", "--partition", "2025-01-02", "-v").stdout
    found = document("raw/sales", "--to", "2025-01-03")
    assert (found["ok"], found["exit_code"]) == (False, code)
    assert [(one["asset"], one["reason"]) for one in found["failed"]] == [("raw/sales", reason)]


def test_a_run_that_failed_in_part_names_what_failed() -> None:
    sales, stock = dg.AssetKey(["out", "sales"]), dg.AssetKey(["out", "stock"])
    days = ("2025-01-03", "2025-01-04")
    units = {(sales, day): True for day in days} | {(stock, day): day == days[0] for day in days}

    def ended(*failures: Failed) -> Ended:
        step = Step((sales, stock), days, {})
        return Ended(step, "", 1.0, units, failures, (), {}, {})

    denied = Failed(stock, "dw.ro, connection 'postgres': permission denied", 65, "")
    absent = Failed(stock, "out/stock: a.csv: there is no such file.", 75, "")
    assert run._mark(ended()) == "[green]done[/]"
    assert run._mark(ended(denied)) == "[red]failed[/] out/stock of"
    assert list(run._reasons(ended(denied))) == [
        "out/stock 2025-01-04: dw.ro, connection 'postgres': permission denied"
    ]
    assert run._mark(ended(absent)) == "[yellow]not yet[/] out/stock of"
    assert list(run._reasons(ended(absent))) == [
        "out/stock: a.csv: there is no such file. This is not yet, and no failure: run it again "
        "later."
    ]


def test_a_dry_run_tells_one_place_once(capsys: pytest.CaptureFixture[str]) -> None:
    places = ["rows of dw.ups by order_no"] * 3
    run.show_plan(Plan((), ()), False, {"out/ups": places})
    assert capsys.readouterr().out.splitlines()[2:] == [
        "out/ups would overwrite (the target is not looked at)",
        "  rows of dw.ups by order_no (3 partitions)",
    ]


def test_warnings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMALL_LAKE", "warn=raw/sales:2025-01-0")
    result = lake("raw/sales", "--to", "2025-01-10")
    assert result.exit_code == 0
    lines = [line for line in result.stdout.splitlines() if "warning" in line]
    assert lines == [
        *(
            f"  warning: raw/sales 2025-01-0{day}: checks: rows: 5, allowed 6"
            for day in range(1, 6)
        ),
        "  and 4 more warnings",
    ]
    found = document("raw/sales", "--partition", "2025-01-02")
    assert (found["ok"], found["exit_code"]) == (True, 0)
    assert found["warnings"] == [
        {
            "asset": "raw/sales",
            "check": "checks",
            "partition": "2025-01-02",
            "description": "rows: 5, allowed 6",
        }
    ]


def test_not_yet() -> None:
    result = lake("prep/month", "--partition", "2025-01")
    assert result.exit_code == 75
    assert "input prep/sales 2025-01-01 … 2025-01-31 (31) is missing" in result.stdout
    assert "put + before an asset" in result.stdout
    found = document("prep/month", "--partition", "2025-01")
    assert (found["exit_code"], found["skipped"][0]["kind"]) == (75, "not yet")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["prep/sale"], "did you mean 'prep/sales'?"),
        (["prep/sales", "--partition", "2025-01"], "prep/sales has no partition '2025-01'"),
        (["prep/sales", "--partition", "2025-01-01", "--to", "2025-01"], "not both"),
        (["prep/sales", "--from", "yesterday"], "--from yesterday: no such day"),
    ],
)
def test_mistakes_end_with_2(words: list[str], message: str) -> None:
    result = lake(*words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    told = json.loads(lake(*words, "--json").stdout)
    assert (told["ok"], told["exit_code"]) == (False, 2)
    assert message in told["error"]


#: The command over the small lake, as a process of its own.
CODE = (
    "import functools, lake_assets.execute as e\n"
    "e.Location = functools.partial(e.Location, 'tests.small_lake')\n"
    "from lake_assets.cli.main import main; main()"
)


def process(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", CODE, "run", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env=dict(os.environ),
    )


def test_the_terminal_is_for_progress(tmp_path: Path) -> None:
    done = process("raw/customer")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "done raw/customer  5 rows, " in done.stdout
    assert "made raw/customer by hand" not in done.stdout
    # What the run wrote is where the UI shows it.
    kept = list((tmp_path / "dagster" / "storage").rglob("*.out"))
    assert [file.read_text() for file in kept] == ["made raw/customer by hand\n"]
    verbose = process("raw/customer", "--force", "-v")
    assert "made raw/customer by hand" in verbose.stdout
    # Dagster copies what a step writes by a `tail`, which may be ended before its last lines.
    assert "RUN_SUCCESS" in verbose.stderr
    assert json.loads(process("raw/customer", "--json").stdout)["ok"] is True


def test_a_real_terminal_shows_no_log() -> None:
    leader, follower = pty.openpty()
    words = [sys.executable, "-c", CODE, "run", "raw/customer"]
    child = subprocess.Popen(
        words,
        cwd=ROOT,
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env={**os.environ, "TERM": "xterm"},
    )
    os.close(follower)
    shown = b""
    try:
        while piece := os.read(leader, 65536):
            shown += piece
    except OSError:
        pass  # how Linux tells that the other end of a terminal is closed
    os.close(leader)
    assert child.wait() == 0
    text = shown.decode()
    assert "1 run, 0 failed" in text
    assert "\x1b[" in text  # it was taken for a terminal
    assert "DEBUG" not in text
    assert "made raw/customer by hand" not in text
