"""Commands that need no run: list, validate, new, schema, peek, and mistakes in the words."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from lake_assets.cli.console import console, lake_word, show_table
from lake_assets.cli.main import _COMMANDS, cli
from tests.pipeline_files import changed, line_of, write

ROOT = Path(__file__).parents[2]


def lake(*words: str) -> Result:
    return CliRunner().invoke(cli, words)


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LAKE_ENV", "local")
    monkeypatch.delenv("LAKE_PIPELINES", raising=False)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["rnu"], "There is no command 'rnu'; did you mean 'run'? allowed: airflow, demo,"),
        (["list", "--asset"], "No such option '--asset'"),
        (["run"], "Missing argument 'SELECTION"),
        (["peek", "raw/custome"], "There is no asset or source 'raw/custome'; did you mean 'raw/c"),
        (["peek", "raw/customer", "--rows", "0"], "0 is not in the range 1<=x<=10000"),
        (["list", "--env", "pord"], "there is no environment 'pord'; did you mean 'prod'?"),
        (["--env", "pord", "validate"], "there is no environment 'pord'"),
        # The table's own name is a source too.
        (["peek", "src/hana_db/KNA1", "--partition", "x"], "for assets of the lake, not for"),
        (["new", "Sales"], "'Sales' is no name of a pipeline"),
        (["demo", "--scale", "0"], "0.0 is not in the range 0<x<=1000"),
        (["demo", "--env", "prod"], "The environment 'prod' has real sources"),
        (["ui", "--port", "99999"], "99999 is not in the range"),
    ],
)
def test_wrong_usage_ends_with_2_and_no_traceback(words: list[str], message: str) -> None:
    result = lake(*words)
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert "Traceback" not in result.output
    told = json.loads(lake(*words, "--json").stdout)
    assert (told["ok"], told["exit_code"]) == (False, 2)
    assert message in told["error"]


@pytest.mark.parametrize("command", _COMMANDS)
def test_every_command_has_examples_and_json(command: str) -> None:
    result = lake(command, "--help")
    assert result.exit_code == 0
    assert f"  lake {command}" in result.output.partition("Examples:")[2]
    assert "--json" in result.output
    assert "--env" in result.output


_PIPELINE = [
    *("name", "title", "description", "owner", "tags"),
    *("partitions", "schedule", "assets", "file"),
]
_ASSET = ["key", "title", "pipeline", "kind", "partitions", "from", "owner", "columns"]


def test_list() -> None:
    document = json.loads(lake("list", "--json").output)
    assert [one["name"] for one in document["pipelines"]] == [
        "bw_sales_result_daily",
        "bw_sales_result_monthly",
        "customer_master",
        "days_split_upload",
        "dlp_log",
        "finance_ml_final",
        "hdfs_to_sftp_sample",
        "openapi_weather",
        "outstanding_balance_aging",
        "outstanding_balance_monthly",
    ]
    assert set(document["pipelines"][0]) == set(_PIPELINE)
    [raw] = [one for one in document["assets"] if one["key"] == "raw/bw_sales_result"]
    assert set(raw) == set(_ASSET)
    assert raw["from"] == ["src/hana_bw/bw_sales_result"]
    assert raw["columns"]["amount"] == "decimal(18,2)"
    assert set(json.loads(lake("list", "--assets", "--json").output)) == {"assets"}


def test_list_aligns_korean() -> None:
    rows = json.loads(lake("list", "--assets", "--json").output)["assets"]
    lines = lake("list", "--assets").output.splitlines()[1:]
    starts = set()
    for line, row in zip(lines, rows, strict=True):
        before = line.rstrip().removesuffix(row["pipeline"])
        # A Hangul syllable is one character and two columns wide.
        starts.add(len(before) + sum("가" <= one <= "힣" for one in before))
    assert len(starts) == 1


_ROWS = [("prep/sales_customer_rank_monthly", "지역·거래처 유형·제품군별 월 매출", 1)]


@pytest.mark.parametrize(
    ("width", "lines"),
    [
        (
            53,
            [
                "key                               title            no",
                "prep/sales_customer_rank_monthly  지역·거래처       1",
                "                                  유형·제품군별",
                "                                  월 매출",
            ],
        ),
        # Wider than the terminal, but no word is cut.
        (
            20,
            [
                "key                               title          no",
                "prep/sales_customer_rank_monthly  지역·거래처     1",
                "                                  유형·제품군별",
                "                                  월 매출",
            ],
        ),
    ],
)
def test_tables_fold_between_words(width: int, lines: list[str]) -> None:
    screen = Console(file=io.StringIO(), width=width)
    show_table(screen, ("key", "title", "no"), _ROWS, right=("no",))
    shown = screen.file.getvalue()  # type: ignore[attr-defined]
    assert [line.rstrip() for line in shown.splitlines()] == lines


def test_how_the_command_is_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "env" / "bin" / "lake"
    own.parent.mkdir(parents=True)
    monkeypatch.setattr(sys, "executable", str(own.with_name("python")))
    monkeypatch.setenv("PATH", "")
    assert lake_word() == "lake"  # not installed as a command
    own.write_text("")
    own.chmod(0o755)
    assert lake_word() == str(own)
    monkeypatch.chdir(tmp_path)
    assert lake_word() == "env/bin/lake"
    monkeypatch.setenv("PATH", str(own.parent))
    assert lake_word() == "lake"


def test_a_pipe_is_never_too_narrow() -> None:
    screen = console(io.StringIO())
    words = " ".join(["word"] * 500)
    show_table(screen, ("key", "title"), [("a", words)])
    assert screen.file.getvalue().splitlines()[1] == f"a    {words}"  # type: ignore[attr-defined]


def test_hand_written_assets_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert lake("new", "extra", "--folder", str(tmp_path)).exit_code == 0
    (tmp_path / "extra" / "assets.py").write_text(
        "import dagster as dg\n"
        "@dg.asset(key=['prep', 'by_hand'], deps=['other'], owners=['team:x'])\n"
        "def by_hand(): ...\n"
    )
    monkeypatch.setenv("LAKE_PIPELINES", str(tmp_path))
    rows = json.loads(lake("list", "--assets", "--json").output)["assets"]
    [row] = [one for one in rows if one["key"] == "prep/by_hand"]
    assert (row["from"], row["owner"], row["kind"]) == (["other"], "team:x", "python")


def test_new_writes_a_pipeline_that_is_valid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spaced = lake("new", "other", "--folder", str(tmp_path / "a b"))
    assert f"LAKE_PIPELINES='{tmp_path}/a b' lake validate" in spaced.output
    result = lake("new", "my_first", "--folder", str(tmp_path))
    assert result.exit_code == 0
    assert f"written: {tmp_path}/my_first/pipeline.yaml" in result.output
    assert (
        "Next: change it, then\n"
        "  lake demo  (generates the sources that it reads, where there are none yet)\n"
        f"  LAKE_PIPELINES={tmp_path} lake validate\n"
    ) in result.output
    monkeypatch.setenv("LAKE_PIPELINES", str(tmp_path))
    result = lake("validate")
    assert (result.exit_code, result.output) == (
        0,
        "11 pipelines, 22 assets, environment local: no mistake\n",
    )
    assert lake("new", "my_first").exit_code == 2


def test_validate_tells_all_mistakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake("new", "my_first", "--folder", str(tmp_path))
    file = tmp_path / "my_first" / "pipeline.yaml"
    text = file.read_text()
    file.write_text(text.replace("connection: hana_bw", "conection: hana_bw"))
    monkeypatch.setenv("LAKE_PIPELINES", str(tmp_path))
    line = text.splitlines().index("    connection: hana_bw") + 1
    result = lake("validate")
    assert result.exit_code == 2
    assert f"my_first/pipeline.yaml:{line}: " in result.stderr
    assert "did you mean 'connection'" in result.stderr
    document = json.loads(lake("validate", "--json").output)
    assert document["ok"] is False
    assert document["exit_code"] == 2
    assert {"file", "line", "what", "cure"} == set(document["mistakes"][0])
    assert line in {one["line"] for one in document["mistakes"]}
    # The graph does not load either, and says the same without a traceback.
    code = "from lake_assets.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "run", "raw/x"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 2
    assert f"pipeline.yaml:{line}: " in done.stderr
    assert "Traceback" not in done.stderr


def test_validate_tells_sql_beside_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = changed(("sum(amount)", "sum(amout)"), ("sums: [amount]", "sums: [x]"))
    write(tmp_path, {"sales": text})
    monkeypatch.setenv("LAKE_PIPELINES", str(tmp_path))
    result = lake("validate")
    assert result.exit_code == 2
    for words in ("sum(amout)", "sums: [x]"):
        assert f"sales/pipeline.yaml:{line_of(text, words)}: " in result.stderr


def test_schema() -> None:
    document = json.loads(lake("schema").output)
    assert document["title"] == "pipeline.yaml"
    assert document == json.loads(lake("schema", "--json").output)


def test_peek_at_what_is_not_there() -> None:
    result = lake("peek", "raw/customer")
    assert result.exit_code == 75
    assert "raw/customer is not in the lake yet: lake run +raw/customer" in result.stderr
    document = json.loads(lake("peek", "raw/customer", "--json").output)
    assert (document["ok"], document["exit_code"]) == (False, 75)


def test_peek_says_which_file_it_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = (ROOT / "resources" / "environments" / "local.yaml").read_text(encoding="utf-8")
    hdfs = 'hdfs: {kind: hdfs, url: "http://127.0.0.1:9870", user: lake}'
    assert hdfs in local
    storage = f"hdfs: {{kind: storage, path: {tmp_path}}}"
    (tmp_path / "mine.yaml").write_text(local.replace(hdfs, storage), encoding="utf-8")
    (tmp_path / "pipelines" / "one").mkdir(parents=True)
    (tmp_path / "pipelines" / "one" / "pipeline.yaml").write_text(
        "version: 1\ntitle: 재고\ndescription: 시험\nowner: team:data\n"
        'tags: ["0.ETL", "1.Start:HDFS", "2.End:HDFS", "재고"]\n'
        'partitions: {daily: {start: "2024-01-01", end: "2025-01-01"}}\n'
        "sources:\n  stock:\n    title: 재고\n    connection: hdfs\n"
        "    file: {path: 'stock_{today:%Y%m%d}.csv', format: csv}\n    columns: {id: int32}\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("LAKE_ENVIRONMENTS", str(tmp_path))
    monkeypatch.setenv("LAKE_ENV", "mine")
    monkeypatch.setenv("LAKE_PIPELINES", str(tmp_path / "pipelines"))
    assert lake("peek", "src/hdfs/stock").stdout.splitlines()[0] == (
        "src/hdfs/stock: stock_20241231.csv: nothing is there, or no rows; it is that of the last "
        "partition, 2024-12-31"
    )
    (tmp_path / "stock_20241231.csv").write_text("id\n7\n")
    assert lake("peek", "src/hdfs/stock").stdout.splitlines() == [
        "src/hdfs/stock: stock_20241231.csv",
        "id",
        "7 ",
    ]


def test_light_commands_do_not_import_dagster() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from lake_assets.cli.main import cli\n"
        "for words in (['--help'], ['list'], ['run', '--help'], ['validate'], ['schema']):\n"
        "    assert CliRunner().invoke(cli, words).exit_code == 0, words\n"
        "    assert 'dagster' not in sys.modules, words\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("words", "reader", "read"), [("schema", "head -1", "{\n"), ("list", "true", "")]
)
def test_a_closed_pipe_is_no_error(words: str, reader: str, read: str) -> None:
    code = "from lake_assets.cli.main import main; main()"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"{sys.executable} -c '{code}' {words} | {reader}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, read, "")
