"""The generated sources of an environment without real ones: which tables, until when, into DuckDB.

Here: the list of tables, the end of the data, the one dirty day, and the files
`<home>/sources/<connection>.duckdb`, brought up to date atomically. Not here: the rows
(`customers.py`, `sales.py`, `receivables.py`, imported only when some are missing) and PostgreSQL
(`postgres.py`).

The dirty day: `DIRTY_DAYS` before the last day, one line of `/BIC/AZSD_O0100` is there twice, which
the gate `unique` stops. When the data grow by a day, the source has mended that day and another one
is dirty. All other days pass the gates; data that do not reach back so far have no dirty day.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple
from uuid import uuid4

import duckdb

from resources.errors import TransientError
from resources.settings import Sample, writable

if TYPE_CHECKING:
    import pyarrow as pa

SEED = 20211206
#: Raised when the same seed would give other rows: files of another version are built anew.
VERSION = 2
DIRTY_DAYS = 200

CONNECTIONS = ("hana_db", "hana_bw")


class SampleTable(NamedTuple):
    """One generated table: where it is, its rows (generated while they are read), and the SQL types
    of its columns in words that DuckDB and PostgreSQL both know."""

    connection: str
    schema: str
    table: str
    batches: Iterator[pa.RecordBatch]
    types: dict[str, str]

    @property
    def target(self) -> str:
        return f"{_quoted(self.schema)}.{_quoted(self.table)}"

    @property
    def declaration(self) -> str:
        return ", ".join(f"{_quoted(name)} {kind}" for name, kind in self.types.items())


@dataclass(frozen=True)
class Generated:
    """What became of one connection's file. `rows` were written now; `current` needed none."""

    connection: str
    path: Path
    done: Literal["built", "extended", "current"]
    first: date
    last: date
    rows: int
    seconds: float


@dataclass(frozen=True)
class _State:
    """What a file holds. It begins where it was first built and only grows at its end."""

    seed: int
    version: int
    scale: float
    first: date
    last: date

    @property
    def dirty(self) -> date | None:
        dirty = self.last - timedelta(days=DIRTY_DAYS)
        return dirty if dirty >= self.first else None

    def grows_into(self, other: _State) -> bool:
        """Whether adding days at the end (or none) gives all that `other` has."""
        same = (self.seed, self.version, self.scale) == (other.seed, other.version, other.scale)
        return same and self.first <= other.first and self.last <= other.last


def last_day(sample: Sample, today: date) -> date:
    """The last day that has data; `today` is today's date in Seoul."""
    if sample.until == "yesterday":
        return today - timedelta(days=1)
    return date.fromisoformat(sample.until)


def dirty_day(sample: Sample, today: date) -> date | None:
    """The day with one line twice, None where freshly built data do not reach back that far."""
    return _wanted(sample, today).dirty


def tables(sample: Sample, today: date) -> Iterator[SampleTable]:
    """All tables with all their rows."""
    yield from _tables(None, _wanted(sample, today))


def write_duckdb(home: Path, sample: Sample, today: date) -> list[Generated]:
    """Bring the files under `<home>/sources` up to date; what is current stays as it is.

    A later end appends the missing days; another scale, seed or version, an earlier end or a longer
    past builds anew. Each file is written beside the old one and renamed: a crash leaves either.
    """
    folder = home / "sources"
    wanted = _wanted(sample, today)
    results = [_current(folder, connection, wanted) for connection in CONNECTIONS]
    if None in results:
        with _locked(folder):
            # Another process may have written them while this one waited.
            results = [
                _current(folder, connection, wanted) or _write(folder, connection, wanted)
                for connection in CONNECTIONS
            ]
    return [result for result in results if result]


def _wanted(sample: Sample, today: date) -> _State:
    last = last_day(sample, today)
    return _State(SEED, VERSION, sample.scale, last - timedelta(days=sample.days - 1), last)


def _tables(found: _State | None, wanted: _State) -> Iterator[SampleTable]:
    """The rows that make `wanted` of `found`; the days `_rewritten` are among them, whole."""
    from lake_assets.sample import customers, receivables, sales

    first = found.last + timedelta(days=1) if found else wanted.first
    known = customers.count(wanted.scale, found.last) if found else 0
    spans = [*((day, day) for day in _rewritten(found, wanted)), (first, wanted.last)]
    yield SampleTable(
        "hana_db",
        "SAPERP",
        "KNA1",
        iter(
            [customers.rows(SEED, known, customers.count(wanted.scale, wanted.last), wanted.scale)]
        ),
        customers.TYPES,
    )
    opened = max(receivables.OPENED, wanted.first)
    ledger = (SEED, wanted.scale, opened, max(first, opened), wanted.last)
    yield SampleTable(
        "hana_db",
        "SAPERP",
        "ZFIT0010",
        receivables.invoice_batches(*ledger),
        receivables.INVOICE_TYPES,
    )
    yield SampleTable(
        "hana_db",
        "SAPERP",
        "ZFIT0020",
        receivables.payment_batches(*ledger),
        receivables.PAYMENT_TYPES,
    )
    lines = (batch for span in spans for batch in sales.batches(SEED, wanted.scale, *span))
    yield SampleTable(
        "hana_bw", "SAPBW", "/BIC/AZSD_O0100", _doubled(lines, wanted.dirty), sales.TYPES
    )


def _rewritten(found: _State | None, wanted: _State) -> list[date]:
    """The days `found` has that change: the old dirty day is mended, the new one becomes dirty."""
    if found is None:
        return []
    return sorted({day for day in (found.dirty, wanted.dirty) if day and day <= found.last})


def _doubled(batches: Iterator[pa.RecordBatch], dirty: date | None) -> Iterator[pa.RecordBatch]:
    """The same rows, the first line of the dirty day twice."""
    calday = f"{dirty:%Y%m%d}" if dirty else ""
    for batch in batches:
        at = batch.column("CALDAY").index(calday).as_py()
        if at < 0:
            yield batch
        else:
            yield batch.slice(0, at + 1)
            yield batch.slice(at)


def _current(folder: Path, connection: str, wanted: _State) -> Generated | None:
    path = folder / f"{connection}.duckdb"
    found = _state(path)
    if found and found.grows_into(wanted) and found.last == wanted.last:
        return Generated(connection, path, "current", found.first, found.last, 0, 0.0)
    return None


def _state(path: Path) -> _State | None:
    """What the file says it holds; None where there is none or it was not written here."""
    if not path.exists():
        return None
    try:
        with duckdb.connect(str(path), read_only=True) as con:
            row = con.execute("SELECT * FROM sample_state").fetchone()
        return _State(*row) if row else None
    except (duckdb.Error, TypeError) as error:
        if "Could not set lock" in str(error):
            raise TransientError(
                f"{path} is open for writing in another program; close it and try again."
            ) from None
        return None


def _write(folder: Path, connection: str, wanted: _State) -> Generated:
    started = time.perf_counter()
    path = folder / f"{connection}.duckdb"
    hidden = folder / f".{path.name}.{uuid4().hex}"
    found = _state(path)
    if found and found.grows_into(wanted):
        wanted = replace(wanted, first=found.first)
        shutil.copyfile(path, hidden)
    else:
        found = None
    with duckdb.connect(str(hidden)) as con:
        con.execute("SET memory_limit = '512MB'")
        con.execute("BEGIN")
        rows = 0
        for table in _tables(found, wanted):
            if table.connection == connection:
                rows += _append(con, table, _rewritten(found, wanted))
        con.execute(
            "CREATE OR REPLACE TABLE sample_state AS SELECT $seed AS seed, $version AS version, "
            "$scale::DOUBLE AS scale, $first AS first, $last AS last",
            asdict(wanted),
        )
        con.execute("COMMIT")
    with hidden.open("rb") as file:
        os.fsync(file.fileno())
    hidden.replace(path)
    done: Literal["built", "extended"] = "extended" if found else "built"
    seconds = time.perf_counter() - started
    return Generated(connection, path, done, wanted.first, wanted.last, rows, seconds)


def _append(con: duckdb.DuckDBPyConnection, table: SampleTable, rewritten: list[date]) -> int:
    con.execute(f"CREATE SCHEMA IF NOT EXISTS {_quoted(table.schema)}")
    con.execute(f"CREATE TABLE IF NOT EXISTS {table.target} ({table.declaration})")
    if "CALDAY" in table.types:
        for day in rewritten:
            con.execute(f'DELETE FROM {table.target} WHERE "CALDAY" = ?', [f"{day:%Y%m%d}"])
    rows = 0
    for batch in table.batches:
        con.from_arrow(batch).insert_into(table.target)
        rows += batch.num_rows
    return rows


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One writer at a time; what a killed one left is removed."""
    writable(folder)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for litter in folder.glob(".*.duckdb.*"):
            litter.unlink()
        yield


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
