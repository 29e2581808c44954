"""HANA as a source. No HANA can be had here: a stand-in for hdbcli, and hdbcli against a socket.

The stand-in (`tests/servers/hdbcli_standin.py`) is no HANA; what is shown with the real hdbcli is
named so. What a site runs once against its own HANA: `lake doctor`, and `lake peek`.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal as D
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from hdbcli import dbapi

from resources import hana
from resources.errors import LakeError, PermanentError, TransientError
from resources.hana import HanaTables
from resources.settings import Connection
from resources.source import Column, Span, Table, Totals, Window
from resources.types import parse_type
from tests.servers.hdbcli_standin import Error, HdbcliStandIn, of


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> HdbcliStandIn:
    monkeypatch.setenv("HANA_PW", "비밀'1")
    return HdbcliStandIn()


def connection(**other: Any) -> Connection:
    given = {"host": "bw.corp", "port": 30041, "user": "LAKE", "password": "env:HANA_PW"}
    return Connection(kind="hana", **{**given, **other})


def opened(module: HdbcliStandIn, **other: Any) -> HanaTables:
    return HanaTables("hana_bw", connection(**other), of(module))


def table(types: dict[str, str], name: str = "/BIC/AZSD00", **other: Any) -> Table:
    columns = tuple(
        Column(key.lower().replace("/", "_"), key, parse_type(type_))
        for key, type_ in types.items()
    )
    return Table(columns, schema="SAPBW", table=name, **other)


def rows_of(module: HdbcliStandIn, what: Table, span: Span | None = None) -> pa.Table:
    with opened(module) as source, source.read(what, span) as reading:
        return pa.Table.from_batches(reading.batches, reading.schema)


# -- with the stand-in --

EXACT: list[tuple[str, str, list[Any], list[Any]]] = [
    ("TINYINT", "int16", [0, 255], [0, 255]),
    ("INTEGER", "int32", [-(2**31), 2**31 - 1], [-(2**31), 2**31 - 1]),
    ("BIGINT", "int64", [2**53 + 1, -(2**63)], [2**53 + 1, -(2**63)]),
    ("BIGINT", "string", [2**53 + 1], ["9007199254740993"]),
    ("DECIMAL(18,2)", "decimal(18,2)", ["9007199254740993.01"], [D("9007199254740993.01")]),
    ("DECIMAL(38,0)", "decimal(38,0)", ["-" + "9" * 38], [D("-" + "9" * 38)]),
    ("DECIMAL", "decimal(38,10)", ["1.5", "1E+3", "-0.0000000001"],
     [D("1.5000000000"), D("1000.0000000000"), D("-0.0000000001")]),
    ("DECIMAL", "int64", ["9223372036854775807", "1.00"], [2**63 - 1, 1]),
    ("DOUBLE", "float64", [1e300, float("nan"), float("-inf")], [1e300, None, float("-inf")]),
    ("BOOLEAN", "boolean", [True, False], [True, False]),
    ("BOOLEAN", "string", [True, False], ["true", "false"]),
    ("DATE", "date", [date(1, 1, 1), date(9999, 12, 31)], [date(1, 1, 1), date(9999, 12, 31)]),
    ("SECONDDATE", "timestamp", ["2025-07-01 23:59:59"], [datetime(2025, 7, 1, 23, 59, 59)]),
    ("TIMESTAMP", "timestamp", ["2025-07-01 23:59:59.9999990"],
     [datetime(2025, 7, 1, 23, 59, 59, 999999)]),
    ("TIMESTAMP", "date", ["2025-07-01 00:00:00"], [date(2025, 7, 1)]),
    ("NVARCHAR(40)", "string", ["", " a ", "서울 '중앙'\n"], ["", " a ", "서울 '중앙'\n"]),
    ("NCHAR(6)", "string", ["ab    ", ""], ["ab", ""]),
    ("NCLOB", "string", ["가" * 100_000], ["가" * 100_000]),
    ("VARBINARY(4)", "binary", [b"\x00\xff", b""], [b"\x00\xff", b""]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("type_", "declared", "given", "values"), EXACT, ids=[f"{a}-{b}" for a, b, *_ in EXACT]
)
def test_values_arrive_unchanged_from_the_stand_in(
    module: HdbcliStandIn, type_: str, declared: str, given: list[Any], values: list[Any]
) -> None:
    rows = [(i, value) for i, value in enumerate([*given, None])]
    module.table("/BIC/AZSD00", {"ID": "INTEGER NOT NULL", "/BIC/V": type_}, rows)
    found = rows_of(module, table({"ID": "int32", "/BIC/V": declared}, order_by=("id",)))
    assert found.schema.field("_bic_v").type == parse_type(declared).arrow()
    there = [None if value != value else value for value in found["_bic_v"].to_pylist()]
    assert there == [*values, None]


@pytest.mark.parametrize(
    ("type_", "declared", "value", "said"),
    [
        ("TIMESTAMP", "timestamp", "2025-07-01 23:59:59.9999991", "become timestamp unchanged"),
        ("DECIMAL", "decimal(18,2)", "1.005", "become decimal(18,2) unchanged (at id 7)"),
        ("DECIMAL", "decimal(38,0)", "1E+39", "become decimal(38,0) unchanged (at id 7)"),
        ("DECIMAL(38,2)", "decimal(18,2)", "12345678901234567.00", "decimal(18,2) unchanged"),
        ("BIGINT", "int32", 2**31, "'V' (BIGINT) cannot become int32 unchanged (at id 7)"),
        ("DECIMAL", "float64", "1", "is DECIMAL, which cannot become float64 without loss"),
        ("TIME", "timestamp", "10:00:00", "is TIME, which cannot become timestamp without loss"),
        ("NVARCHAR(8)", "date", "20250701", "which cannot become date without loss"),
    ],
)
def test_values_that_would_change_are_refused(
    module: HdbcliStandIn, type_: str, declared: str, value: Any, said: str
) -> None:
    module.table("T", {"ID": "INTEGER", "V": type_}, [(7, value)])
    with pytest.raises(PermanentError) as told:
        rows_of(module, table({"ID": "int32", "V": declared}, "T", order_by=("id",)))
    assert said in str(told.value)
    assert "SAPBW.T of 'hana_bw' (bw.corp:30041)" in str(told.value)


@pytest.mark.parametrize(
    ("type_", "declared", "kind", "given"),
    [
        ("NVARCHAR(8)", "string", "yyyymmdd", ["20250630", "20250701", "20250731", "20250801"]),
        ("INTEGER", "int32", "yyyymmdd", [20250630, 20250701, 20250731, 20250801]),
        ("DECIMAL(8,0)", "decimal(8,0)", "yyyymmdd", [20250630, 20250701, 20250731, 20250801]),
        ("DATE", "date", "date", ["2025-06-30", "2025-07-01", "2025-07-31", "2025-08-01"]),
        ("SECONDDATE", "timestamp", "timestamp",
         ["2025-06-30 23:59:59", "2025-07-01", "2025-07-31 23:59:59", "2025-08-01"]),
    ],
)  # fmt: skip
def test_windows_in_one_snapshot(
    module: HdbcliStandIn, type_: str, declared: str, kind: Any, given: list[Any]
) -> None:
    rows = [(10 - i, value) for i, value in enumerate(given)]
    module.table("/BIC/AZSD00", {"ID": "BIGINT", "CALDAY": type_}, rows)
    what = table({"ID": "int64", "CALDAY": declared}, window=Window("calday", kind), sums=("id",))
    july = Span(date(2025, 7, 1), date(2025, 8, 1), "daily")
    # Somebody writes between the count and the rows.
    module.before['SELECT q."ID"'] = 'DELETE FROM "SAPBW"."/BIC/AZSD00" WHERE "ID" = 9'
    with opened(module) as source, source.read(what, july) as reading:
        assert reading.totals == {
            "2025-07-01": Totals(1, {"id": 9}),
            "2025-07-31": Totals(1, {"id": 8}),
        }
        assert [v for b in reading.batches for v in b["id"].to_pylist()] == [9, 8]
        assert (reading.route, reading.reconciled) == ("hdbcli rows", "same snapshot")
    assert module.statements[0] == "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"
    assert module.statements[-2:] == ["(rollback)", "(close)"]
    assert not module.before
    module.table("/BIC/AZSD00", {"ID": "BIGINT", "CALDAY": type_}, [*rows, (0, None)])
    with pytest.raises(PermanentError, match="1 rows have NULL in the window column 'CALDAY'"):
        rows_of(module, what, july)


def test_what_is_asked_of_hana(module: HdbcliStandIn) -> None:
    module.table("/BIC/AZSD00", {"ID": "BIGINT", "CALDAY": "NVARCHAR(8)", "PL/ANT": "NCHAR(4)",
                                 "AMT": "DECIMAL(18,2)"}, [(1, "20250701", "서울", 1)])  # fmt: skip
    what = Table(
        (Column("id", "ID", parse_type("int64")), Column("day", "CALDAY", parse_type("string")),
         Column("plant", "PL/ANT", parse_type("string")),
         Column("amount", "AMT", parse_type("decimal(18,2)"))),
        schema="SAPBW", table="/BIC/AZSD00", window=Window("day", "yyyymmdd"), order_by=("id",),
        filter="plant = :plant", params={"plant": "서울"},
    )  # fmt: skip
    with (
        opened(module) as source,
        source.read(what, Span(date(2025, 7, 1), date(2025, 7, 2), "daily")) as reading,
    ):
        assert next(reading.batches).to_pylist() == [
            {"id": 1, "day": "20250701", "plant": "서울", "amount": D("1.00")}
        ]
    select = next(one for one in module.statements if one.startswith('SELECT q."ID"'))
    assert select.split("\n") == [
        'SELECT q."ID" AS "id", q."CALDAY" AS "day", RTRIM(q."PL/ANT") AS "plant", '
        'TO_NVARCHAR(q."AMT") AS "amount"',
        'FROM "SAPBW"."/BIC/AZSD00" AS q',
        'WHERE ((q."PL/ANT" = \'서울\')) AND (q."CALDAY" >= \'20250701\' AND q."CALDAY" < '
        "'20250702')",
        'ORDER BY q."CALDAY", q."ID"',
    ]


def test_a_query_and_what_is_there(module: HdbcliStandIn) -> None:
    module.table("/BIC/AZSD00", {"ID": "BIGINT", "AMT": "DECIMAL(18,2)"}, [(1, "1.50"), (2, "2")])
    columns = (
        Column("id", "ID", parse_type("int64")),
        Column("amount", "AMT", parse_type("decimal(18,2)")),
    )
    query = 'SELECT "ID", "AMT" FROM "/BIC/AZSD00" WHERE "ID" > :low -- all'
    what = Table(columns, query=query, params={"low": 1})
    assert rows_of(module, what).to_pylist() == [{"id": 2, "amount": D("2.00")}]
    with opened(module) as source:
        assert [(c.name, c.shown) for c in source.describe(what)] == [
            ("ID", "BIGINT"),
            ("AMT", "DECIMAL(18,2)"),
        ]
        assert source.peek(what, 1).num_rows == 1
        with pytest.raises(PermanentError, match=r"did you mean 'SAPBW\./BIC/AZSD00'"):
            source.describe(table({"ID": "int64"}, "/BIC/AZSD0"))


TLS = "Connection failed (RTE:[300015] SSL certificate validation failed: error code: 1, file:x.c"
ERRORS: list[tuple[str, Error, type[LakeError], list[str]]] = [
    ("SET", Error(-10807, "Connection down: [89006] System call 'recv' failed, rc=104"),
     TransientError, ["Connection down", "the connection was lost"]),
    ("SET", Error(-10709, TLS), PermanentError,
     ["SSL certificate validation failed (error", "sslTrustStore"]),
    ("SELECT", Error(258, "insufficient privilege: Detailed info can be found with guid 'A1'"),
     PermanentError, ["insufficient privilege", "GRANT SELECT"]),
    ("SELECT", Error(259, "invalid table name:  Could not find table/view T in schema SAPBW: line 2"
                          " col 6 (at pos 21)"), PermanentError, ["in schema SAPBW (error 259)"]),
    ("SELECT", Error(133, "transaction rolled back by detected deadlock: TrexUpdate failed on 'x'"),
     TransientError, ["rolled back by detected deadlock (error 133)", "less busy"]),
    ("SELECT", Error(4, "cannot allocate enough memory: search table error"), TransientError,
     ["cannot allocate enough memory (error 4)"]),
    ("SELECT", Error(339, "invalid number: not a valid number string '주민-900101'"),
     PermanentError, ["invalid number (error 339)"]),
    ("SELECT", Error(416, "user is locked; try again later: lock time is 1440 minutes"),
     PermanentError, ["user is locked; try again later (error 416)"]),
    ("SELECT", Error(260, 'invalid column name: Q.NIX: line 1 col 8 (at pos 7)'), PermanentError,
     ["invalid column name: Q.NIX (error 260)", "mend the table"]),
]  # fmt: skip


@pytest.mark.parametrize(("begins", "error", "kind", "said"), ERRORS)
def test_errors_by_code(
    module: HdbcliStandIn, begins: str, error: Error, kind: type[LakeError], said: list[str]
) -> None:
    module.table("T", {"ID": "INTEGER"}, [(1,)])
    module.fails[begins] = error
    with pytest.raises(LakeError) as told:
        rows_of(module, table({"ID": "int32"}, "T"))
    assert type(told.value) is kind
    for part in [*said, "SAPBW.T, connection 'hana_bw' (bw.corp:30041)"]:
        assert part in str(told.value)
    assert "900101" not in str(told.value) + repr(told.value.__context__)


def test_a_password_is_wrong(module: HdbcliStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANA_PW", "geheim")
    with pytest.raises(PermanentError, match=r"authentication failed.*user and password") as told:
        opened(module).__enter__()
    assert "geheim" not in str(told.value)


def test_a_connection_lost_in_mid_stream(module: HdbcliStandIn) -> None:
    module.table("T", {"ID": "INTEGER"}, [])
    module.db.execute('INSERT INTO "SAPBW"."T" FROM range(50000)')
    module.lost_after = 2
    with opened(module) as source, source.read(table({"ID": "int32"}, "T")) as reading:
        assert next(reading.batches).num_rows == 16_384
        assert next(reading.batches).num_rows == 16_384
        with pytest.raises(TransientError, match=r"Connection down.*the connection was lost"):
            next(reading.batches)


# -- with the real hdbcli --


def test_the_real_driver_has_all_that_is_used() -> None:
    assert {name for name in dir(HdbcliStandIn) if name in ("connect", "Error")} <= set(dir(dbapi))
    methods = ("execute", "fetchone", "fetchmany", "fetchall", "close", "setfetchsize")
    assert set(methods) <= set(dir(dbapi.Cursor))
    assert {"cursor", "rollback", "close"} <= set(dir(dbapi.Connection))
    error = dbapi.Error(259, "invalid table name")
    assert (error.errorcode, error.errortext) == (259, "invalid table name")
    assert issubclass(dbapi.ProgrammingError, dbapi.Error)


def test_the_real_driver_knows_every_word(module: HdbcliStandIn) -> None:
    """It takes any keyword without a complaint, so they are looked for in the driver itself."""
    import pyhdbcli

    with opened(module, database="HDB", options=dict.fromkeys(hana._OPTIONS, 1)):
        (words,) = module.asked
    assert words["databaseName"] == "HDB"
    assert words["autocommit"] is False
    assert words["reconnect"] is False
    compiled = Path(pyhdbcli.__file__).read_bytes().lower()
    for word in words:
        assert b"\x00" + word.lower().encode() + b"\x00" in compiled, word
    assert b"\x00sslvalidatecertificat\x00" not in compiled


@contextmanager
def listening(context: ssl.SSLContext | None = None) -> Iterator[tuple[int, list[bytes]]]:
    """A port that notes the first bytes it is sent (of TLS what they say) and hangs up."""
    got: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)

        def once() -> None:
            client, _ = server.accept()
            with contextlib.suppress(OSError), client:
                if context is None:
                    got.append(client.recv(100))
                    return
                with context.wrap_socket(client, server_side=True) as secured:
                    got.append(secured.recv(100))

        thread = threading.Thread(target=once, daemon=True)
        thread.start()
        yield server.getsockname()[1], got
        thread.join(60)


@pytest.mark.parametrize("encrypt", [True, False])
def test_the_real_driver_encrypts_where_it_is_told_to(
    monkeypatch: pytest.MonkeyPatch, encrypt: bool
) -> None:
    monkeypatch.setenv("HANA_PW", "geheim")
    options = {"encrypt": encrypt, "sslValidateCertificate": False, "connectTimeout": 2000}
    with listening() as (port, got):
        one = connection(host="127.0.0.1", port=port, options=options)
        with pytest.raises(LakeError) as told:
            hana.connect("hana_bw", one).__enter__()
    assert got[0][:2] == (b"\x16\x03" if encrypt else b"\xff\xff")  # a TLS hello, HANA's own
    assert "geheim" not in str(told.value)


def test_the_real_driver_says_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANA_PW", "geheim")
    one = connection(host="127.0.0.1", port=1)
    with pytest.raises(TransientError, match=r"Connection refused.*error -10709.*server runs"):
        hana.connect("hana_bw", one).__enter__()


@pytest.mark.parametrize(
    ("trusted", "options", "said"),
    [
        ("localhost", {}, ["Socket closed by peer"]),  # the listener hangs up after the first bytes
        ("other", {}, ["SSL certificate validation failed", "sslTrustStore"]),
        ("other", {"sslValidateCertificate": False}, ["Socket closed by peer"]),
        (
            "localhost",
            {"sslHostNameInCertificate": "elsewhere"},
            ["Hostname 'elsewhere' does not match", "sslHostNameInCertificate"],
        ),
    ],
)
def test_the_real_driver_checks_the_certificate(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    trusted: str,
    options: dict[str, Any],
    said: list[str],
) -> None:
    monkeypatch.setenv("HANA_PW", "geheim")
    for name in ("localhost", "other"):
        certificate(name, tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "localhost.pem", tmp_path / "localhost.key")
    given = {"encrypt": True, "sslTrustStore": str(tmp_path / f"{trusted}.pem"), **options}
    with listening(context) as (port, got), pytest.raises(LakeError) as told:
        hana.connect("hana_bw", connection(host="localhost", port=port, options=given)).__enter__()
    trusts = said == ["Socket closed by peer"]
    assert type(told.value) is (TransientError if trusts else PermanentError)
    assert [first[:4] for first in got if first] == ([b"\xff\xff\xff\xff"] if trusts else [])
    for part in said:
        assert part in str(told.value)


def certificate(name: str, folder: Path) -> None:
    """A certificate that vouches for itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    named = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(named)
        .issuer_name(named)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(1))
        .not_valid_after(now + timedelta(1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / f"{name}.pem").write_bytes(made.public_bytes(Encoding.PEM))
    (folder / f"{name}.key").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(PermanentError, match=r"unknown option 'encypt'; allowed: .*'encrypt'"):
        hana.connect("hana_bw", connection(options={"encypt": True}))
