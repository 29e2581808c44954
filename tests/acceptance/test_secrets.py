"""No password and no personal value outside of the lake's own files, whatever goes wrong.

Here: runs that succeed and fail in every way that holds a value in its hands, then a search through
the instance's files, the commands' output and all messages. Not here: the files of the lake, which
are the data, and what a pipeline's own Python prints.
"""

from __future__ import annotations

import gzip
import json
import sqlite3
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.lake import command, ended, open_lake, pg_environment, write_pipeline
from tests.servers.postgres import PostgresServer, free_port

pytestmark = pytest.mark.server

PASSWORD = "pa55-Wort-geheim"
WRONG = "wr0ng-Passw0rt"
PERSONAL = {
    "name": "홍길동-Masked-7719",
    "name of another": "Masked-8820",
    "secret": "Secret-660412-1",
    "secret of another": "Secret-770513-2",
    "number": "8210445566770",
    "number of another": "8210998877660",
    "birthday": "Birth-19660412",
}
#: Not personal: the control, which the same search must find.
PLAIN = "Plain-code-31337"

ROWS = f"""
CREATE TABLE people (
  id bigint NOT NULL, code text, name text, ssn text, phone bigint, birth text, amount numeric,
  sale_date date NOT NULL);
INSERT INTO people VALUES
  (1, '{PLAIN}', '홍길동-Masked-7719', 'Secret-660412-1', 8210445566770, 'Birth-19660412', 1.005,
   '2025-07-01'),
  (2, 'x', 'Masked-8820', 'Secret-770513-2', 8210998877660, '20250701', 8210445566770.123,
   '2025-07-01'),
  (3, 'x', 'Masked-8820', 'Secret-770513-2', 8210998877660, '20250701', 'NaN', '2025-07-01');
GRANT SELECT ON people TO lake_people;
"""

PII = {
    "name": {"type": "string", "pii": "masked"},
    "ssn": {"type": "string", "pii": "secret"},
    "phone": {"type": "int64", "pii": "masked"},
    "birth": {"type": "string", "pii": "masked"},
}

TRANSFORMS = """
import polars as pl


def cast(people: pl.DataFrame) -> pl.DataFrame:
    return people.select("id", name=pl.col("name").cast(pl.Int64))


def unfit(people: pl.DataFrame) -> pl.DataFrame:
    return people.select("id", "name")


def raising(people: pl.DataFrame) -> pl.DataFrame:
    raise ValueError(f"nobody is called {people['name'][0]}")
"""


def source(**changes: Any) -> dict[str, Any]:
    columns = {"id": "int64", "code": "string", **PII, **changes.pop("columns", {})}
    return {
        "title": "사람",
        "connection": "hana_bw",
        "schema": "public",
        "table": "people",
        "columns": columns,
        "order_by": ["ssn", "phone"],
        **changes,
    }


def dataset(**changes: Any) -> dict[str, Any]:
    columns = {"id": "int64", "name": {"type": "int64", "pii": "masked"}}
    return {"title": "사람", "inputs": ["raw/people"], "columns": columns, **changes}


def sql(text: str) -> dict[str, Any]:
    return dataset(sql=f"SELECT id, {text} AS name FROM people")


def gate(**rules: Any) -> dict[str, Any]:
    return source(gates=rules)


FAILING_SOURCES = {
    "unique_secret": gate(unique=["ssn"]),
    "unique_mixed": gate(unique=["code", "ssn"]),
    "accepted_name": gate(accepted={"name": ["someone else"]}),
    "range_phone": gate(range={"phone": {"max": 9}}),
    "expect_name": gate(expect={"short": "length(name) < 3"}),
    "expect_cast": gate(expect={"number": "CAST(name AS INTEGER) > 0"}),
    "expect_small": gate(expect={"small": "phone * phone > 0"}),
    "misfit": source(columns={"amount": {"type": "decimal(18,2)", "pii": "masked"}}),
    "filter_cast": source(filter="CAST(name AS INTEGER) > 0"),
    "query_cast": source(
        table=None,
        schema=None,
        query="SELECT id, code, name, ssn, CAST(ssn AS bigint) AS phone, birth FROM people",
    ),
}
FAILING_DATASETS = {
    "sql_cast": sql("CAST(name AS BIGINT)"),
    "sql_small": sql("CAST(CAST(phone AS TINYINT) AS BIGINT)"),
    "sql_date": sql("CAST(year(strptime(birth, '%Y%m%d')) AS BIGINT)"),
    "sql_error": sql("CAST(error('no ' || name) AS BIGINT)"),
    "sql_overflow": sql("phone * phone"),
    "transform_cast": dataset(transform="transform.py:cast"),
    "transform_unfit": dataset(transform="transform.py:unfit"),
    "transform_raising": dataset(transform="transform.py:raising"),
}


def pipeline() -> dict[str, Any]:
    sources = {
        "people": source(checks={"expect": {"never": "length(name) < 3"}, "unique": ["ssn"]}),
        "people_of_day": source(
            columns={"sale_date": "date"},
            window={"column": "sale_date"},
            partitions={"daily": {"start": "2025-07-01", "end": "2025-07-02"}},
        ),
        "born": source(
            window={"column": "birth", "kind": "yyyymmdd"},
            partitions={"daily": {"start": "2025-07-01", "end": "2025-07-02"}},
            table=None,
            schema=None,
            query="SELECT * FROM people WHERE :start < :end",
        ),
        **FAILING_SOURCES,
    }
    return {
        "version": 1,
        "title": "사람",
        "description": "개인정보",
        "owner": "team:data",
        "tags": ["0.ETL", "1.Start:SAP", "2.End:HDFS", "사람"],
        "run": {"retries": 0},
        "sources": {
            name: {key: value for key, value in one.items() if value is not None}
            for name, one in sources.items()
        },
        "datasets": {
            "good": dataset(
                sql="SELECT id, code, name, ssn FROM people",
                columns={
                    "id": "int64",
                    "code": "string",
                    "name": {"type": "string", "pii": "masked"},
                    "ssn": {"type": "string", "pii": "secret"},
                },
            ),
            **FAILING_DATASETS,
        },
    }


# -- the search


def texts(home: Path) -> Iterator[tuple[str, bytes]]:
    """All that the history and the logs hold, as it lies there and unpacked."""
    for file in sorted(home.rglob("*")):
        if not file.is_file() or file.is_relative_to(home / "lake"):
            continue
        content = file.read_bytes()
        yield str(file.relative_to(home)), content
        if content.startswith(b"SQLite format 3"):
            with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as database:
                database.text_factory = bytes
                for (table,) in database.execute(
                    "SELECT name FROM sqlite_master WHERE type = 'table'"
                ).fetchall():
                    for row in database.execute(f'SELECT * FROM "{table.decode()}"'):
                        for value in row:
                            if isinstance(value, bytes):
                                yield f"{file.name}:{table.decode()}", unpacked(value)
        else:
            yield str(file.relative_to(home)), unpacked(content)


def unpacked(content: bytes) -> bytes:
    for unpack in (gzip.decompress, zlib.decompress):
        try:
            return unpack(content)
        except (OSError, EOFError, zlib.error):
            continue
    return content


def forms(needle: str) -> set[bytes]:
    """As it is, in JSON, and in JSON in JSON."""
    once = json.dumps(needle)[1:-1]
    return {text.encode() for text in (needle, once, json.dumps(once)[1:-1], repr(needle)[1:-1])}


def found(needle: str, haystack: list[tuple[str, bytes]]) -> list[str]:
    wanted = forms(needle)
    hits = [(where, text) for where, text in haystack if any(form in text for form in wanted)]
    return [f"{where}: {excerpt(text, wanted)}" for where, text in hits]


def excerpt(text: bytes, wanted: set[bytes]) -> str:
    at = max(text.find(form) for form in wanted)
    return text[max(0, at - 200) : at + 60].decode(errors="replace")


# -- the tests


@pytest.fixture(scope="module")
def people(postgres_server: PostgresServer) -> str:
    database = postgres_server.create_database("people")
    postgres_server.create_role("lake_people", PASSWORD)
    postgres_server.execute(ROWS, database)
    return database


def output(process: subprocess.Popen[str]) -> bytes:
    code, out, err = ended(process)
    return f"exit {code}\n{out}\n{err}".encode()


def test_no_secret_and_no_personal_value_is_told(
    postgres_server: PostgresServer, people: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    pipelines = write_pipeline(tmp_path / "pipelines", pipeline(), "people")
    (pipelines / "people" / "transform.py").write_text(TRANSFORMS)
    login = {"user": "lake_people", "password": "env:LAKE_TEST_PASSWORD"}
    environments = pg_environment(tmp_path / "envs", postgres_server, people, **login).parent
    for name, address in (("refused", {"port": free_port()}), ("elsewhere", {"host": "0.0.0.0"})):
        file = pg_environment(tmp_path / name, postgres_server, people, **login, **address)
        file.rename(environments / f"{name}.yaml")
    monkeypatch.setenv("LAKE_TEST_PASSWORD", PASSWORD)

    haystack: list[tuple[str, bytes]] = []

    def lake(*words: str, env: str = "pg", password: str = PASSWORD) -> bytes:
        options = {"environments": environments, "pipelines": pipelines, "env": env}
        process = command(home, *words, **options, LAKE_TEST_PASSWORD=password)  # type: ignore[arg-type]
        said = output(process)
        haystack.append((f"lake {' '.join(words)} ({env})", said))
        return said

    # Runs in this process, which tell the tests more; the commands after them tell people.
    failing = [f"raw/{name}" for name in FAILING_SOURCES]
    failing += [f"prep/{name}" for name in FAILING_DATASETS]
    with open_lake(home, [pipelines], environments) as graph:
        assert graph.run("raw/people", "prep/good").success
        for asset in failing:
            run = graph.run(asset)
            assert not run.success, asset
            told = repr([event.event_specific_data for event in run.events])
            haystack.append((f"{asset} in process", told.encode()))
        for asset in ("raw/people_of_day", "raw/born"):
            run = graph.run(asset, first="2025-07-01")
            assert run.success == (asset == "raw/people_of_day")
            haystack.append((asset, repr(run.events).encode()))
        haystack.append(("settings", repr(graph.settings).encode()))
        haystack.append(("definitions", repr(graph.definitions).encode()))

    assert b"exit 0" in lake("run", "raw/people", "prep/good", "--force")
    assert b"exit 65" in lake("run", "--force", "-v", "raw/unique_secret", "prep/sql_cast")
    assert b"exit 65" in lake("run", "--force", "--json", "raw/expect_cast", "prep/sql_error")
    for words in (("peek", "raw/people"), ("peek", "src/hana_bw/people", "--json")):
        assert b"exit 0" in lake(*words)
    for env, password, code in (("pg", WRONG, 65), ("refused", PASSWORD, 1)):
        assert f"exit {code}".encode() in lake(
            "run", "--force", "-v", "raw/people", env=env, password=password
        )
        lake("peek", "src/hana_bw/people", env=env, password=password)
    haystack += texts(home)

    hits = {
        name: found(needle, haystack)
        for name, needle in {**PERSONAL, "password": PASSWORD, "wrong password": WRONG}.items()
    }
    assert {name: where for name, where in hits.items() if where} == {}
    # The search finds what is there: in the database, and in what the commands say.
    where = " ".join(found(PLAIN, haystack))
    assert "event_logs" in where
    assert "lake peek raw/people" in where


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress, bytes])
def test_the_search_finds_what_is_packed_and_escaped(tmp_path: Path, pack: Any) -> None:
    needle = PERSONAL["name"]
    with sqlite3.connect(tmp_path / "some.db") as database:
        database.execute("CREATE TABLE event_logs (event TEXT)")
        packed = pack(json.dumps({"text": json.dumps(needle)}).encode())
        database.execute("INSERT INTO event_logs VALUES (?)", [packed])
    (tmp_path / "log").write_bytes(pack(needle.encode()))
    hits = found(needle, list(texts(tmp_path)))
    assert any(hit.startswith("some.db:event_logs") for hit in hits)
    assert any(hit.startswith("log") for hit in hits)
