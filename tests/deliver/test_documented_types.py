"""The types of docs/deliveries.md that PostgreSQL and MariaDB hold, and some that they do not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from resources import deliver_mariadb, deliver_postgres
from resources.deliver_values import Room, holds
from resources.errors import TransientError
from resources.types import parse_type

TEXT = (Path(__file__).parents[2] / "docs" / "deliveries.md").read_text(encoding="utf-8")
_HEAD = "| in the lake | PostgreSQL | MariaDB, MySQL |\n|---|---|---|\n"
ROWS = [line.strip("| ").split(" | ") for line in TEXT.split(_HEAD)[1].split("\n\n")[0].split("\n")]


def postgres(shown: str) -> Room:
    return deliver_postgres.room("c", "b", shown, False, False, False, "UTF8")


def mariadb(shown: str) -> Room:
    kind = re.split(r"[( ]", shown, maxsplit=1)[0]
    return deliver_mariadb.room("c", kind, shown, 1, 0, 0, "utf8mb4", None, None)


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_what_is_shown_to_fit_does(row: list[str]) -> None:
    of = parse_type(row[0].strip("`"))
    for cell, room in zip(row[1:], (postgres, mariadb), strict=True):
        for shown in re.findall(r"`(.*?)`", cell):
            assert holds(room(shown), of), shown


def test_every_type_of_the_lake_is_shown() -> None:
    whole = {"int8", "int16", "int32", "int64"}
    others = {"float32", "float64", "boolean", "string", "date", "timestamp", "timestamptz"}
    assert {row[0].strip("`") for row in ROWS} == {*whole, *others, "decimal(18,2)", "binary"}


@pytest.mark.parametrize(
    ("room", "kind"),
    [
        (mariadb("datetime(6)"), "timestamptz"),
        (mariadb("datetime"), "timestamp"),
        (mariadb("int(10) unsigned"), "int32"),
        (mariadb("varchar(10)"), "date"),
        (postgres("character varying(10)"), "date"),
        (postgres("timestamp(3) without time zone"), "timestamp"),
    ],
)
def test_what_does_not(room: Room, kind: str) -> None:
    assert not holds(room, parse_type(kind))


def test_a_lost_connection_is_told_without_a_gap() -> None:
    told = deliver_postgres.told(
        _Lost("server closed the connection unexpectedly"), "out/a 2025-07-01", "'postgres'"
    )
    assert isinstance(told, TransientError)
    assert "the connection was lost; try again" in str(told)


class _Lost(Exception):
    """Stands in for psycopg2's, which has no code where the server told none."""

    pgcode = None
