"""A company's CA, made here, and servers whose certificates it signed: who is believed, who not.

Real: PostgreSQL, MariaDB, and the drivers of all others. Stand-ins, called so: the open API, the
Elasticsearch, the NameNode behind TLS, and what HANA's and SQL Server's drivers are called with
(their TLS with a listener is in `test_hana.py` and `test_sqlserver.py`). Not tried: a Kerberos KDC,
an LDAP server, HANA, Tibero.
"""

from __future__ import annotations

import base64
import importlib
import shutil
import socket
import ssl
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
import pytest

from lake_assets.sample.search_index import Index, SearchStandin, documents
from lake_assets.sample.services import Answer, serving
from resources import (
    deliver_mariadb,
    deliver_postgres,
    doctor_checks,
    doctor_network,
    elasticsearch,
    hana,
    jdbc,
    mariadb,
    open_api,
    postgres,
    sqlserver,
    tls,
)
from resources.deliver import Delivery, TableTarget
from resources.described import ApiSource, IndexSource
from resources.doctor import Check
from resources.errors import LakeError, PermanentError, TransientError
from resources.hdfs import Hdfs
from resources.hive import HiveConnection
from resources.settings import Connection
from resources.source import _MODULES, Column, Source, Table
from resources.types import parse_type
from tests.conftest import _started
from tests.servers.authority import Authority, Certificate, tls_front
from tests.servers.hive import HiveServer
from tests.servers.mariadb import MariaDBServer, running_mariadb
from tests.servers.postgres import PostgresServer, running_postgres

WORD = "gehe'im\\ \"1"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TLS_WORD", WORD)
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)


@dataclass(frozen=True)
class Company:
    """Two authorities: `own` signed the servers' certificates, nobody is signed by `other`."""

    own: Authority
    other: Authority


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Company:
    folder = tmp_path_factory.mktemp("ca")
    return Company(Authority(folder / "own"), Authority(folder / "other", "Somebody's CA"))


def files(company: Company, options: Mapping[str, Any]) -> dict[str, Any]:
    """Options with the name of a CA where it stands for its file."""
    known = {"own": company.own.file, "other": company.other.file, "none": "/no/such.pem"}
    return {key: str(known[value]) if value in known else value for key, value in options.items()}


def checked(said: str, parts: list[str]) -> None:
    for part in parts:
        assert part in said, said
    assert WORD not in said


NAMES = [Column("id", "id", parse_type("int64")), Column("name", "name", parse_type("string"))]
TABLE = Table(tuple(NAMES), table="t", order_by=("id",))
ROWS = [{"id": 2**53 + 1, "name": "서울"}, {"id": 2, "name": None}]


def rows_of(source: Source, table: Table = TABLE) -> list[dict[str, Any]]:
    with source, source.read(table) as reading:
        found: list[dict[str, Any]] = pa.Table.from_batches(
            reading.batches, reading.schema
        ).to_pylist()
        return sorted(found, key=lambda row: -row["id"])


TRUSTED = "who signed the server's certificate is not trusted here"
NAMED = "the certificate is for another name"


# -- PostgreSQL, real


@pytest.fixture(scope="module")
def secure_postgres(company: Company) -> Iterator[PostgresServer]:
    certificate = company.own.certificate("localhost")
    for server in _started("PostgreSQL", running_postgres(certificate)):
        server.create_database("d")
        server.create_role("reader", WORD)
        server.execute(
            "CREATE TABLE t (id bigint, name text); GRANT SELECT ON t TO reader;"
            "INSERT INTO t VALUES (9007199254740993, '서울'), (2, NULL)",
            "d",
        )
        yield server


def postgres_at(server: PostgresServer, options: dict[str, Any], host: str) -> Connection:
    return Connection(
        kind="postgres",
        host=host,
        port=server.port,
        database="d",
        user="reader",
        password="env:TLS_WORD",
        options=options,
    )


POSTGRES: list[tuple[str, dict[str, Any], str, list[str]]] = [
    ("verified", {"sslmode": "verify-full", "sslrootcert": "own"}, "localhost", []),
    ("no name asked", {"sslmode": "verify-ca", "sslrootcert": "own"}, "127.0.0.1", []),
    ("encrypted", {"sslmode": "require"}, "127.0.0.1", []),
    ("wrong CA", {"sslmode": "verify-full", "sslrootcert": "other"}, "localhost",
     ["certificate verify failed", TRUSTED, "`options: {sslrootcert: FILE}`"]),
    ("wrong CA, no name", {"sslmode": "verify-ca", "sslrootcert": "other"}, "localhost",
     ["certificate verify failed", TRUSTED]),
    ("wrong name", {"sslmode": "verify-full", "sslrootcert": "own"}, "127.0.0.1",
     ["does not match host name", NAMED]),
    ("no file", {"sslmode": "verify-full", "sslrootcert": "none"}, "localhost",
     ['"/no/such.pem" does not exist', "correct sslrootcert"]),
    ("plain", {"sslmode": "disable"}, "localhost", ["no pg_hba.conf entry", "no encryption"]),
]  # fmt: skip


@pytest.mark.server
@pytest.mark.parametrize(("options", "host", "said"), [one[1:] for one in POSTGRES])
def test_postgres(
    secure_postgres: PostgresServer,
    company: Company,
    options: dict[str, Any],
    host: str,
    said: list[str],
) -> None:
    connection = postgres_at(secure_postgres, files(company, options), host)
    if not said:
        assert rows_of(postgres.connect("pg", connection)) == ROWS
        return
    with pytest.raises(PermanentError) as told:
        rows_of(postgres.connect("pg", connection))
    checked(str(told.value), ["connecting, connection 'pg'", *said])


@pytest.mark.server
@pytest.mark.parametrize(("options", "host", "said"), [one[1:] for one in POSTGRES])
def test_deliveries_to_postgres_are_as_strict(
    secure_postgres: PostgresServer,
    company: Company,
    options: dict[str, Any],
    host: str,
    said: list[str],
) -> None:
    """They connect by another driver, with the same options."""
    connection = postgres_at(secure_postgres, files(company, options), host)
    writer = deliver_postgres.PostgresDelivery("pg", connection, a_delivery())
    if not said:
        with closing(writer._connect()) as db, db.cursor() as cursor:
            cursor.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
            assert cursor.fetchone() == (True,)
        return
    with pytest.raises(PermanentError) as told, writer._errors("connecting"):
        writer._connect()
    checked(str(told.value), said)


@pytest.mark.server
def test_a_certificate_that_has_expired(company: Company) -> None:
    certificate = company.own.certificate("localhost", expired=True)
    options = {"sslmode": "verify-full", "sslrootcert": "own"}
    for server in _started("PostgreSQL", running_postgres(certificate)):
        server.create_database("d")
        connection = postgres_at(server, files(company, options), "localhost")
        with pytest.raises(PermanentError) as told:
            rows_of(postgres.connect("pg", connection))
        # DuckDB's libpq gives no reason; the doctor finds it.
        checked(str(told.value), ["certificate verify failed", "or it has expired: lake doctor"])
        with pytest.raises(PermanentError) as told:
            writer = deliver_postgres.PostgresDelivery("pg", connection, a_delivery())
            with writer._errors("connecting"):
                writer._connect()
        checked(str(told.value), ["certificate verify failed"])
        (check,) = looked_at(connection)
        assert (check.result, check.found) == (
            "failed",
            "certificate verify failed: certificate has expired",
        )
        assert "its owner renews it" in check.cure


#: libpq's words and OpenSSL's.
OWN = [
    'certificate authentication failed for user "lake"',
    "connection requires a valid client certificate",
    "SSL error: tlsv13 alert certificate required",
    "SSL error: tlsv1 alert unknown ca",
    "SSL error: sslv3 alert handshake failure",
    'certificate present, but not private key file "/lake.key"',
    'could not load private key file "/lake.key": bad decrypt',
]


@pytest.mark.parametrize("said", OWN)
def test_a_server_that_wants_this_side_proven_is_told_as_such(said: str) -> None:
    told = tls.cure(said, "sslrootcert")
    assert told.startswith("the server wants a certificate of this side"), told


def test_a_connection_over_tls_that_breaks_is_tried_again() -> None:
    said = "SSL SYSCALL error: EOF detected"
    known = {"kind": "postgres", "host": "h", "database": "d", "user": "u"}
    reader = postgres.PostgresTables("pg", Connection(**known))
    written = deliver_postgres._unconnected(f"{said}\n", "out/x", "'pg' (h:5432/d)")
    for told in (reader._told(RuntimeError(said), "connecting"), written):
        assert isinstance(told, TransientError), told
        checked(str(told), ["SSL SYSCALL error", "the connection was lost"])


@pytest.mark.server
@pytest.mark.parametrize(("options", "host", "said"), [one[1:] for one in POSTGRES[:6]])
def test_the_doctor_finds_what_the_driver_finds(
    secure_postgres: PostgresServer,
    company: Company,
    options: dict[str, Any],
    host: str,
    said: list[str],
) -> None:
    (check,) = looked_at(postgres_at(secure_postgres, files(company, options), host))
    assert check.result == ("failed" if said else "ok"), check
    cure = {TRUSTED: "company's CA", NAMED: "for another name"}
    assert [words for key, words in cure.items() if key in said and words not in check.cure] == []


@pytest.mark.server
def test_jdbc_to_postgres(
    secure_postgres: PostgresServer, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A driver's own words in its address: those of PostgreSQL's, which stands for Tibero's."""
    jar = "/usr/share/java/postgresql.jar"
    if not Path(jar).exists() or shutil.which("java") is None:
        pytest.skip("no Java or no driver; `apt-get install libpostgresql-jdbc-java`")

    def opened(host: str, ca: Authority) -> jdbc.JdbcTables:
        url = f"jdbc:postgresql://{host}:{secure_postgres.port}/d"
        options = {
            "jar": jar,
            "driver": "org.postgresql.Driver",
            "url": f"{url}?sslmode=verify-full&sslrootcert={ca.file}",
        }
        address = postgres_at(secure_postgres, options, host)
        return jdbc.connect("tb", address.model_copy(update={"kind": "tibero"}))

    assert rows_of(opened("localhost", company.own)) == ROWS
    for host, ca in (("localhost", company.other), ("127.0.0.1", company.own)):
        with pytest.raises(PermanentError, match="have Java trust the company's CA") as told:
            rows_of(opened(host, ca))
        checked(str(told.value), ["connecting, connection 'tb'"])


# -- MariaDB, real


@pytest.fixture(scope="module")
def secure_mariadb(company: Company) -> Iterator[MariaDBServer]:
    # Addresses beside 127.0.0.1, of which its client believes whatever it is told.
    certificate = company.own.certificate("127.0.0.2")
    listening = "--bind-address=127.0.0.1,127.0.0.2,127.0.0.3"
    for server in _started("MariaDB", running_mariadb(listening, certificate=certificate)):
        word = WORD.replace("\\", "\\\\").replace("'", "''")
        server.execute(
            "CREATE DATABASE d",
            "CREATE TABLE d.t (id bigint, name text) CHARACTER SET utf8mb4",
            "INSERT INTO d.t VALUES (9007199254740993, '서울'), (2, NULL)",
            f"CREATE USER reader@'%' IDENTIFIED BY '{word}' REQUIRE SSL",
            "GRANT SELECT ON d.* TO reader@'%'",
        )
        yield server


MARIADB: list[tuple[str, dict[str, Any], str, list[str]]] = [
    ("verified", {"ssl_mode": "verify_identity", "ssl_ca": "own"}, "127.0.0.2", []),
    ("verified too", {"ssl_mode": "verify_ca", "ssl_ca": "own"}, "127.0.0.2", []),
    ("encrypted", {"ssl_mode": "required"}, "127.0.0.3", []),
    ("where offered", {}, "127.0.0.3", []),
    ("wrong CA", {"ssl_mode": "verify_identity", "ssl_ca": "other"}, "127.0.0.2",
     [TRUSTED, "`options: {ssl_ca: FILE}`"]),
    ("wrong CA too", {"ssl_mode": "verify_ca", "ssl_ca": "other"}, "127.0.0.2", [TRUSTED]),
    ("wrong CA as well", {"ssl_mode": "required", "ssl_ca": "other"}, "127.0.0.2", [TRUSTED]),
    ("wrong name", {"ssl_mode": "verify_identity", "ssl_ca": "own"}, "127.0.0.3", [NAMED]),
    ("wrong name too", {"ssl_mode": "verify_ca", "ssl_ca": "own"}, "127.0.0.3", [NAMED]),
    # Both would be believed by the client whatever the server shows.
    ("no CA", {"ssl_mode": "verify_identity"}, "127.0.0.2",
     ["ssl_mode verify_identity proves nothing without a CA"]),
    ("no mode", {"ssl_ca": "other"}, "127.0.0.2",
     ["a CA proves nothing with ssl_mode preferred: write `ssl_mode: verify_identity`"]),
    ("no file", {"ssl_mode": "verify_ca", "ssl_ca": "none"}, "127.0.0.2", ["ssl_ca"]),
    ("a mode there is not", {"ssl_mode": "verify"}, "127.0.0.2",
     ["ssl_mode 'verify'; allowed: ('disabled'"]),
]  # fmt: skip


def mariadb_at(server: MariaDBServer, options: dict[str, Any], host: str) -> Connection:
    return Connection(
        kind="mariadb",
        host=host,
        port=server.port,
        database="d",
        user="reader",
        password="env:TLS_WORD",
        options=options,
    )


@pytest.mark.server
@pytest.mark.parametrize(("options", "host", "said"), [one[1:] for one in MARIADB])
def test_mariadb(
    secure_mariadb: MariaDBServer,
    company: Company,
    options: dict[str, Any],
    host: str,
    said: list[str],
) -> None:
    connection = mariadb_at(secure_mariadb, files(company, options), host)
    if not said:
        assert rows_of(mariadb.connect("m", connection)) == ROWS
        return
    with pytest.raises(PermanentError) as told:
        rows_of(mariadb.connect("m", connection))
    checked(str(told.value), ["'m' (127.0.0.", *said])


@pytest.mark.server
@pytest.mark.parametrize(("options", "host", "said"), [one[1:] for one in MARIADB])
def test_deliveries_to_mariadb_are_as_strict(
    secure_mariadb: MariaDBServer,
    company: Company,
    options: dict[str, Any],
    host: str,
    said: list[str],
) -> None:
    """They connect by another driver, with the same options."""
    connection = mariadb_at(secure_mariadb, files(company, options), host)
    writer = deliver_mariadb.MariaDBDelivery("m", connection, a_delivery())
    if not said:
        with closing(writer._connect()) as db, db.cursor() as cursor:
            cursor.execute("SHOW STATUS LIKE 'Ssl_cipher'")
            assert cursor.fetchone()[1]
        return
    with pytest.raises(PermanentError) as told, writer._errors("connecting"):
        writer._connect()
    checked(str(told.value), said)


def a_delivery() -> Delivery:
    """As much of one as connecting asks for."""
    return Delivery("out/x", TableTarget(name="t", mode="replace"), (), ())


# -- over HTTP: stand-ins of services, real TLS and clients

API = Table((Column("id", "id", parse_type("int64")),), of=ApiSource(path="rows", rows="data"))
INDEX = Table((Column("n", "n", parse_type("int64")),), of=IndexSource(name="log"))


@contextmanager
def an_api() -> Iterator[tuple[int, Any]]:
    with serving(lambda request: Answer(200, b'{"data": [{"id": 9007199254740993}]}')) as url:

        def read(address: str, options: dict[str, Any]) -> Any:
            one = Connection(kind="http", url=address, options=options)
            return rows_of(open_api.connect("api", one), API) == [{"id": 2**53 + 1}]

        yield urlsplit(url).port or 0, read


@contextmanager
def an_index() -> Iterator[tuple[int, Any]]:
    mappings = {"properties": {"n": {"type": "long"}}}
    service = SearchStandin({"log": Index(mappings, documents(("1", '{"n": 7}')))})
    with serving(service) as url:

        def read(address: str, options: dict[str, Any]) -> Any:
            one = Connection(kind="elasticsearch", url=address, options=options)
            with elasticsearch.connect("es", one) as source, source.read(INDEX) as reading:
                return [row for one in reading.batches for row in one.to_pylist()] == [{"n": 7}]

        yield urlsplit(url).port or 0, read


@contextmanager
def a_namenode() -> Iterator[tuple[int, Any]]:
    status = b"""{"FileStatus": {"type": "DIRECTORY", "length": 0, "modificationTime": 0,
        "fileId": 16385, "childrenNum": 3, "pathSuffix": ""}}"""
    with serving(lambda request: Answer(200, status)) as url:

        def read(address: str, options: dict[str, Any]) -> Any:
            hdfs = Hdfs("hdfs", Connection(kind="hdfs", url=address, options=options))
            found = hdfs.status("/")
            return found is not None and found.children == 3

        yield urlsplit(url).port or 0, read


SERVICES = {"an open API": an_api, "Elasticsearch": an_index, "a NameNode": a_namenode}

HTTPS: list[tuple[str, dict[str, Any], str, str, list[str]]] = [
    ("verified", {"ca_certs": "own"}, "", "localhost", []),
    ("by the environment", {}, "own", "localhost", []),
    ("the option goes first", {"ca_certs": "own"}, "other", "localhost", []),
    ("the option goes first", {"ca_certs": "other"}, "own", "localhost", [TRUSTED]),
    ("switched off", {"verify": False}, "other", "127.0.0.1", []),
    ("wrong CA", {"ca_certs": "other"}, "", "localhost",
     ["certificate verify failed: unable to get local issuer certificate", TRUSTED,
      "`options: {ca_certs: FILE}`"]),
    ("no CA", {}, "", "localhost", [TRUSTED]),
    ("wrong name", {"ca_certs": "own"}, "", "127.0.0.1", [NAMED]),
    ("expired", {"ca_certs": "own"}, "", "expired",
     ["certificate verify failed: certificate has expired", "have its owner renew it"]),
    ("no file", {"ca_certs": "none"}, "", "localhost", ["ca_certs"]),
]  # fmt: skip


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize(("options", "bundle", "host", "said"), [one[1:] for one in HTTPS])
def test_services_behind_a_standin_over_tls(
    company: Company,
    monkeypatch: pytest.MonkeyPatch,
    service: str,
    options: dict[str, Any],
    bundle: str,
    host: str,
    said: list[str],
) -> None:
    certificate = company.own.certificate("localhost", expired=host == "expired")
    address = "localhost" if host == "expired" else host
    if bundle:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", files(company, {"ca": bundle})["ca"])
    given = files(company, options)
    with SERVICES[service]() as (port, read), tls_front(port, certificate) as front:
        if not said:
            assert read(f"https://{address}:{front}", given)
            return
        with pytest.raises(PermanentError) as told:
            read(f"https://{address}:{front}", given)
    checked(str(told.value), said)


@pytest.mark.parametrize("service", ["an open API", "Elasticsearch"])
def test_a_service_that_wants_this_side_proven(company: Company, service: str) -> None:
    certificate, mine = company.own.certificate("localhost"), company.other.certificate("lake")
    trusting = {"ca_certs": str(company.own.file)}
    proven = {**trusting, "client_cert": str(mine.file), "client_key": str(mine.key)}
    with (
        SERVICES[service]() as (port, read),
        tls_front(port, certificate, clients=company.other.file) as front,
    ):
        assert read(f"https://localhost:{front}", proven)
        with pytest.raises(LakeError):
            read(f"https://localhost:{front}", trusting)


def test_a_port_without_tls(company: Company) -> None:
    options = {"ca_certs": str(company.own.file)}
    for service in SERVICES.values():
        with service() as (port, read), pytest.raises(PermanentError) as told:
            read(f"https://localhost:{port}", options)
        checked(str(told.value), ["the server has no TLS on this port"])


# -- Hive


@pytest.mark.server
def test_a_real_hive_behind_a_front_with_tls(hive_server: HiveServer, company: Company) -> None:
    """HiveServer2's own TLS is Java's; the front's is Python's. The client is the same."""
    certificate = company.own.certificate("localhost")
    with tls_front(hive_server.port, certificate) as front:
        for host, options, said in HIVE:
            connection = Connection(
                kind="hive", host=host, port=front, user="hive", options=files(company, options)
            )
            if not said:
                with HiveConnection("hive", connection) as session:
                    assert session.rows("SELECT 9007199254740993") == [(2**53 + 1,)]
                continue
            with pytest.raises(PermanentError) as told:
                HiveConnection("hive", connection).__enter__()
            checked(str(told.value), said)


HIVE: list[tuple[str, dict[str, Any], list[str]]] = [
    ("localhost", {"ssl": True, "ca_certs": "own"}, []),
    ("127.0.0.1", {"ssl": True, "verify": False}, []),
    ("localhost", {"ssl": True, "ca_certs": "other"}, ["certificate verify failed", TRUSTED]),
    ("127.0.0.1", {"ssl": True, "ca_certs": "own"}, [NAMED]),
    ("localhost", {"ssl": True, "ca_certs": "none"}, ["correct ca_certs"]),
    ("localhost", {"ca_certs": "own"}, ["ca_certs say nothing without `ssl: true`"]),
    ("localhost", {"auth": "KERBEROS"}, ["needs the package kerberos"]),
]


def test_a_login_to_hive_by_kerberos(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package and the server are stand-ins: which name is asked for a ticket, what is sent."""
    from puresasl import mechanisms

    asked: list[str] = []
    package = ModuleType("kerberos")
    package.__spec__ = ModuleSpec("kerberos", None)
    given = {
        "authGSSClientInit": lambda service, principal: (1, asked.append(service)),
        "authGSSClientStep": lambda context, challenge: 0,
        "authGSSClientResponse": lambda context: base64.b64encode(b"ticket").decode(),
    }
    for name, function in given.items():
        setattr(package, name, function)
    monkeypatch.setitem(sys.modules, "kerberos", package)
    monkeypatch.setattr(mechanisms, "kerberos", package, raising=False)
    monkeypatch.setitem(mechanisms.mechanisms, "GSSAPI", mechanisms.GSSAPIMechanism)
    with socket.create_server(("127.0.0.1", 0)) as server:
        heard: list[bytes] = []

        def once() -> None:
            client, _ = server.accept()
            with client:
                client.settimeout(60)
                while len(b"".join(heard)) < 22:
                    heard.append(client.recv(100))

        thread = threading.Thread(target=once, daemon=True)
        thread.start()
        options: dict[str, Any] = {"auth": "KERBEROS", "kerberos_service": "hs2"}
        port = server.getsockname()[1]
        connection = Connection(kind="hive", host="localhost", port=port, options=options)
        with pytest.raises(LakeError, match="logging in"):
            HiveConnection("hive", connection).__enter__()
        thread.join(60)
    assert asked == ["hs2@localhost"]
    assert b"".join(heard) == b"\x01\0\0\0\x06GSSAPI\x02\0\0\0\x06ticket"


# -- SQL Server and HANA: what their drivers are called with (the drivers are stand-ins here)


def test_what_sql_servers_driver_is_called_with() -> None:
    known = importlib.import_module("mssql_python.constants")._ALLOWED_CONNECTION_STRING_PARAMS
    options: dict[str, Any] = {
        "encrypt": True,
        "trustServerCertificate": False,
        "serverCertificate": "/etc/ssl/Company.pem",
        "hostNameInCertificate": "db.Company.kr",
    }
    plain = {"Server": "db,1433", "Database": "d"}
    secured = {
        "Encrypt": "yes",
        "TrustServerCertificate": "no",
        "ServerCertificate": "/etc/ssl/Company.pem",
        "HostnameInCertificate": "db.Company.kr",
    }
    ticket = {"trustedConnection": True, "serverSPN": "MSSQLSvc/db.Company.kr:1433"}
    cases = [
        ({}, {"UID": "lake", "PWD": WORD}),
        (options, {"UID": "lake", "PWD": WORD, **secured}),
        (ticket, {"Trusted_Connection": "yes", "ServerSPN": "MSSQLSvc/db.Company.kr:1433"}),
    ]
    for given, words in cases:
        asked: list[dict[str, Any]] = []
        driver = SimpleNamespace(connect=lambda *_, asked=asked, **words: asked.append(words))
        connection = Connection(
            kind="sqlserver",
            host="db",
            database="d",
            user="lake",
            password="env:TLS_WORD",
            options=given,
        )
        sqlserver.SqlServerArrow("s", connection, driver)._open()
        assert asked == [{"autocommit": True, "timeout": 15, **plain, **words}]
        assert {*plain, *words} <= set(known.values()), "the real driver knows each word"
        if given:
            with pytest.raises(PermanentError, match="pymssql checks no certificate"):
                sqlserver.SqlServerRows("s", connection, driver)._open()


def test_what_hanas_driver_is_called_with() -> None:
    options: dict[str, Any] = {
        "encrypt": True,
        "sslValidateCertificate": True,
        "sslTrustStore": "/etc/ssl/Company.pem",
        "sslHostNameInCertificate": "bw.company.kr",
        "sslKeyStore": "/etc/ssl/lake.pem",
        "sslCryptoProvider": "openssl",
        "sslMinProtocolVersion": "TLS12",
    }
    asked: list[dict[str, Any]] = []
    driver = SimpleNamespace(connect=lambda **words: asked.append(words))
    connection = Connection(
        kind="hana", host="bw", user="LAKE", password="env:TLS_WORD", options=options
    )
    hana.HanaTables("h", connection, driver)._open()
    assert asked[0].items() >= {**options, "address": "bw", "port": 30015}.items()


# -- what is switched off is said

WEAK: list[tuple[str, dict[str, Any], list[str]]] = [
    ("postgres", {"sslmode": "verify-full", "sslrootcert": "/ca.pem"}, []),
    ("postgres", {"sslmode": "require"}, ["`sslmode: require`: encrypted, but no certificate"]),
    ("postgres", {"sslmode": "verify-ca"}, ["the certificate's name is not checked"]),
    ("postgres", {"sslmode": "disable"}, ["nothing is encrypted, the password neither"]),
    ("mariadb", {"ssl_mode": "VERIFY_IDENTITY"}, []),
    ("mariadb", {"ssl_mode": "required", "ssl_ca": "/ca.pem"}, []),
    ("postgres", {"sslmode": "require", "sslrootcert": "/ca.pem"}, ["name is not checked"]),
    ("mariadb", {"ssl_mode": "REQUIRED"}, ["`ssl_mode: required`: encrypted, but no cert"]),
    ("sqlserver", {"encrypt": True, "trustServerCertificate": False}, []),
    ("sqlserver", {"trustServerCertificate": "yes"}, ["`trustServerCertificate: yes`: enc"]),
    ("sqlserver", {"encrypt": False, "driver": "pymssql"},
     ["`encrypt: false`: the login alone", "`driver: pymssql`: encrypted, but no certificate"]),
    ("hana", {"encrypt": True, "sslTrustStore": "/ca.pem"}, []),
    ("hana", {"encrypt": True, "sslValidateCertificate": False}, ["`sslValidateCertificate: f"]),
    ("tibero", {"url": "jdbc:postgresql://h/d?sslmode=verify-full"}, []),
    ("tibero", {"url": "jdbc:postgresql://h/d?sslmode=require"}, ["`sslmode=require` in options"]),
    ("hive", {"ssl": True, "ca_certs": "/ca.pem"}, []),
    ("hive", {"ssl": True, "verify": False}, ["`verify: false`: encrypted, but no certificate"]),
    ("hdfs", {"verify": False}, ["`verify: false`"]),
    ("http", {"verify": False}, ["`verify: false`"]),
    ("http", {"ca_certs": "/ca.pem"}, []),
    ("elasticsearch", {"verify": False}, ["`verify: false`"]),
    ("storage", {"use_ssl": False}, ["`use_ssl: false`: nothing is encrypted"]),
]  # fmt: skip


def connection_of(kind: str, options: dict[str, Any]) -> Connection:
    address: dict[str, Any] = {"host": "h", "database": "d", "user": "u"}
    if kind in ("http", "elasticsearch", "hdfs"):
        address = {"url": "https://h"}
    elif kind == "sftp":
        address = {"host": "h", "user": "u"}
    elif kind == "storage":
        address = {"path": "s3://b"}
    return Connection(kind=kind, options=options, **address)


@pytest.mark.parametrize(("kind", "options", "said"), WEAK)
def test_what_leaves_a_server_unproven(kind: str, options: dict[str, Any], said: list[str]) -> None:
    found = tls.weaknesses(connection_of(kind, options))
    assert len(found) == len(said), found
    for one, words in zip(found, said, strict=True):
        assert words in one.found
        assert one.cure.startswith("write ")


def test_the_doctor_warns(company: Company) -> None:
    with an_api() as (port, _), tls_front(port, company.own.certificate("localhost")) as front:
        url = f"https://localhost:{front}"
        options = {"verify": False}
        checks = list(
            doctor_checks._before("api", Connection(kind="http", url=url, options=options))
        )
    found = {check.name: check for check in checks}
    assert found["security"].result == "warning"
    assert found["security"].found.startswith("`verify: false`: encrypted, but no certificate")
    assert found["security"].cure == "write verify: true and ca_certs: FILE"
    assert found["tls"].found == "TLSv1.3, the certificate is not verified"


#: Kind, options, and the variable by which its client alone finds the CA.
ALONE = [("hive", {"ssl": True}, "SSL_CERT_FILE"), ("storage", {}, "AWS_CA_BUNDLE")]


@pytest.mark.parametrize(("kind", "options", "variable"), ALONE)
def test_the_doctor_trusts_whom_the_client_does(
    company: Company,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    options: dict[str, Any],
    variable: str,
) -> None:
    monkeypatch.setenv(variable, str(company.own.file))
    with an_api() as (port, _), tls_front(port, company.own.certificate("localhost")) as front:
        if kind == "hive":
            connection = Connection(kind=kind, host="localhost", port=front, options=options)
        else:
            endpoint = {"endpoint_url": f"https://localhost:{front}"}
            connection = Connection(kind=kind, path="s3://b", options={**options, **endpoint})
        (check,) = looked_at(connection)
    assert check.result == "ok", check


class Older(Certificate):
    """Before TLS 1.3 a server that wants a certificate refuses within the handshake."""

    def context(self, clients: Path | None = None) -> ssl.SSLContext:
        found = super().context(clients)
        found.maximum_version = ssl.TLSVersion.TLSv1_2
        return found


def test_the_doctor_proves_this_side_as_the_client_does(company: Company) -> None:
    its, mine = company.own.certificate("localhost"), company.other.certificate("lake")
    options = {"ca_certs": str(company.own.file), "client_cert": str(mine.file)}
    with (
        an_api() as (port, _),
        tls_front(port, Older(its.file, its.key), clients=company.other.file) as front,
    ):
        for key, said in ((str(mine.key), "TLSv1.2"), ("/no/such.key", "no file /no/such.key")):
            connection = Connection(
                kind="http",
                url=f"https://localhost:{front}",
                options={**options, "client_key": key},
            )
            (check,) = looked_at(connection)
            assert said in check.found, check


def test_the_doctor_names_the_file_that_libpq_looks_for(
    company: Company, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    address = doctor_network.Address("localhost", 1, "postgres")
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"S")
        check = doctor_network._secured("x", "tls", address, ours)
    assert check.found == f"there is no file {tmp_path}/.postgresql/root.crt"


UNKNOWN = [
    ("postgres", "sslrootcrt", "'sslrootcert'"),
    ("mariadb", "ssl_cacert", "'ssl_ca'"),
    ("hana", "sslTruststore", "'sslTrustStore'"),
    ("sqlserver", "trustServer", "'trustServerCertificate'"),
    ("tibero", "trustStore", "'url'"),
    ("hive", "sslca", "ca_certs"),
    ("hdfs", "ca_file", "ca_certs"),
    ("http", "ca_file", "'ca_certs'"),
    ("elasticsearch", "ca_file", "'ca_certs'"),
    ("sftp", "known_host", "'known_hosts'"),
]


@pytest.mark.parametrize(("kind", "option", "allowed"), UNKNOWN)
def test_an_option_that_no_driver_has_is_refused(kind: str, option: str, allowed: str) -> None:
    module = importlib.import_module(_MODULES[kind])
    with pytest.raises(PermanentError) as told:
        module.connect("x", connection_of(kind, {option: "/ca.pem"})).__enter__()
    checked(str(told.value), [f"{option!r}", "allowed: ", allowed])


def looked_at(connection: Connection) -> list[Check]:
    """What the doctor says of TLS."""
    (address,) = doctor_network.addresses(connection)
    return [one for one in doctor_network.reached("x", address, many=False) if one.name == "tls"]
