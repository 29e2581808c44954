"""A session with HiveServer2: statements, small results, and results in bulk as Arrow.

Here: logging in, the settings of every session, running a statement, Hive's errors in words. Not
here: reading a table as a source (`hive_source.py`), the bytes of a result (`hive_wire.py`), which
tables and partitions there should be, and text of SQL (`sql.py`).
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import re
import ssl
import struct
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
from pyhive import hive as pyhive
from pyhive.exc import Error as PyHiveError
from pyhive.sasl_compat import PureSASLClient
from TCLIService import ttypes
from thrift.Thrift import TException
from thrift.transport.TSocket import TSocket
from thrift.transport.TSSLSocket import TSSLSocket
from thrift.transport.TTransport import TTransportException
from thrift_sasl import TSaslClientTransport

from resources import tls
from resources.errors import LakeError, PermanentError, TransientError, UsageError
from resources.hive_wire import WireError, column, reply, typed
from resources.settings import Connection, Settings

# PyHive logs every statement, with the values that are bound into it; Thrift a stack where a host
# cannot be reached, which is told in words here.
logging.getLogger("pyhive.hive").setLevel(logging.WARNING)
logging.getLogger("thrift.transport.TSocket").setLevel(logging.CRITICAL)
logging.getLogger("thrift.transport.TSSLSocket").setLevel(logging.CRITICAL)

#: Rows of one reply, which become one Arrow batch: 1.9 MB at 14 columns. The server makes them
#: up row by row, so larger ones cost memory on both sides and save nothing.
BATCH_ROWS = 10_000

#: What every session needs, whatever the server's default.
SESSION = {
    # `${env:X}` in a value or a query would be replaced by the server's own X.
    "hive.variable.substitute": "false",
    "hive.support.quoted.identifiers": "column",
    # Columns of a result are called as the statement calls them, not `q.name`.
    "hive.resultset.use.unique.column.names": "false",
    # A job's result is kept in a file, in which a newline within a value would begin another row.
    "hive.query.result.fileformat": "SequenceFile",
    # Timestamps in Parquet files are wall time, in whatever zone the server runs.
    "hive.parquet.timestamp.skip.conversion": "true",
    # Partitions may be written whose values only the rows know.
    "hive.exec.dynamic.partition": "true",
    "hive.exec.dynamic.partition.mode": "nonstrict",
}

#: Seconds to wait for the server's host and login, and for any one answer: a statement is asked
#: about again and again while it runs, but compiling it waits behind everybody's.
_CONNECT_TIMEOUT, _ANSWER_TIMEOUT = 20, 600

_AUTH = ("NONE", "LDAP", "CUSTOM", "KERBEROS")
#: Those with a password; Kerberos has the ticket of the process.
_BY_PASSWORD = ("LDAP", "CUSTOM")
_SECURITY = ("ssl", "ca_certs", "verify")
_SETTING = re.compile(r"(hive|mapreduce|mapred|tez|spark|yarn|parquet)\.[A-Za-z0-9_.\-]+")

_DONE = ttypes.TOperationState.FINISHED_STATE
_RUNNING = (
    ttypes.TOperationState.INITIALIZED_STATE,
    ttypes.TOperationState.RUNNING_STATE,
    ttypes.TOperationState.PENDING_STATE,
)
_TYPE_NAMES = ttypes.TTypeId._VALUES_TO_NAMES

#: What breaks on the way to the server; whatever it is, the session is lost with it.
_BROKEN = (TTransportException, OSError, EOFError, WireError, struct.error)

#: What the server says → whether trying again may help, and what to do.
_ERRORS: tuple[tuple[str, type[LakeError], str], ...] = (
    (
        r"Invalid (Session|Operation)Handle|Session .*(closed|expired)|Unable to get session",
        TransientError,
        "the session was lost, the server may have been restarted; try again",
    ),
    (
        r"Permission denied|HiveAccessControlException|does not have .*privilege|not authorized",
        PermanentError,
        "ask its owner for the right, in Hive and on the files",
    ),
    (
        r"not allowed to impersonate",
        PermanentError,
        "have HDFS let Hive's user act for others (hadoop.proxyuser.<user>.hosts and .groups in "
        "the NameNode's core-site.xml)",
    ),
    (
        r"Cannot modify .* at runtime",
        PermanentError,
        "ask the server's administrator to allow this setting "
        "(hive.security.authorization.sqlstd.confwhitelist.append)",
    ),
    (
        r"Connection refused|timed? ?out|safe ?mode|No route to host|could not be acquired|locked"
        r"|StandbyException|Too many|TTransportException|could only be replicated",
        TransientError,
        "a service that Hive needs is not there or busy; try again",
    ),
    (
        r"return code -?\d+ from \S*(MapRedTask|MapredLocalTask|TezTask|SparkTask)",
        TransientError,
        "its job failed on the cluster; the job's own log says why",
    ),
    (
        r"(Table|Database|column|View|Partition).*not found|does not exist|Invalid table alias"
        r"|ParseException|SemanticException",
        PermanentError,
        "mend the table, the columns or the SQL in the pipeline file",
    ),
)


def open_hive(settings: Settings, name: str) -> HiveConnection:
    """The connection `name`, to be opened by `with`; UsageError where it is not of kind hive."""
    connection = settings.connection(name)
    if connection.kind != "hive":
        raise UsageError(
            f"The connection {name!r} is of kind {connection.kind!r} (environment "
            f"{settings.env!r}), not hive."
        )
    return HiveConnection(name, connection)


class HiveConnection:
    """One session, one statement at a time; a context manager."""

    def __init__(self, name: str, connection: Connection) -> None:
        self.name = name
        self._settings = connection
        self._socket: TSocket | None = None
        self._session: pyhive.Connection | None = None

    @property
    def where(self) -> str:
        """The connection and its address, for messages."""
        return f"{self.name!r} ({self._settings.host}:{self._settings.port or 10000})"

    def __enter__(self) -> HiveConnection:
        options = dict(self._settings.options)
        security = {key: options.pop(key) for key in _SECURITY if key in options}
        service = str(options.pop("kerberos_service", "hive"))
        auth = str(options.pop("auth", "LDAP" if self._settings.password else "NONE")).upper()
        answer = int(options.pop("timeout", _ANSWER_TIMEOUT))
        for key in options:
            if not _SETTING.fullmatch(key) or key in SESSION:
                raise PermanentError(
                    f"{self.where}: unknown option {key!r}; allowed: auth, kerberos_service, ssl, "
                    "ca_certs, verify, timeout (seconds), and Hive's own settings such as "
                    "mapreduce.job.queuename."
                )
        if auth not in _AUTH:
            raise PermanentError(
                f"{self.where}: the login {auth!r} is not built; there are {', '.join(_AUTH)}."
            )
        takes = auth in _BY_PASSWORD
        if takes != (self._settings.password is not None):
            raise PermanentError(
                f"{self.where}: a login by {auth} takes {'a' if takes else 'no'} "
                "`password`; correct it, or options.auth, in the environment."
            )
        if auth == "KERBEROS" and importlib.util.find_spec("kerberos") is None:
            raise PermanentError(
                f"{self.where}: a login by KERBEROS needs the package kerberos (pip install "
                "kerberos; Debian: libkrb5-dev, gcc) and a ticket (kinit -k -t KEYTAB USER)."
            )
        password = self._settings.password.reveal() if self._settings.password else "none"
        host, user = self._settings.host or "", self._settings.user or "lake"
        self._socket = self._unopened(host, security)
        self._socket.setTimeout(_CONNECT_TIMEOUT * 1000)
        if auth == "KERBEROS":
            # `auth` alone: a result's bytes are read as Thrift writes them, TLS is what hides them.
            transport = _Transport(
                lambda: PureSASLClient(host, service=service, qops=(b"auth",)),
                "GSSAPI",
                self._socket,
            )
        else:
            transport = _Transport(
                lambda: PureSASLClient(host, username=user, password=password),
                "PLAIN",
                self._socket,
            )
        try:
            with self._errors("connecting"):
                self._socket.open()
            with self._errors("logging in"):
                transport.open()
            with self._errors("opening a session"):
                self._socket.setTimeout(answer * 1000)
                self._session = pyhive.Connection(
                    username=user,
                    database=(self._settings.database or "default").replace("`", "``"),
                    configuration={**SESSION, **{key: str(one) for key, one in options.items()}},
                    thrift_transport=transport,
                )
        except BaseException:
            transport.close()
            raise
        return self

    def _unopened(self, host: str, security: dict[str, Any]) -> TSocket:
        port = self._settings.port or 10000
        if not security.pop("ssl", False):
            if security:
                raise PermanentError(
                    f"{self.where}: {', '.join(security)} say nothing without `ssl: true` in the "
                    "connection's options."
                )
            return TSocket(host, port, socket_keepalive=True)
        file = security.get("ca_certs") or os.environ.get("REQUESTS_CA_BUNDLE")
        try:
            context = ssl.create_default_context(cafile=str(file) if file else None)
        except OSError:
            raise PermanentError(
                f"{self.where}: the file of the CA is not there, or holds no certificate: correct "
                "ca_certs in the connection's options."
            ) from None
        if not security.get("verify", True):
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return _Secured(host, port, ssl_context=context, socket_keepalive=True)

    def __exit__(self, *exc: object) -> None:
        session, self._session = self._session, None
        if session is not None:
            # One that was lost cannot be closed, and nothing depends on it.
            with contextlib.suppress(TException, PyHiveError, *_BROKEN):
                session.close()
        if self._socket is not None:
            self._socket.close()

    def version(self) -> str:
        """The server's: `1.2.1`."""
        assert self._session is not None
        asked = ttypes.TGetInfoReq(self._session.sessionHandle, ttypes.TGetInfoType.CLI_DBMS_VER)
        with self._errors("asking for its version"):
            return str(self._session.client.GetInfo(asked).infoValue.stringValue)

    def run(self, statement: str) -> None:
        """Execute a statement that gives no rows, and wait for its end."""
        with self._executed(statement):
            pass

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """A small result: decimals as Decimal, timestamps as datetime, dates as text."""
        with self._executed(statement) as cursor, self._errors("reading"):
            found: list[tuple[Any, ...]] = cursor.fetchall()
            return found

    def columns(self, query: str) -> list[tuple[str, str]]:
        """The names and Hive types of a query's columns, without its rows where it has LIMIT 0."""
        with self._executed(query) as cursor, self._errors("reading"):
            asked = ttypes.TGetResultSetMetadataReq(cursor._operationHandle)
            answer = cursor._connection.client.GetResultSetMetadata(asked)
            if answer.schema is None:
                raise PyHiveError(answer)
            return [(one.columnName, _type(one.typeDesc)) for one in answer.schema.columns]

    def batches(self, statement: str, schema: pa.Schema) -> Generator[pa.RecordBatch, None, None]:
        """The rows of a SELECT as Arrow; its columns, in order, become those of `schema`.

        PermanentError where a value is not exactly one of the column's type; the value is not
        told. The statement runs when the first batch is asked for, and is ended on the server when
        the iterator is closed.
        """
        with self._executed(statement) as cursor, self._errors("reading"):
            while True:
                columns = self._fetched(cursor)
                if len(columns) != len(schema):
                    raise PermanentError(
                        f"{self.where}: the statement gives {len(columns)} columns for "
                        f"{len(schema)}: {', '.join(schema.names)}."
                    )
                if not len(columns[0]):
                    return
                yield pa.RecordBatch.from_arrays(
                    [self._exactly(*pair) for pair in zip(columns, schema, strict=True)],
                    schema=schema,
                )

    def _exactly(self, values: pa.Array, field: pa.Field) -> pa.Array:
        try:
            return typed(values, field.type)
        except pa.ArrowInvalid:
            raise PermanentError(
                f"{self.where}: a value of {field.name!r} is not exactly a {field.type} (it is not "
                "shown, it may be personal). Declare the column's type as Hive has it, or cast it "
                "in a `query`."
            ) from None

    def _fetched(self, cursor: pyhive.Cursor) -> list[pa.Array]:
        """The columns of one reply; PyHive would make an object of every value."""
        asked = ttypes.TFetchResultsReq(
            cursor._operationHandle, ttypes.TFetchOrientation.FETCH_NEXT, BATCH_ROWS
        )
        cursor._connection.client.send_FetchResults(asked)
        (length,) = struct.unpack(">i", self._received(4))
        answer = reply(self._received(length)).get(0)
        if answer is None:
            raise WireError("the reply has no result")
        status = answer[1]
        if status[1] != ttypes.TStatusCode.SUCCESS_STATUS:
            said = status.get(5, b"").decode(errors="replace")
            raise _told(f"{self.where}: reading", said)
        return [column(one) for one in answer[3].get(3, [])]

    def _received(self, size: int) -> bytes:
        """Exactly the next bytes. The login wraps nothing, so the stream is as Thrift writes it."""
        assert self._socket is not None
        buffer = bytearray(size)
        view = memoryview(buffer)
        while view:
            got = self._socket.handle.recv_into(view)
            if not got:
                raise EOFError
            view = view[got:]
        return bytes(buffer)

    @contextmanager
    def _executed(self, statement: str) -> Iterator[pyhive.Cursor]:
        """A statement that has run to its end. It is ended on the server too when the block ends.

        The server runs it in the background, so that a broken line is noticed while it runs.
        """
        if self._session is None:
            raise PermanentError(f"{self.where} is not open; use it in a `with` block.")
        cursor = self._session.cursor()
        try:
            with self._errors("executing"):
                cursor.execute(statement, async_=True)
                self._finished(cursor)
            yield cursor
        finally:
            with contextlib.suppress(TException, PyHiveError, *_BROKEN):
                cursor.close()

    def _finished(self, cursor: pyhive.Cursor) -> None:
        pause = 0.005
        while True:
            # Since Hive 0.14 the answer waits up to 5 s for the end (hive.server2.long.polling).
            answer = cursor.poll(get_progress_update=False)
            if answer.operationState == _DONE:
                return
            if answer.operationState not in _RUNNING:
                said = answer.errorMessage or "the statement was cancelled on the server"
                if "return code" in said and "(message:" not in said:
                    said = f"{_one_line(said)}: {self._cause(cursor)}"
                raise _told(f"{self.where}: executing", said)
            time.sleep(pause)
            pause = min(2 * pause, 1)

    def _cause(self, cursor: pyhive.Cursor) -> str:
        """What the statement's log gives as the reason: the message says that a job failed."""
        with contextlib.suppress(TException, PyHiveError, *_BROKEN):
            lines = [line for line in cursor.fetch_logs() if isinstance(line, str)]
            reasons = re.findall(r"^(?:ERROR : |Caused by: )(.+)", "\n".join(lines), re.MULTILINE)
            told = [line for line in reasons if "Ended Job" not in line]
            if told:
                return _one_line(told[-1])
        return "its log gives no reason"

    @contextmanager
    def _errors(self, doing: str) -> Iterator[None]:
        what = f"{self.where}: {doing}"
        try:
            yield
        except PyHiveError as error:
            raise _told(what, _said(error)) from None
        except _BROKEN as error:
            raise _broken(what, error) from None
        except TException as error:
            raise PermanentError(
                f"{what}: {type(error).__name__}: {_one_line(str(error))}. What to do: check that "
                "host and port are those of a HiveServer2 (binary transport)."
            ) from None


class _Secured(TSSLSocket):  # type: ignore[misc]
    """One that may be closed before it was opened."""

    def close(self) -> None:
        if self.handle is not None:
            super().close()


class _Transport(TSaslClientTransport):  # type: ignore[misc]
    """One that PyHive may open again: logging in is a step of its own, with its own words."""

    def open(self) -> None:
        if self.sasl is None:
            super().open()


def _said(error: PyHiveError) -> str:
    """The server's own line out of a response that PyHive raises whole."""
    status = getattr(error.args[0], "status", None) if error.args else None
    if status is not None:
        return str(status.errorMessage or status.sqlState or "no reason was given")
    return str(error)


def _told(what: str, said: str) -> LakeError:
    line = _one_line(said)
    for pattern, kind, cure in _ERRORS:
        if re.search(pattern, said, re.IGNORECASE):
            return kind(f"{what}: {line}. What to do: {cure}.")
    return PermanentError(f"{what}: {line}.")


def _one_line(text: str) -> str:
    """Hive's message without Java's class names and stack, and without the row it failed at."""
    line = (text.strip().splitlines() or ["no reason was given"])[0]
    line = re.sub(r"^Error while (compiling|processing) statement: (FAILED: )?", "", line)
    plain = re.sub(r"^((java|javax|org|com)\.[\w.$]+: )+", "", line)
    plain = re.sub(r"(while processing (writable|row)\b).*", r"\1", plain)
    return plain[:500].rstrip(" .") or line[:500]


def _broken(what: str, error: Exception) -> LakeError:
    text = str(error)
    refused = re.search(r"Bad status: \d+ \(b?['\"]?(.*?)['\"]?\)", text)
    if refused:
        return PermanentError(
            f"{what}: the server refused the login ({_one_line(refused[1])}). What to do: check "
            "the connection's user, password and options.auth."
        )
    if "failed to resolve" in text:
        return TransientError(
            f"{what}: the host's name is not known. What to do: check the connection's host, "
            "and DNS."
        )
    untrusted = tls.refused(getattr(error, "inner", None) or error)
    if untrusted:
        return PermanentError(
            f"{what}: {untrusted}. What to do: {tls.cure(untrusted, 'ca_certs')}."
        )
    if what.endswith("connecting"):
        return TransientError(
            f"{what}: the server cannot be reached. What to do: check that HiveServer2 runs and "
            "the network lets this host reach it."
        )
    if what.endswith("logging in"):
        return TransientError(
            f"{what}: the server ended the connection or did not answer. What to do: check that "
            "host and port are those of a HiveServer2 (binary transport, SASL), then try again."
        )
    late = isinstance(error, TimeoutError) or "timeout" in text
    return TransientError(
        f"{what}: {'no answer in time' if late else 'the connection was lost'}"
        f"{f' ({text})' if isinstance(error, WireError) else ''}. What to do: try again; the "
        "server may have been restarted."
    )


def _type(described: ttypes.TTypeDesc) -> str:
    """A column's type in Hive's own words: `decimal(18,2)`, `array<…>` only as `array`."""
    entry = described.types[0].primitiveEntry
    if entry is None:
        return "complex"
    name = str(_TYPE_NAMES[entry.type]).removesuffix("_TYPE").lower()
    given = entry.typeQualifiers.qualifiers if entry.typeQualifiers else {}
    sizes = [
        str(given[key].i32Value)
        for key in ("precision", "scale", "characterMaximumLength")
        if key in given
    ]
    return f"{name}({','.join(sizes)})" if sizes else name
