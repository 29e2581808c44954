"""The server that other tests lean on: it is there, speaks UTF-8 and asks roles for passwords."""

from __future__ import annotations

import contextlib

import psycopg2
import pytest

from tests.servers.postgres import PostgresServer

pytestmark = pytest.mark.server


def test_it_keeps_korean_and_asks_for_passwords(postgres_server: PostgresServer) -> None:
    postgres_server.create_database("probe")
    postgres_server.execute("CREATE TABLE 점포 AS SELECT '서울' AS 이름", "probe")
    with contextlib.closing(postgres_server.connect("probe")) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT 이름 FROM 점포")
        assert cursor.fetchall() == [("서울",)]
    role = postgres_server.create_role("probe_reader", "right")
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(
            host=postgres_server.host,
            port=postgres_server.port,
            user=role,
            password="wrong",
            dbname="probe",
        )
