"""What goes wrong on a real server leaves its table as it was, and is told without a value."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from resources.errors import LakeError, PermanentError, TransientError
from resources.settings import Connection
from tests.deliver import databases
from tests.deliver.databases import Database
from tests.deliver.test_tables import EMPTY, FULL, NULLS, THERE, deliver, delivery, found, sorted_

pytestmark = pytest.mark.server


@pytest.fixture(scope="module", params=["postgres", "mariadb"])
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    server = request.getfixturevalue(f"{request.param}_server")
    with getattr(databases, request.param)(server) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DELIVER_WORD", databases.PASSWORD)


def _sessions(database: Database) -> str:
    if database.kind == "postgres":
        return "SELECT pid FROM pg_stat_activity WHERE usename = 'deliverer'"
    return "SELECT id FROM information_schema.processlist WHERE user = 'deliverer'"


def _end_sessions(database: Database) -> None:
    """As a server does that is shut down, or a network that goes."""
    for (number,) in database.rows(_sessions(database)):
        if database.kind == "postgres":
            database.execute(f"SELECT pg_terminate_backend({number})")
        else:
            database.execute(f"KILL CONNECTION {number}")


def _interrupted(batches: list[pa.RecordBatch], after: Callable[[], None]) -> Iterator[Any]:
    yield batches[0]
    after()
    yield from batches[1:]


def test_a_session_that_is_ended_leaves_the_old_rows(database: Database) -> None:
    database.make("t", THERE)
    deliver(database, delivery([FULL]))
    one = delivery([EMPTY, NULLS] * 50_000)
    broken = replace(one, batches=_interrupted(list(one.batches), lambda: _end_sessions(database)))
    with pytest.raises(TransientError, match=r"try again|lost") as told:
        deliver(database, broken)
    assert databases.PASSWORD not in str(told.value)
    assert found(database) == [FULL]
    deliver(database, delivery([EMPTY]))
    assert found(database) == [EMPTY]


def test_rows_that_end_in_an_error_leave_the_old_ones(database: Database) -> None:
    """Of the lake's own making: a file that is replaced while it is read, a bug."""
    database.make("t", THERE)
    deliver(database, delivery([FULL]))

    def fail() -> None:
        raise TransientError("the file was replaced while it was read")

    one = delivery([EMPTY, NULLS, NULLS])
    with pytest.raises(TransientError, match="replaced while it was read"):
        deliver(database, replace(one, batches=_interrupted(list(one.batches), fail)))
    assert found(database) == [FULL]
    assert database.rows(_sessions(database)) in ([], database.rows(_sessions(database)))


def test_no_right(database: Database) -> None:
    database.make("t", THERE)
    to = "deliverer" if database.kind == "postgres" else "deliverer@'127.0.0.1'"
    grants = "" if database.kind == "postgres" else "target."
    database.execute(f"REVOKE DELETE ON {grants}t FROM {to}")
    with pytest.raises(PermanentError, match="GRANT SELECT, INSERT, UPDATE, DELETE") as told:
        deliver(database, delivery([FULL]))
    assert "Nothing was written" in str(told.value)
    assert found(database) == []


def test_another_unique_index_is_violated(database: Database) -> None:
    database.make("t", THERE, "PRIMARY KEY (id)", "UNIQUE (small)")
    deliver(database, delivery([FULL, EMPTY], "upsert", ["id"]))
    clash = {**NULLS, "small": FULL["small"], "name": "비밀"}
    with pytest.raises(PermanentError, match="hold the same values") as told:
        deliver(database, delivery([{**EMPTY, "name": "x"}, clash], "upsert", ["id"]))
    assert "-32768" not in str(told.value)
    assert found(database) == sorted_([FULL, EMPTY])


def test_a_constraint_is_violated(database: Database) -> None:
    database.make("t", THERE, "CHECK (small > 0 OR small IS NULL)")
    with pytest.raises(PermanentError, match=r"correct the rows|have the constraint changed"):
        deliver(database, delivery([EMPTY, FULL]))
    assert found(database) == []


def test_a_trigger_that_drops_rows_is_noticed(database: Database) -> None:
    database.make("t", THERE)
    if database.kind == "mariadb":
        database.execute(
            "CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW SET NEW.dt = '2000-01-01'"
        )
    else:
        database.execute(
            "CREATE OR REPLACE FUNCTION drop_it() RETURNS trigger AS "
            "'BEGIN RETURN NULL; END' LANGUAGE plpgsql",
            "CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION drop_it()",
        )
    with pytest.raises(PermanentError, match="0 rows are there of 2 delivered: a trigger"):
        deliver(database, delivery([FULL, EMPTY]))
    assert found(database) == []


def test_two_deliveries_at_once_are_one_after_the_other(database: Database) -> None:
    database.make("t", THERE)
    errors: list[BaseException] = []
    one, other = [FULL, EMPTY] * 500, [NULLS] * 700

    def run(rows: list[dict[str, Any]]) -> None:
        try:
            for _ in range(3):
                deliver(database, replace(delivery(rows), batches=_whole(rows)))
        except LakeError as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(rows,)) for rows in (one, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(found(database)) in (1000, 700)


def _whole(rows: list[dict[str, Any]]) -> list[pa.RecordBatch]:
    return pa.Table.from_batches(list(delivery(rows).batches)).combine_chunks().to_batches()


@pytest.mark.parametrize(
    ("other", "kind", "said"),
    [
        ({"password": None}, PermanentError, "password"),
        ({"database": "nowhere"}, PermanentError, "database"),
        ({"port": 1}, TransientError, "reach"),
        ({"options": {"x": 1}}, PermanentError, "unknown option 'x'; allowed"),
    ],
)
def test_connecting(
    database: Database, other: dict[str, Any], kind: type[LakeError], said: str
) -> None:
    address = database.connection.model_dump(exclude={"limits"})
    given = {key: value for key, value in (address | other).items() if value not in (None, {})}
    changed = replace(database, connection=Connection(**given))
    with pytest.raises(kind, match=said) as told, contextlib.suppress(AttributeError):
        deliver(changed, delivery([FULL]))
    assert databases.PASSWORD not in str(told.value)


@pytest.mark.parametrize("database", ["mariadb"], indirect=True)
def test_an_engine_without_transactions_is_refused(database: Database) -> None:
    database.make("t", THERE)
    database.execute("ALTER TABLE t ENGINE=MyISAM")
    with pytest.raises(PermanentError, match="the table's engine is MyISAM, which has no trans"):
        deliver(database, delivery([FULL]))


@pytest.mark.parametrize("database", ["mariadb"], indirect=True)
def test_characters_that_a_column_has_not(database: Database) -> None:
    """MariaDB has an encoding for each column, PostgreSQL for each database (`test_euc_kr`)."""
    types = {"id": "int64", "dt": "date", "name": "string"}
    for charset, good, bad, said in (
        ("euckr", "똠방각하", "😀", "cp949"),
        ("utf8mb3", "똠방각하", "😀", "utf8mb3"),
        ("latin1", "é€", "가", "cp1252"),
    ):
        database.make("t", [*THERE[:2], ("name", f"varchar(20) CHARACTER SET {charset}")])
        row = {"id": 1, "dt": FULL["dt"], "name": good}
        deliver(database, delivery([row], types=types))
        assert found(database, types=types) == [row]
        with pytest.raises(PermanentError, match=rf"a character that {said} lacks \(at id"):
            deliver(database, delivery([row, {**row, "name": bad}], types=types))
        assert found(database, types=types) == [row]


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
def test_euc_kr(database: Database) -> None:
    database.execute(
        "DROP DATABASE IF EXISTS korean",
        "CREATE DATABASE korean ENCODING 'EUC_KR' TEMPLATE template0 LOCALE 'C'",
    )
    types = {"id": "int64", "dt": "date", "name": "string"}
    address = database.connection.model_copy(update={"database": "korean"})
    import psycopg2

    with contextlib.closing(
        psycopg2.connect(host=address.host, port=address.port, user="postgres", dbname="korean")
    ) as owner:
        owner.autocommit = True
        cursor = owner.cursor()
        cursor.execute("CREATE TABLE t (id bigint, dt date, name text)")
        cursor.execute("GRANT ALL ON t TO deliverer")
        korean = replace(database, connection=address)
        row = {"id": 1, "dt": FULL["dt"], "name": "한글"}
        deliver(korean, delivery([row], types=types))
        with pytest.raises(PermanentError, match=r"a character that euc_kr lacks \(at id"):
            deliver(korean, delivery([{**row, "name": "똠"}], types=types))
        cursor.execute("SELECT name FROM t")
        assert cursor.fetchall() == [("한글",)]


def test_kinds_of_columns_that_keep_not_everything(database: Database) -> None:
    """`None`: the type fits. Else the words by which it is refused."""
    cases = {
        "postgres": [
            ("timestamp(0)", "timestamp", "timestamp does not fit"),
            ("timestamptz", "timestamp", "timestamp does not fit"),
            ("numeric", "decimal(38,10)", None),
            ("numeric(20,2)", "int64", "int64 does not fit"),
            ("numeric(21,2)", "int64", None),
            ("integer", "int64", "int64 does not fit"),
            ("real", "float64", "float64 does not fit"),
            ("double precision", "float32", None),
            ("uuid", "string", "string does not fit"),
            ("jsonb", "string", "string does not fit"),
            ("bigint GENERATED ALWAYS AS IDENTITY", "int64", "generated there"),
        ],
        "mariadb": [
            ("datetime", "timestamp", "timestamp does not fit"),
            ("datetime(6)", "timestamp", None),
            ("int unsigned", "int32", "int32 does not fit"),
            ("decimal(21,2)", "int64", None),
            ("float", "float64", "float64 does not fit"),
            ("tinyint(1)", "boolean", None),
            ("bit(8)", "boolean", "boolean does not fit"),
            ("enum('a')", "string", "string does not fit"),
            ("bigint AS (1) STORED", "int64", "generated there"),
        ],
    }
    for shown, kind, said in cases[database.kind]:
        database.make("t", [("dt", "date"), ("x", shown)])
        one = delivery([], types={"dt": "date", "x": kind})
        if said is None:
            deliver(database, one)
        else:
            with pytest.raises(PermanentError, match=said):
                deliver(database, one)


def test_blanks_that_a_char_column_loses(database: Database) -> None:
    types = {"id": "int64", "dt": "date", "name": "string"}
    database.make("t", [*THERE[:2], ("name", "char(3)")])
    row = {"id": 1, "dt": FULL["dt"], "name": "가나다"}
    deliver(database, delivery([row], types=types))
    with pytest.raises(PermanentError, match="'name' ends with a blank, which char"):
        deliver(database, delivery([{**row, "name": "가 "}], types=types))
    assert found(database, types=types) == [row]
