"""`lake doctor` as it is called: what is shown, exit codes, that no secret is."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lake_assets.cli import doctor
from lake_assets.cli.main import cli
from resources.doctor import Check
from tests.servers.postgres import free_port

CANARY = "Kanarienvogel-7531"


def lake(*words: str) -> Result:
    return CliRunner().invoke(cli, words)


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LAKE_ENV", "local")
    monkeypatch.delenv("LAKE_PIPELINES", raising=False)
    monkeypatch.setenv("DOCTOR_WORD", CANARY)


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An environment with real addresses, of which none answers."""
    shipped = Path("resources/environments/prod.yaml").read_text(encoding="utf-8")
    address = f'127.0.0.1, port: {free_port()}, user: u, password: "env:DOCTOR_WORD", database: d}}'
    changed, count = re.subn(
        r"(kind: postgres, host: ).*", lambda found: found[1] + address, shipped
    )
    assert count == 1
    (tmp_path / "site.yaml").write_text(changed, encoding="utf-8")
    monkeypatch.setenv("LAKE_ENVIRONMENTS", str(tmp_path))
    return "site"


def test_what_is_well_ends_with_0() -> None:
    result = lake("doctor", "store", "mlflow")
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0].split() == ["connection", "check", "result", "found", "what", "to", "do"]
    assert [line.split()[:3] for line in lines[1:5:2]] == [
        ["store", "write", "ok"],
        ["mlflow", "write", "ok"],
    ]
    assert lines[-1] == "environment local: 4 ok, 0 failed, 0 not tried"


def test_what_is_not_ends_with_1(environment: str) -> None:
    result = lake("doctor", "postgres", "--env", environment)
    assert result.exit_code == 1
    assert "[Errno 111] Connection refused" in result.output
    assert "start the server, or correct `port`" in result.output
    assert "Traceback" not in result.output
    told = json.loads(lake("doctor", "postgres", "--env", environment, "--json").stdout)
    assert (told["ok"], told["environment"]) == (False, "site")
    assert [(one["name"], one["result"]) for one in told["checks"]] == [
        ("secret", "ok"),
        ("driver", "ok"),
        ("port", "failed"),
        ("login", "not tried"),
    ]
    assert set(told["checks"][0]) == {"subject", "name", "result", "found", "cure"}
    assert CANARY not in result.output + json.dumps(told)


def test_unknown_connections_and_times() -> None:
    result = lake("doctor", "tibro")
    assert result.exit_code == 2
    assert "has no connection 'tibro'; did you mean 'tibero'?" in result.stderr
    assert lake("doctor", "--timeout", "0").exit_code == 2


def test_pipeline_files_with_mistakes_do_not_stop_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "pipeline.yaml").write_text("version: 7\n", encoding="utf-8")
    monkeypatch.setenv("LAKE_PIPELINES", str(tmp_path))
    result = lake("doctor", "hana_bw", "--json")
    assert result.exit_code == 1
    login = json.loads(result.stdout)["checks"][-1]
    assert "run `lake demo`" in login["found"]


def test_what_nothing_reads_is_not_tried_where_sources_are_generated() -> None:
    told = json.loads(lake("doctor", "--json").stdout)
    by_name = {one["subject"]: one for one in told["checks"]}
    assert by_name["tibero"]["result"] == "not tried"
    assert by_name["tibero"]["found"].endswith("to try all the same: lake doctor tibero")
    # What is read is tried: here nothing was generated yet.
    assert "run `lake demo`" in by_name["hana_bw"]["found"]
    assert by_name["hana_bw"]["result"] == "failed"


def test_targets_of_deliveries_are_said_not_to_be_looked_at() -> None:
    told = list(doctor._and_targets(lambda: iter(()), "sftp", ["out/sftp/sales", "out/sftp/stock"]))
    assert told == [
        Check(
            "sftp",
            "targets",
            "not tried",
            "of out/sftp/sales, out/sftp/stock: whether they are there and may be written is not "
            "looked at: the first run shows it",
        )
    ]
