"""What `lake doctor` finds: on real servers, on sockets that behave in one way each, in words.

No secret may be in what it tells: every password here is the same word, which is looked for.
"""

from __future__ import annotations

import json
import logging
import re
import socket
import ssl
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import datetime, timedelta, timezone
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from resources import doctor, doctor_checks, doctor_network, doctor_services
from resources.described import FileSource
from resources.doctor import Check, Declared, examine, ok, secrets_of
from resources.doctor_checks import About, of_connection
from resources.settings import Connection, Settings, StoreSettings, load_settings
from resources.source import Column, Table
from resources.symptoms import cure_of
from resources.types import parse_type
from tests.servers.h2 import WORD, H2Server
from tests.servers.hdfs import HdfsServer
from tests.servers.hive import HiveServer
from tests.servers.mariadb import MariaDBServer
from tests.servers.postgres import PostgresServer, free_port
from tests.servers.sftp import SftpServer

CANARY = "Kanarienvogel-7531'\""


@pytest.fixture(autouse=True)
def _canary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCTOR_WORD", CANARY)


def settings(tmp_path: Path, store: Mapping[str, Any] | None = None, **given: Any) -> Settings:
    """`local` with these connections besides, each a mapping of its keys."""
    known = load_settings("local").environment
    more = {name: Connection(**one) for name, one in given.items()}
    changes: dict[str, Any] = {"connections": {**known.connections, **more}}
    if store is not None:
        changes["store"] = StoreSettings(
            **{"connection": None, "parquet": "modern", "hive": None, **store}
        )
    return Settings("test", tmp_path, known.model_copy(update=changes))


def table(name: str, schema: str | None = None, **types: str) -> Table:
    columns = tuple(Column(one, one, parse_type(kind)) for one, kind in types.items())
    return Table(columns, schema=schema, table=name)


def looked_at(
    tmp_path: Path,
    connection: Mapping[str, Any],
    *tables: Table,
    store: Mapping[str, Any] | None = None,
    seconds: float = 60,
) -> dict[str, Check]:
    """The checks of one connection by their names; the canary is in none of them."""
    known = settings(tmp_path, store, x=connection)
    declared = [Declared(f"raw/{one.table}", one) for one in tables]
    doctor_checks.prepare(known, "x")
    subjects = {"x": partial(of_connection, known, "x", declared)}
    # Without what hides them: the words themselves hold no secret.
    checks = examine(subjects, seconds, [])
    assert CANARY not in json.dumps([asdict(one) for one in checks], ensure_ascii=False)
    assert CANARY not in repr(checks)
    told = ("failed", "warning")
    assert not [check for check in checks if check.cure and check.result not in told]
    return {check.name: check for check in checks}


def results(checks: Mapping[str, Check]) -> dict[str, str]:
    return {name: check.result for name, check in checks.items()}


# -- databases


@pytest.mark.server
def test_postgres(tmp_path: Path, postgres_server: PostgresServer) -> None:
    server = postgres_server
    database = server.create_database(f"doctor_{uuid.uuid4().hex[:8]}")
    role = server.create_role(f"lake_{uuid.uuid4().hex[:8]}", CANARY)
    server.execute(
        "CREATE TABLE sales (id bigint, 이름 text); CREATE TABLE pay (id bigint)", database
    )
    server.execute(f'GRANT SELECT ON sales TO "{role}"', database)
    server.execute(f"ALTER ROLE \"{role}\" SET datestyle = 'SQL, DMY'", database)
    connection = {
        "kind": "postgres",
        "host": server.host,
        "port": server.port,
        "database": database,
        "user": role,
        "password": "env:DOCTOR_WORD",
    }
    readable = table("sales", "public", id="int64", 이름="string")
    found = looked_at(tmp_path, connection, readable)
    assert results(found) == dict.fromkeys(
        ("secret", "driver", "port", "login", "query", "clock", "rights"), "ok"
    )
    assert found["secret"].found == "env:DOCTOR_WORD is set"
    assert re.fullmatch(r"version \d+\.\d+.*", found["query"].found)
    assert found["clock"].found.startswith("as here; zone ")
    assert found["rights"].found == "1 of 1 readable: public.sales"

    other = [table("pay", "public", id="int64"), table("sale", "public", id="int64")]
    found = looked_at(tmp_path, connection, readable, *other)
    assert found["rights"].found.startswith("1 of 3 readable")
    assert "permission denied for table pay" in found["rights raw/pay"].found
    assert found["rights raw/pay"].cure == (
        "ask its owner to GRANT SELECT to the connection's user"
    )
    assert "there is no such table" in found["rights raw/sale"].found
    assert "public.sales" in found["rights raw/sale"].found
    gone = looked_at(tmp_path, connection, table("sales", "public", no_more="int64"))
    assert "no_more" in gone["rights raw/sales"].found

    wrong = looked_at(tmp_path, {**connection, "user": "nobody"}, readable)
    assert "password authentication failed" in wrong["login"].found
    assert wrong["login"].cure.startswith("check the connection's user and password")
    nowhere = looked_at(tmp_path, {**connection, "database": "no_such"}, readable)
    assert nowhere["login"].cure == "check the connection's database"
    secured = looked_at(tmp_path, {**connection, "options": {"sslmode": "require"}}, readable)
    assert (secured["tls"].result, secured["tls"].found) == ("failed", "the server has no TLS")
    assert secured["login"].result == "not tried"


@pytest.mark.server
def test_nothing_is_read_of_a_table(tmp_path: Path, postgres_server: PostgresServer) -> None:
    server = postgres_server
    database = server.create_database(f"doctor_{uuid.uuid4().hex[:8]}")
    # A row that is touched ends the statement.
    server.execute(
        "CREATE TABLE t (id bigint); INSERT INTO t VALUES (0);"
        "CREATE VIEW v AS SELECT 1 / id AS id FROM t",
        database,
    )
    connection = {
        "kind": "postgres",
        "host": server.host,
        "port": server.port,
        "database": database,
        "user": server.user,
    }
    found = looked_at(tmp_path, connection, table("v", "public", id="int64"))
    assert found["rights"].result == "ok"


@pytest.mark.server
def test_mariadb(tmp_path: Path, mariadb_server: MariaDBServer) -> None:
    server = mariadb_server
    database = f"doctor_{uuid.uuid4().hex[:8]}"
    password = CANARY.replace("'", "''")
    server.execute(
        f"CREATE DATABASE {database}",
        f"CREATE TABLE {database}.sales (id bigint)",
        f"CREATE TABLE {database}.pay (id bigint)",
        f"CREATE USER {database}@'127.0.0.1' IDENTIFIED BY '{password}'",
        f"GRANT SELECT ON {database}.sales TO {database}@'127.0.0.1'",
    )
    connection = {
        "kind": "mariadb",
        "host": server.host,
        "port": server.port,
        "database": database,
        "user": database,
        "password": "env:DOCTOR_WORD",
    }
    both = [table("sales", id="int64"), table("pay", id="int64")]
    found = looked_at(tmp_path, connection, *both)
    assert results(found) == {
        **dict.fromkeys(("secret", "driver", "port", "login", "query", "clock", "rights"), "ok"),
        "rights raw/pay": "failed",
    }
    assert re.match(r"version \d+\.\d+.*MariaDB", found["query"].found)
    assert found["clock"].found.startswith("as here; zone SYSTEM ")
    wrong = looked_at(tmp_path, {**connection, "user": "nobody"}, *both)
    assert "Access denied" in wrong["login"].found


@pytest.mark.server
def test_jdbc_on_h2_in_oracle_mode(
    tmp_path: Path, h2_server: H2Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in of Tibero."""
    monkeypatch.setenv("TIBERO_WORD", WORD)
    database = f"doctor_{uuid.uuid4().hex[:8]}"
    h2_server.execute(database, "CREATE TABLE SALES (ID NUMBER(18))")
    connection = h2_server.connection(database).model_dump(exclude_unset=True)
    found = looked_at(tmp_path, connection, table("SALES", ID="decimal(18,0)"))
    assert all(one.result == "ok" for one in found.values()), found
    assert re.match(r"version H2 \d.*, driver \d", found["query"].found)
    assert re.fullmatch(r"as here; zone UTC[+-]\d\d:\d\d", found["clock"].found)


@pytest.mark.server
def test_hive(tmp_path: Path, hive_server: HiveServer) -> None:
    connection = {
        "kind": "hive",
        "host": hive_server.host,
        "port": hive_server.port,
        "user": "lake",
    }
    found = looked_at(tmp_path, connection, table("no_such", "default", id="int64"))
    assert found["query"].found.startswith("version 1.2.1")
    assert found["clock"].found == "as here; zone UTC+09:00"
    assert "there is no such table" in found["rights raw/no_such"].found


# -- files


@pytest.mark.server
def test_sftp(tmp_path: Path, sftp_server: SftpServer) -> None:
    (sftp_server.files / "doctor").mkdir()
    (sftp_server.files / "doctor" / "a.csv").touch()
    connection = {
        "kind": "sftp",
        "host": sftp_server.host,
        "port": sftp_server.port,
        "user": sftp_server.user,
        "path": f"{sftp_server.files}/doctor",
        "options": sftp_server.options,
    }
    found = looked_at(tmp_path, connection)
    assert results(found) == {
        **dict.fromkeys(("driver", "port", "login", "query"), "ok"),
        "rights": "not tried",
    }
    assert re.match(r"1 files in /.*doctor, SSH-2.0-OpenSSH_", found["query"].found)
    nowhere = looked_at(tmp_path, {**connection, "path": "/no/such"})
    assert "there is no such folder" in nowhere["query"].found
    files = [
        Table((), of=FileSource(path=path, format="jsonl"), table=None) for path in ("*.csv", "b*")
    ]
    found = looked_at(tmp_path, connection, *files)
    assert found["rights"].found == "1 of 2 readable: *.csv"
    assert found["rights raw/None"] == Check(
        "x",
        "rights raw/None",
        "not tried",
        "b*: its folder can be listed, and there is no such file now",
    )


@pytest.mark.server
def test_postgres_and_mariadb_taken_for_each_other(
    tmp_path: Path, postgres_server: PostgresServer, mariadb_server: MariaDBServer
) -> None:
    database = {"host": "127.0.0.1", "database": "d", "user": "u"}
    cure = "another kind of server listens on this port"
    as_postgres = {"kind": "postgres", "port": mariadb_server.port, **database}
    assert cure in looked_at(tmp_path, as_postgres)["login"].cure
    as_mariadb = {"kind": "mariadb", "port": postgres_server.port, **database}
    found = looked_at(tmp_path, as_mariadb, seconds=4)
    assert cure in found["time"].cure


def test_another_kind_of_server_on_the_port(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "known_hosts").touch()
    options = {"known_hosts": str(tmp_path / "known_hosts")}
    with listening(lambda opened: opened.close()) as port:
        address = {"kind": "sftp", "host": "127.0.0.1", "port": port, "user": "u"}
        found = looked_at(tmp_path, {**address, "options": options})
    assert "what listens there is no SSH server" in found["login"].found
    assert found["login"].cure == (
        "try again later; else correct `port` (22 by default), or the connection's `kind`"
    )
    assert capfd.readouterr().err == ""


def test_a_folder_through_fsspec(tmp_path: Path) -> None:
    (tmp_path / "a.csv").touch()
    found = looked_at(tmp_path, {"kind": "storage", "path": f"file://{tmp_path}"})
    assert found["query"].found == f"1 files in file://{tmp_path}"
    assert looked_at(tmp_path, {"kind": "storage", "path": "/no/such"})["query"].result == "failed"


@pytest.mark.server
def test_hdfs(tmp_path: Path, hdfs_server: HdfsServer) -> None:
    connection = {"kind": "hdfs", "url": hdfs_server.url, "user": "lake"}
    store = {"connection": "x", "root": f"/data/lake/{uuid.uuid4().hex}/deep"}
    before = _listed(hdfs_server, "/data/lake")
    found = looked_at(tmp_path, connection, store=store)
    state = found[f"state 127.0.0.1:{hdfs_server.namenode_port}"]
    assert re.match(r"active, Hadoop 2\.7\.3, \d+ \wB free of \d+ \wB", state.found), state
    assert found["write"].found == (
        f"a probe file in /data/lake, removed again ({store['root']} is made by the first run)"
    )
    assert _listed(hdfs_server, "/data/lake") == before
    denied = looked_at(tmp_path, {**connection, "user": "hive"}, store=store)
    assert "hive has no right to WRITE at /data/lake" in denied["write"].found
    hdfs_server.set_safe_mode(True)
    try:
        safe = looked_at(tmp_path, connection, store=store)
    finally:
        hdfs_server.set_safe_mode(False)
    assert "in safe mode: nothing can be written" in safe[state.name].found
    assert "is in safe mode" in safe["write"].found


def _listed(server: HdfsServer, folder: str) -> list[str]:
    import requests

    asked = {"user.name": "hdfs", "op": "LISTSTATUS"}
    answer = requests.get(f"{server.url}/webhdfs/v1{folder}", asked, timeout=30).json()
    return sorted(one["pathSuffix"] for one in answer["FileStatuses"]["FileStatus"])


@pytest.mark.slow
@pytest.mark.server
def test_hdfs_of_two_namenodes(tmp_path: Path, hdfs_pair: HdfsServer) -> None:
    url = f"{hdfs_pair.standby_url};{hdfs_pair.url}"
    connection = {"kind": "hdfs", "url": url, "user": "lake"}
    found = looked_at(tmp_path, connection, store={"connection": "x", "root": "/data/lake"})
    standby, active = (f"127.0.0.1:{p}" for p in (hdfs_pair.standby_port, hdfs_pair.namenode_port))
    assert found[f"state {standby}"].found.startswith("standby, Hadoop 2.7.3")
    assert found[f"state {active}"].found.startswith("active, Hadoop 2.7.3")
    assert found["write"].result == "ok"
    hdfs_pair.kill_namenode()
    found = looked_at(tmp_path, connection, store={"connection": "x", "root": "/data/lake"})
    assert "Connection refused" in found[f"port {active}"].found
    assert found["login"].result == "failed"
    assert "is in standby" in found["login"].found


# -- the network, by sockets that behave in one way each


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server that does one thing with each connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def run() -> None:
            while True:
                try:
                    opened, _ = server.accept()
                except OSError:
                    return
                try:
                    serve(opened)
                except OSError:
                    continue

        threading.Thread(target=run, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def postgres_at(port: int, host: str = "127.0.0.1") -> dict[str, Any]:
    return {"kind": "postgres", "host": host, "port": port, "database": "d", "user": "u"}


NAMES = [
    (-2, "Name or service not known", "nobody knows the name"),
    (-3, "Temporary failure in name resolution", "no name server answers"),
    (-5, "No address associated with hostname", "the name has no address of this kind"),
]


@pytest.mark.parametrize(("number", "said", "cure"), NAMES)
def test_names_that_are_not_resolved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, said: str, cure: str
) -> None:
    """The resolver is a stand-in: what it says is what people saw on the old platform."""

    def resolve(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(number, said)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    found = looked_at(tmp_path, postgres_at(5432, "namenode1"))
    assert found["name"].found == f"namenode1: socket.gaierror: [Errno {number}] {said}"
    assert found["name"].cure.startswith(cure)
    for word in ("search domain", "/etc/resolv.conf", "/etc/docker/daemon.json", "/etc/wsl.conf"):
        assert word in found["name"].cure
    assert found["login"] == Check("x", "login", "not tried", "see above")


def test_a_name_that_really_is_none(tmp_path: Path) -> None:
    found = looked_at(tmp_path, postgres_at(5432, "no-such-host.invalid"))
    assert found["name"].found.startswith("no-such-host.invalid: socket.gaierror: [Errno -")
    assert "search domain" in found["name"].cure


def test_a_port_that_is_closed(tmp_path: Path) -> None:
    port = free_port()
    found = looked_at(tmp_path, postgres_at(port))
    assert found["port"].found == f"127.0.0.1:{port}: [Errno 111] Connection refused"
    assert "On WSL, after a restart" in found["port"].cure
    assert results(found) == {"driver": "ok", "port": "failed", "login": "not tried"}


def test_a_server_that_never_answers(tmp_path: Path) -> None:
    kept = []
    with listening(kept.append) as port:
        found = looked_at(tmp_path, postgres_at(port), seconds=6)
    assert found["port"].result == "ok"
    assert found["time"].found == "no answer within 6 s after port, though the port is open"
    assert "another kind of server listens on this port" in found["time"].cure
    assert found["time"].cure.endswith("or give it longer: --timeout")


def test_one_that_hangs_does_not_hold_up_the_others(tmp_path: Path) -> None:
    known = settings(tmp_path)
    stop = threading.Event()

    def hangs() -> Iterator[Check]:
        yield ok("slow", "port", "open")
        stop.wait(300)

    def breaks() -> Iterator[Check]:
        yield ok("broken", "port", "open")
        raise RuntimeError(f"with {CANARY} in it")

    subjects = {"slow": hangs, "broken": breaks, "store": lambda: doctor_services.of_store(known)}
    checks = examine(subjects, 6, secrets_of(known))
    stop.set()
    assert [(one.subject, one.name, one.result) for one in checks] == [
        ("slow", "port", "ok"),
        ("slow", "time", "failed"),
        ("broken", "port", "ok"),
        ("broken", "check", "failed"),
        ("store", "write", "ok"),
        ("store", "space", "ok"),
    ]
    assert checks[3].found == "ended by RuntimeError, which nobody expected"


def test_who_ends_while_it_is_told_is_not_told_as_whole() -> None:
    """Its last word comes just after the checks were looked at, and its end just after that."""

    class Late(list[Check]):
        def __iter__(self) -> Iterator[Check]:
            found = list(super().__iter__())
            last.set()
            run.thread.join()
            return iter(found)

    last = threading.Event()

    def slow() -> Iterator[Check]:
        yield ok("x", "port", "open")
        last.wait(60)
        yield ok("x", "login", "in")

    run = doctor._Run("x", slow)
    run._done = Late()
    run.thread.start()
    while not run._done:
        time.sleep(0.01)
    assert [one.name for one in run.told(60)] == ["port", "time"]


def test_a_secret_in_a_drivers_words_is_hidden() -> None:
    def leaks() -> Iterator[Check]:
        yield ok("x", "login", f"connected with {CANARY}")

    (check,) = examine({"x": leaks}, 60, [CANARY, ""])
    assert check.found == "connected with ***"


# -- certificates: real handshakes with certificates made here


def certificate(folder: Path, name: str, days: int = 400, ca: Any = None) -> tuple[Path, Any]:
    """A file of key and certificate for `name`, signed by `ca` (else by itself)."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    issuer, signer = ca or (subject, key)
    now = datetime.now(timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=500))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=ca is None, path_length=None), critical=True)
        .sign(signer, hashes.SHA256())
    )
    file = folder / f"{name}-{days}.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return file, (subject, key)


@contextmanager
def https(file: Path) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)

    def serve(opened: socket.socket) -> None:
        with context.wrap_socket(opened, server_side=True) as secure:
            secure.recv(1)

    with listening(serve) as port:
        yield port


def test_certificates(tmp_path: Path) -> None:
    ca_file, ca = certificate(tmp_path, "Company CA")
    good, _ = certificate(tmp_path, "localhost", 400, ca)
    soon, _ = certificate(tmp_path, "localhost", 10, ca)
    past, _ = certificate(tmp_path, "localhost", -1, ca)
    other, _ = certificate(tmp_path, "elsewhere", 400, ca)
    trusting = {"ca_certs": str(ca_file)}
    cases: list[tuple[Path, dict[str, Any], str, str]] = [
        (good, trusting, r"TLSv1\.3, the certificate is valid until \d{4}-\d\d-\d\d", ""),
        (soon, trusting, r"TLSv1\.3, .*, in 9 days", ""),
        (good, {"verify": False}, r"TLSv1\.3, the certificate is not verified", ""),
        (good, {}, "certificate verify failed: unable to get local issuer", "company's CA"),
        (past, trusting, "certificate verify failed: certificate has expired", "its owner renews"),
        (other, trusting, "certificate verify failed: Hostname mismatch", "for another name"),
        (good, {"ca_certs": "/no/such.pem"}, "there is no file /no/such.pem", "correct the option"),
    ]
    for file, options, told, cure in cases:
        with https(file) as port:
            url = f"https://localhost:{port}/hook"
            checks = list(
                doctor_network.reached(
                    "x",
                    doctor_network.of_url(url, Connection(kind="http", url=url, options=options)),
                    many=False,
                )
            )
        assert checks[-1].name == "tls"
        assert re.match(told, checks[-1].found), (checks[-1], told)
        assert (checks[-1].result == "failed") == bool(cure)
        assert cure in checks[-1].cure


def test_a_port_without_tls(tmp_path: Path) -> None:
    def serve(opened: socket.socket) -> None:
        opened.recv(1)
        opened.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        opened.close()

    with listening(serve) as port:
        found = looked_at(tmp_path, {"kind": "webhook", "url": f"https://127.0.0.1:{port}/x"})
    assert found["tls"].result == "failed"
    assert "does not speak TLS" in found["tls"].cure


def test_a_webhook_is_sent_nothing(tmp_path: Path) -> None:
    came: list[bytes] = []
    with listening(lambda opened: came.append(opened.recv(1000))) as port:
        found = looked_at(tmp_path, {"kind": "webhook", "url": f"http://127.0.0.1:{port}/x"})
    assert results(found) == {"driver": "ok", "port": "ok", "login": "not tried"}
    assert came in ([], [b""])


# -- before a login


def test_secrets_and_drivers_that_are_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = {**postgres_at(free_port()), "password": "env:NO_SUCH_WORD"}
    found = looked_at(tmp_path, missing)
    assert "The secret env:NO_SUCH_WORD is not set: export NO_SUCH_WORD=" in found["secret"].found
    monkeypatch.setenv("EMPTY_WORD", "")
    found = looked_at(tmp_path, {**missing, "password": "env:EMPTY_WORD"})
    assert found["secret"].result == "failed"
    assert found["secret"].found.startswith("The secret env:EMPTY_WORD is empty: put it there")
    (tmp_path / "word").write_text("\n")
    found = looked_at(tmp_path, {**missing, "password": f"file:{tmp_path}/word"})
    assert "/word is empty" in found["secret"].found
    monkeypatch.setitem(doctor_checks._DRIVERS, "postgres", (("no-such-driver",), "hana"))
    found = looked_at(tmp_path, postgres_at(free_port()))
    assert found["driver"].found == "no-such-driver: not installed"
    assert found["driver"].cure == "pip install 'lake[hana]' in the environment of the lake"


def test_outside_its_hours_nobody_logs_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_checks, "_opening", lambda connection: datetime(2025, 7, 1, 20))
    with listening(lambda opened: None) as port:
        found = looked_at(tmp_path, {**postgres_at(port), "limits": {"hours": "20:00-06:00"}})
    assert found["login"].result == "not tried"
    assert found["login"].found == "`limits: hours`: next from 2025-07-01 20:00"


CLOCKS = [
    (timedelta(0), "ok", "as here"),
    (timedelta(seconds=30), "ok", "30 s ahead"),
    (timedelta(seconds=90), "failed", "90 s ahead"),
    (timedelta(hours=-9), "failed", "32400 s behind"),
]


@pytest.mark.parametrize(("off", "result", "told"), CLOCKS)
def test_clocks(off: timedelta, result: str, told: str) -> None:
    now = datetime(2025, 7, 1, 0, 0, 0, 500_000, tzinfo=timezone.utc)
    about = About("16", "2025-07-01 09:00:00", now + off)
    check = doctor_checks._clock("x", about, now, now + timedelta(milliseconds=1))
    assert (check.result, check.found.split(";")[0]) == (result, told)
    assert ("NTP" in check.cure) == (result == "failed")


def test_a_clock_that_tells_whole_seconds_is_not_behind() -> None:
    now = datetime(2025, 7, 1, 0, 0, 0, 999_000, tzinfo=timezone.utc)
    about = About("1.2.1", "Asia/Seoul", now.replace(microsecond=0))
    check = doctor_checks._clock("x", about, now, now)
    assert check.found == "as here; zone Asia/Seoul"


# -- the store and MLflow


def test_a_store_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = settings(tmp_path, {"root": "/proc/lake"})
    checks = list(doctor_services.of_store(known))
    assert checks[0].result == "failed"
    assert checks[0].found.startswith("/proc cannot be written: ")
    usage = doctor_services.shutil.disk_usage(tmp_path)._replace(free=500_000_000)
    monkeypatch.setattr(doctor_services.shutil, "disk_usage", lambda path: usage)
    checks = list(doctor_services.of_store(settings(tmp_path, {"root": str(tmp_path / "lake")})))
    assert [one.result for one in checks] == ["ok", "failed"]
    assert (
        checks[0].found == f"{tmp_path} can be written ({tmp_path}/lake is made by the first run)"
    )
    assert checks[1].found.startswith("500 MB free of ")


def test_a_folder_that_may_not_be_looked_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exists = Path.exists

    def refused(path: Path) -> bool:
        if path.parent == tmp_path / "closed":
            raise PermissionError(13, "Permission denied")
        return exists(path)

    monkeypatch.setattr(Path, "exists", refused)
    (tmp_path / "closed").mkdir()
    known = settings(tmp_path, {"root": str(tmp_path / "closed/lake")})
    (check,) = doctor_services.of_store(known)
    assert check.found == f"{tmp_path}/closed/lake cannot be written: Permission denied"
    assert check.cure.startswith("give its user the right")


def test_mlflow_in_a_database_is_not_taken_for_a_folder(tmp_path: Path) -> None:
    known = settings(tmp_path)
    uri = f"postgresql://lake:{CANARY}@db/mlflow"
    environment = known.environment.model_copy(update={"mlflow": uri})
    (check,) = doctor_services.of_mlflow(replace(known, environment=environment))
    assert (check.result, check.found) == ("not tried", "MLflow keeps its runs by postgresql://")


@contextmanager
def answering(status: int, body: str) -> Iterator[str]:
    """A stand-in of an MLflow server: one answer to everything."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


VERSIONS = [
    (200, "3.17.2", "ok", "server 3.17.2, client 3."),
    (200, "2.9.1", "failed", "server 2.9.1, client 3."),
    (404, "", "failed", "no answer of an MLflow server (HTTPError)"),
]


@pytest.mark.parametrize(("status", "body", "result", "told"), VERSIONS)
def test_mlflow(tmp_path: Path, status: int, body: str, result: str, told: str) -> None:
    known = settings(tmp_path)
    with answering(status, body) as uri:
        environment = known.environment.model_copy(update={"mlflow": uri})
        checks = list(doctor_services.of_mlflow(replace(known, environment=environment)))
    assert (checks[-1].name, checks[-1].result) == ("version", result)
    assert checks[-1].found.startswith(told)


# -- symptoms

SYMPTOMS = [
    ("failed to solve: x509: certificate signed by unknown authority", "company's CA"),
    ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable to", "company's CA"),
    ("Certificate verification failed: The certificate is NOT trusted", "company's CA"),
    ("Could not start SASL: b'Error in sasl_client_start (-4) No worthy mechs", "LDAP"),
    ("GSSAPI Error: Unspecified GSS failure", "LDAP"),
    ("sasl/saslwrapper.h: fatal error: sasl/sasl.h: No such file", "pure-sasl"),
    ("No module named 'hdbcli'", "lake[hana,sqlserver,tibero]"),
    ("dial unix /var/run/docker.sock: connect: permission denied", "never chmod 666"),
    ("FATAL: password authentication failed for user", "`password`"),
    ("[Errno 111] Connection refused", "WSL"),
    ("[Errno 110] Connection timed out", "firewall"),
    ("[Errno 113] No route to host", "firewall"),
    ("received invalid response to SSL negotiation: J", "another kind of server"),
    ("something nobody has seen", ""),
]


@pytest.mark.parametrize(("symptom", "cure"), SYMPTOMS)
def test_symptoms(symptom: str, cure: str) -> None:
    found = cure_of(symptom)
    assert cure in found
    assert bool(cure) == bool(found)


def test_no_log_has_the_secret(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), listening(lambda opened: opened.close()) as port:
        for kind in ("postgres", "mariadb", "hive", "sftp", "http", "elasticsearch"):
            address = (
                {"url": f"http://127.0.0.1:{port}"}
                if kind in ("http", "elasticsearch")
                else {"host": "127.0.0.1", "port": port}
            )
            database = {"database": "d"} if kind in ("postgres", "mariadb") else {}
            options = {"known_hosts": "/dev/null"} if kind == "sftp" else {}
            looked_at(
                tmp_path,
                {
                    "kind": kind,
                    "user": "u",
                    "password": "env:DOCTOR_WORD",
                    "options": options,
                    **address,
                    **database,
                },
            )
    assert CANARY not in caplog.text


def test_every_kind_has_its_driver() -> None:
    kinds = Connection.model_fields["kind"].annotation
    assert kinds is not None
    assert set(doctor_checks._DRIVERS) == set(kinds.__args__)
