"""What is asked of a connection, by its kind: login, version, clock, rights, the way to the files.

Here: a table of kinds, and the checks. Not here: running them (`doctor.py`), sockets
(`doctor_network.py`), HDFS, MLflow and the store (`doctor_services.py`). Nothing is changed, and no
row is read: a table is asked for none of its rows, which needs the right to read it all the same.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import re
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

from resources import standins, tls
from resources.described import FileSource
from resources.doctor import Check, Declared, failed, not_tried, of_error, ok, warned
from resources.doctor_network import addresses, reached, tls_within, within_login
from resources.errors import LakeError
from resources.limits import next_opening
from resources.settings import Connection, Settings
from resources.source import Column, Source, Table, unlimited
from resources.types import ColumnType

#: Seconds that a server's clock may be off: by then a day's last rows may be in another partition.
_CLOCK = 60

#: Distributions that reach a kind, of which one must be there, and the extra that brings them.
_DRIVERS: dict[str, tuple[tuple[str, ...], str]] = {
    "duckdb": (("duckdb",), ""),
    "postgres": (("duckdb-extension-postgres-scanner",), ""),
    "mariadb": (("duckdb-extension-mysql-scanner",), ""),
    "sqlserver": (("mssql-python", "pymssql"), "sqlserver"),
    "hana": (("hdbcli",), "hana"),
    "tibero": (("jaydebeapiarrow", "jaydebeapi"), "tibero"),
    "hive": (("pyhive",), ""),
    "sftp": (("paramiko",), ""),
    "elasticsearch": (("elastic-transport",), ""),
    "http": (("requests",), ""),
    "hdfs": (("hdfs",), ""),
    "storage": (("fsspec", "s3fs", "gcsfs", "adlfs"), ""),
    "webhook": (("requests",), ""),
}

#: Each gives one row: version, zone and the clock's moment in UTC, as text.
_ABOUT = {
    "duckdb": "SELECT version() AS version, current_setting('TimeZone') AS zone, NULL AS utc",
    "postgres": """
        SELECT current_setting('server_version') AS version,
          current_setting('TimeZone') AS zone,
          to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') AS utc""",
    "mariadb": """
        SELECT version() AS version, concat(@@global.time_zone, ' ', @@system_time_zone) AS zone,
          CAST(utc_timestamp(3) AS CHAR) AS utc""",
    "sqlserver": """
        SELECT CAST(SERVERPROPERTY('ProductVersion') AS nvarchar(128)) AS version,
          CAST(DATENAME(TZOFFSET, SYSDATETIMEOFFSET()) AS nvarchar(10)) AS zone,
          CONVERT(nvarchar(30), SYSUTCDATETIME(), 126) AS utc""",
    "hana": """
        SELECT VERSION AS "version",
          TO_NVARCHAR(SECONDS_BETWEEN(CURRENT_UTCTIMESTAMP, CURRENT_TIMESTAMP) / 3600) || ' h' AS
            "zone",
          TO_NVARCHAR(CURRENT_UTCTIMESTAMP, 'YYYY-MM-DD HH24:MI:SS.FF3') AS "utc"
        FROM SYS.M_DATABASE""",
    "tibero": """
        SELECT NULL AS "version", TO_CHAR(SYSTIMESTAMP, 'YYYY-MM-DD HH24:MI:SS') AS "zone",
          TO_CHAR(SYSTIMESTAMP AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.FF3') AS "utc"
        FROM DUAL""",
    "hive": """
        SELECT CAST(NULL AS STRING) AS version, CAST(from_unixtime(unix_timestamp()) AS STRING) AS
          zone, CAST(unix_timestamp() AS STRING) AS utc""",
}


@dataclass(frozen=True)
class About:
    """What a database says of itself. `zone` is a name, an offset, or what its clock shows."""

    version: str
    zone: str
    utc: datetime | None


def prepare(settings: Settings, name: str) -> None:
    """Import what reaches it, and start its stand-in: no server's fault if that takes its time."""
    with contextlib.suppress(Exception):  # told by the checks
        unlimited(settings, name)


def of_connection(
    settings: Settings, name: str, declared: Sequence[Declared] | None
) -> Iterator[Check]:
    """The checks of any connection; `declared` None: the pipeline files cannot be read."""
    connection = settings.connection(name)
    if standins.OPTION in connection.options:
        yield ok(name, "stand-in", "this process serves it: there is no such system here")
    connection = standins.behind(settings, connection)
    able = yield from _before(name, connection)
    if connection.kind == "webhook":
        yield not_tried(name, "login", "a message would be sent")
        return
    if not able:
        yield not_tried(name, "login", "see above")
        return
    opening = _opening(connection)
    if opening:
        yield not_tried(name, "login", f"`limits: hours`: next from {opening:%Y-%m-%d %H:%M}")
        return
    if connection.kind == "hdfs":
        from resources.doctor_services import of_hdfs

        if not (yield from of_hdfs(settings, name)):
            return
    yield from _opened(settings, name, connection, declared)


def _before(name: str, connection: Connection) -> Generator[Check, None, bool]:
    """Secret, driver, network. Gives whether a login can be tried."""
    able = True
    if connection.password is not None:
        try:
            connection.password.reveal()
            yield ok(name, "secret", f"{connection.password!s} is set")
        except LakeError as error:
            able = False
            yield failed(name, "secret", str(error))
    driver = _driver(name, connection.kind)
    yield driver
    for weak in tls.weaknesses(connection):
        yield warned(name, "security", weak.found, weak.cure)
    found = addresses(connection)
    got_through = not found
    for at in found:
        checks = list(reached(name, at, many=len(found) > 1))
        yield from checks
        got_through |= all(one.result != "failed" for one in checks)
    if found and got_through and tls_within(connection):
        yield within_login(name)
    return able and driver.result == "ok" and got_through


def _driver(name: str, kind: str) -> Check:
    packages, extra = _DRIVERS[kind]
    there = []
    for package in packages:
        try:
            there.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    if there:
        return ok(name, "driver", ", ".join(there))
    wanted = f"'lake[{extra}]'" if extra else packages[0]
    said = f"{' and '.join(packages)}: not installed"
    return failed(name, "driver", said, f"pip install {wanted} in the environment of the lake")


def _opening(connection: Connection) -> datetime | None:
    hours = connection.limits.hours
    now = datetime.now(ZoneInfo("Asia/Seoul")).replace(tzinfo=None)
    return next_opening(hours, now) if hours else None


def _opened(
    settings: Settings, name: str, connection: Connection, declared: Sequence[Declared] | None
) -> Iterator[Check]:
    begun = time.monotonic()
    doing = "login"
    try:
        with unlimited(settings, name) as source:
            took = time.monotonic() - begun
            yield ok(name, "login", _login(connection, took))
            doing = "query"
            yield from _asked(name, connection, source)
            doing = "rights"
            yield from _rights(name, source, declared)
    except Exception as error:
        yield of_error(name, doing, error)


def _login(connection: Connection, seconds: float) -> str:
    who = f"as {connection.user}" if connection.user else "without a user"
    if connection.kind in ("http", "hdfs", "storage"):
        return f"{who}; there is no session, so the first request shows it"
    return f"{who}, in {seconds:.1f} s"


def _asked(name: str, connection: Connection, source: Any) -> Iterator[Check]:
    """The trivial query of a kind, and what it says."""
    kind = connection.kind
    if kind in _ABOUT:
        before = datetime.now(timezone.utc)
        about = about_of(source, kind)
        after = datetime.now(timezone.utc)
        yield ok(name, "query", f"version {about.version or getattr(source, 'version', '?')}")
        if about.utc is not None:
            yield _clock(name, about, before, after)
    elif kind in ("sftp", "storage"):
        folder = source.folder
        version = getattr(folder, "version", "")
        within = connection.path or "the folder of the login"
        there = f"{len(folder.entries(''))} files in {within}"
        yield ok(name, "query", ", ".join(filter(None, (there, version))))
    elif kind == "elasticsearch":
        yield ok(name, "query", f"version {source.version}")


def about_of(source: Source, kind: str) -> About:
    columns = tuple(Column(one, one, ColumnType("string")) for one in ("version", "zone", "utc"))
    query = _ABOUT[kind]
    if kind == "tibero" and getattr(source, "dialect", "") == "postgres":
        query = _ABOUT["postgres"]
    (row,) = source.peek(Table(columns, query=query), 1).to_pylist()
    return About(row["version"] or "", row["zone"] or "", _moment(row["utc"]))


def _moment(text: str | None) -> datetime | None:
    """Of `2025-07-01 09:00:00.1234567`, with a T, or seconds since 1970.

    >>> _moment("2025-07-01T09:00:00.1234567")
    datetime.datetime(2025, 7, 1, 9, 0, 0, 123456, tzinfo=datetime.timezone.utc)
    """
    if not text:
        return None
    if text.isdigit():
        return datetime.fromtimestamp(int(text), timezone.utc)
    whole, _, fraction = text.replace("T", " ").partition(".")
    moment = datetime.strptime(whole, "%Y-%m-%d %H:%M:%S").replace(tzinfo=timezone.utc)
    return moment + timedelta(microseconds=int(f"{fraction:0<6.6}"))


def _clock(name: str, about: About, before: datetime, after: datetime) -> Check:
    """How far the server's clock is outside of the moments between which it was asked."""
    assert about.utc is not None
    whole = timedelta(seconds=0 if about.utc.microsecond else 1)  # some tell seconds alone
    ahead, behind = (
        (about.utc - after).total_seconds(),
        (before - about.utc - whole).total_seconds(),
    )
    off = max(ahead, behind, 0.0)
    words = f"{off:.0f} s {'ahead' if ahead > behind else 'behind'}" if off >= 1 else "as here"
    found = f"{words}; {_zone(about)}"
    if off <= _CLOCK:
        return ok(name, "clock", found)
    return failed(
        name,
        "clock",
        found,
        "have both machines take the time from the company's NTP server (chronyc tracking; after "
        "sleep WSL's clock is behind: wsl --shutdown)",
    )


def _zone(about: About) -> str:
    if not re.match(r"\d{4}-", about.zone):
        return f"zone {about.zone}"
    local = _moment(about.zone)
    assert local is not None
    assert about.utc is not None
    quarters = round((local - about.utc).total_seconds() / 900)
    sign = "-" if quarters < 0 else "+"
    return f"zone UTC{sign}{abs(quarters) // 4:02d}:{abs(quarters) % 4 * 15:02d}"


def _rights(name: str, source: Source, declared: Sequence[Declared] | None) -> Iterator[Check]:
    """Whether what pipelines read is there, with the declared columns, and may be read."""
    if declared is None:
        yield not_tried(name, "rights", "the pipeline files have mistakes: lake validate")
        return
    if not declared:
        yield not_tried(name, "rights", "no pipeline reads anything of it")
        return
    readable = []
    for one in declared:
        try:
            if isinstance(one.table.of, FileSource) and not _files(source, one.table.of):
                why = f"{one.table.shown}: its folder can be listed, and there is no such file now"
                yield not_tried(name, f"rights {one.asset}", why)
                continue
            if one.table.table is not None:
                source.peek(one.table, 0)
            else:
                source.describe(one.table)
            readable.append(one.table.shown)
        except Exception as error:
            yield of_error(name, f"rights {one.asset}", error)
    if readable:
        names = list(dict.fromkeys(readable))
        shown = ", ".join(names[:3])
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        yield ok(name, "rights", f"{len(readable)} of {len(declared)} readable: {shown}{more}")


def _files(source: Any, of: FileSource) -> int:
    """How many files the pattern means now; their folder is listed, none is opened."""
    from resources.files import matching

    return len(matching(source.folder, of))
