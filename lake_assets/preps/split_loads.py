"""Loading a large table day by day: which days, the statement of one, the load of all of them.

Here: functions 43 to 45 and the ledger of finished days; reading and publishing are functions given
to them. Not here: connections, the lake's own daily loads, which are partitions and backfills of
their ranges (docs/split-loads.md), and uploading a file in parts (`split_upload.py`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence, Sized
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar, cast, get_args
from zoneinfo import ZoneInfo, available_timezones

from lake_assets.preps.prep import PrepError, listed
from resources.errors import PermanentError, TransientError
from resources.yamlfile import nearest

if TYPE_CHECKING:
    from resources import sql

Rows = TypeVar("Rows", bound=Sized)
DateKind = Literal["timestamp", "timestamptz", "date", "yyyymmdd"]
#: sqlglot's words; '' is standard SQL, which HANA speaks.
DIALECTS = ("duckdb", "postgres", "hive", "tsql", "oracle", "mysql", "")

#: What the ledger calls the rows without a date.
NULL = "null"

_SHOWN = 10


@listed(43)
def days_split_upload_date_setting(
    start: date | str, end: date | str, step: int = 1, inclusive: bool = True
) -> list[date]:
    """The days from `start` to `end`, `step` days apart.

    `start`, `end`: days of one calendar, or their text '2025-07-01'; a timestamp is refused, as its
    day depends on a zone. `inclusive=False` leaves `end` itself out. A start after the end is an
    error. Source: the old module's name; inferred.

    >>> [str(day) for day in days_split_upload_date_setting("2025-02-28", "2025-03-01")]
    ['2025-02-28', '2025-03-01']
    """
    what = "days_split_upload_date_setting"
    first, last = _day(what, "start", start), _day(what, "end", end)
    if first > last:
        raise PrepError(f"{what}: start {first} is after end {last}; exchange them.")
    if not isinstance(step, int) or isinstance(step, bool) or step < 1:
        raise PrepError(f"{what}: step is {step!r}; it takes a whole number of days, 1 or more.")
    many = (last - first).days + (1 if inclusive else 0)
    return [first + timedelta(days=gone) for gone in range(0, many, step)]


def _day(what: str, name: str, given: object) -> date:
    if isinstance(given, date) and not isinstance(given, datetime):
        return given
    if isinstance(given, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", given):
        try:
            return date.fromisoformat(given)
        except ValueError:
            raise PrepError(f"{what}: {name} is {given!r}, which no calendar has.") from None
    raise PrepError(f"{what}: {name} is {given!r}; it takes a day: a date or text as '2025-07-01'.")


@dataclass(frozen=True)
class DayQuery:
    """One day's rows: the statement and what its `:name` placeholders stand for.

    `count` is the statement that counts the same rows. `resources.sql.bind` makes text of them for
    a driver without named parameters; SQLAlchemy's `text()` takes them as they are.
    """

    statement: str
    count: str
    parameters: Mapping[str, date | str]


@listed(44)
def days_split_upload_sql_setting(
    table: str,
    date_column: str,
    day: date | None,
    *,
    kind: DateKind = "timestamp",
    tz: str = "Asia/Seoul",
    schema: str | None = None,
    columns: Sequence[str] | None = None,
    dialect: str = "postgres",
) -> DayQuery:
    """The statement that reads one day of a table, its values bound, its names quoted.

    `kind`: what `date_column` holds. A `timestamp` (wall time) or `timestamptz` (instants, whose
    day is that of `tz`) is asked for by a half-open window, so midnight belongs to one day and an
    index serves; a `date` and `yyyymmdd` text by equality. `day=None`: the rows without a date.
    `columns`: all by default. `dialect`: duckdb, postgres, hive, tsql, oracle, mysql, or '' for
    standard SQL (HANA). Source: the old module's name; inferred.

    >>> found = days_split_upload_sql_setting("sales", "sold_at", date(2025, 7, 1))
    >>> print(found.statement)
    SELECT *
    FROM "sales"
    WHERE ("sold_at" >= :start AND "sold_at" < :end)
    >>> print(found.parameters["start"], found.parameters["end"])
    2025-07-01 00:00:00 2025-07-02 00:00:00
    """
    from resources import sql

    what = "days_split_upload_sql_setting"
    if kind not in get_args(DateKind):
        raise PrepError(f"{what}: kind is {kind!r}; {nearest(kind, get_args(DateKind))}.")
    if dialect not in DIALECTS:
        raise PrepError(f"{what}: dialect is {dialect!r}; {nearest(dialect, DIALECTS)}.")
    if dialect == "hive" and kind == "timestamptz":
        raise PrepError(f"{what}: Hive has no timestamps with a zone; use kind='timestamp'.")
    spoken = cast("sql.Dialect", dialect)  # names and placeholders alone: no values in its words
    try:
        source = sql.table_name(schema, table, spoken)
        column = sql.quoted(date_column, spoken)
        selected = ["*"] if columns is None else [sql.quoted(name, spoken) for name in columns]
    except PermanentError as error:
        raise PrepError(f"{what}: {error}") from None
    parameters: dict[str, date | str] = {}
    if day is None:
        where = f"{column} IS NULL"
    elif kind in ("date", "yyyymmdd"):
        day = _day(what, "day", day)
        where = f"{column} = :day"
        parameters = {"day": day if kind == "date" else f"{day:%Y%m%d}"}
    else:
        day = _day(what, "day", day)
        zone = _zone(what, tz) if kind == "timestamptz" else None
        where = f"{column} >= :start AND {column} < :end"
        ends = {"start": day, "end": day + timedelta(days=1)}
        parameters = {name: datetime.combine(at, time(), zone) for name, at in ends.items()}
    return DayQuery(
        sql.statement(selected, source, [where]),
        sql.statement(["COUNT(*)"], source, [where]),
        parameters,
    )


def _zone(what: str, name: str) -> ZoneInfo:
    if name not in available_timezones():
        raise PrepError(f"{what}: tz is {name!r}; {nearest(name, available_timezones())}.")
    return ZoneInfo(name)


@dataclass(frozen=True)
class SplitLoad:
    """What a load did: the days loaded now, those that were finished before, rows loaded now.

    None among the days stands for the rows without a date.
    """

    loaded: tuple[date | None, ...]
    kept: tuple[date | None, ...]
    rows: int


class SplitLoadError(TransientError):
    """Some days failed; `failures` has why, `load` what was done besides."""

    def __init__(self, load: SplitLoad, failures: Mapping[date | None, Exception]) -> None:
        self.load = load
        self.failures = failures
        days = len(load.loaded) + len(load.kept) + len(failures)
        told = [f"  {_key(day)}: {_reason(error)}" for day, error in list(failures.items())]
        if len(told) > _SHOWN:
            told[_SHOWN:] = [f"  and {len(told) - _SHOWN} more"]
        super().__init__(
            f"{len(failures)} of {days} days were not loaded:\n" + "\n".join(told) + "\n"
            "Run again: the days that are finished are left as they are."
        )


@listed(45)
def days_split_upload(
    days: Iterable[date],
    read: Callable[[date | None], Rows],
    publish: Callable[[date | None, Rows], object],
    count: Callable[[date | None], int],
    *,
    ledger: MutableMapping[str, int],
    nulls: Literal["refuse", "bucket"] = "refuse",
    told: Callable[[date | None, int | None], None] = lambda day, rows: None,
) -> SplitLoad:
    """Load a table day by day: each day is read, counted against the source, and published whole.

    `read(day)` gives a day's rows (anything with a length), `publish(day, rows)` puts them in
    place of what that day had, `count(day)` is what the source counts; None for a day means the
    rows without a date. These are refused, before anything is loaded, or with `nulls="bucket"`
    loaded as one more bucket. `ledger` has the finished days and their rows (a dict, or a
    `DayLedger`): a day that is in it is neither read nor published again. `told(day, rows)` hears
    of each day as it ends, `rows` None where it failed.

    A day that fails, or whose rows are not as many as the source counts, is not published, leaves
    the others, and is told at the end: SplitLoadError. Source: the old module's name; inferred.

    >>> source = {date(2025, 7, 1): ["a", "b"], date(2025, 7, 2): ["c"]}
    >>> target, ledger = {}, {}
    >>> def count(day): return len(source.get(day, []))
    >>> load = days_split_upload(
    ...     source, source.__getitem__, target.__setitem__, count, ledger=ledger
    ... )
    >>> load.rows, ledger, target == source
    (3, {'2025-07-01': 2, '2025-07-02': 1}, True)
    """
    wanted: list[date | None] = list(dict.fromkeys(days))
    if nulls not in ("refuse", "bucket"):
        raise PrepError(f"days_split_upload: nulls is {nulls!r}; allowed: refuse, bucket.")
    if NULL not in ledger and (undated := count(None)):
        if nulls == "refuse":
            raise PrepError(
                f"days_split_upload: {undated:,} rows of the source have no date, so no day would "
                "load them. Mend them, or load them as a bucket of their own with nulls='bucket'."
            )
        wanted.append(None)
    elif nulls == "bucket" and NULL in ledger:
        wanted.append(None)
    loaded: list[date | None] = []
    failures: dict[date | None, Exception] = {}
    kept = [day for day in wanted if _key(day) in ledger]
    total = 0
    for day in wanted:
        if _key(day) in ledger:
            continue
        try:
            rows = _loaded(day, read, publish, count)
        except Exception as error:
            failures[day] = error
            told(day, None)
            continue
        ledger[_key(day)] = rows
        loaded.append(day)
        total += rows
        told(day, rows)
    load = SplitLoad(tuple(loaded), tuple(kept), total)
    if failures:
        raise SplitLoadError(load, failures)
    return load


def _loaded(
    day: date | None,
    read: Callable[[date | None], Rows],
    publish: Callable[[date | None, Rows], object],
    count: Callable[[date | None], int],
) -> int:
    rows = read(day)
    found, counted = len(rows), count(day)
    if found != counted:
        raise TransientError(f"{found} rows were read where the source counts {counted}")
    publish(day, rows)
    return found


def _key(day: date | None) -> str:
    return NULL if day is None else day.isoformat()


def _reason(error: Exception) -> str:
    return (str(error) or type(error).__name__).split("\n")[0][:200]


class DayLedger(MutableMapping[str, int]):
    """The finished days and their rows in a file, a line each: `2025-07-01<tab>1500`.

    Each change replaces the file whole, on the disk before it counts (1 ms), so a killed load has
    lost no finished day. A last line without its end is a day not done. One load at a time.
    """

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)
        self._rows: dict[str, int] = {}
        if not self._path.exists():
            return
        *lines, _torn = self._path.read_text(encoding="utf-8").split("\n")
        for number, line in enumerate(lines, 1):
            found = re.fullmatch(rf"([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}|{NULL})\t([0-9]+)", line)
            if not found:
                raise PrepError(
                    f"{self._path}, line {number}: no ledger of days; a line is a day, a tab and a "
                    "number of rows. Name another file, or remove this one to load all days anew."
                )
            self._rows[found[1]] = int(found[2])

    def __getitem__(self, key: str) -> int:
        return self._rows[key]

    def __setitem__(self, key: str, rows: int) -> None:
        self._keep({**self._rows, key: rows})

    def __delitem__(self, key: str) -> None:
        self._keep({day: rows for day, rows in self._rows.items() if day != key})

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def _keep(self, rows: dict[str, int]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        hidden = self._path.with_name(f".{self._path.name}.tmp")
        with hidden.open("w", encoding="utf-8") as file:
            file.writelines(f"{day}\t{many}\n" for day, many in rows.items())
            file.flush()
            os.fsync(file.fileno())
        hidden.replace(self._path)
        self._rows = rows
