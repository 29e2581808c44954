"""Tables and partitions in Hive over the lake's files: made, checked, registered, kept in line.

Here: the statements, what Hive says of a table, and what has to be done to make it fit. Not here:
the connection and how values become text (`hive.py`, `sql.py`), which assets there are and when a
step registers them (`lake_assets/registration.py`).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from resources.errors import LakeError, PermanentError
from resources.sql import literal, quoted
from resources.types import ColumnType

if TYPE_CHECKING:
    from resources.hive import HiveConnection

#: Partitions of one ADD or DROP. 365 in one took 1.5 to 3 s, one each 38 ms.
CLAUSES = 400

#: What the metastore's columns hold of a comment.
_COMMENT = 256

_TYPES = {
    "string": "string",
    "int8": "tinyint",
    "int16": "smallint",
    "int32": "int",
    "int64": "bigint",
    "float32": "float",
    "float64": "double",
    "boolean": "boolean",
    "date": "date",
    "timestamp": "timestamp",
    "timestamptz": "timestamp",
    "binary": "binary",
}


@dataclass(frozen=True)
class HiveColumn:
    """A column in Hive's words."""

    name: str
    type: str
    comment: str = ""


@dataclass(frozen=True)
class HiveTable:
    """An asset as Hive shall have it: `layer`.`name` over the asset's folder.

    `keys` are the partition columns. `folder` has no scheme: Hive adds that of its own file system.
    """

    layer: str
    name: str
    title: str
    columns: tuple[HiveColumn, ...]
    keys: tuple[HiveColumn, ...]
    folder: str

    @property
    def asset(self) -> str:
        return f"{self.layer}/{self.name}"

    @property
    def sql(self) -> str:
        return f"{quoted(self.layer, 'hive')}.{quoted(self.name, 'hive')}"


@dataclass(frozen=True)
class Described:
    """What Hive says of a table. `location` has a scheme."""

    columns: Mapping[str, str]
    keys: Mapping[str, str]
    location: str
    kind: str
    input_format: str


@dataclass(frozen=True)
class Difference:
    """Where Hive's table is not the asset's. `cure` is the statement for it.

    `safe`: `lake hive sync` may run it, as it takes nothing away.
    """

    what: str
    cure: str
    safe: bool = False


@dataclass(frozen=True)
class Change:
    """A statement that brings Hive in line, and what for."""

    what: str
    statement: str


def hive_type(of: ColumnType) -> str:
    """Hive's word for a type. An instant is a timestamp there, its UTC wall time.

    Hive 1.2 shows the 0 of a decimal without whole digits as NULL, so it gets one.
    """
    if of.is_decimal and of.precision == of.scale < 38:
        return f"decimal({of.precision + 1},{of.scale})"
    return of.name if of.is_decimal else _TYPES[of.name]


def hive_column(name: str, of: ColumnType, title: str = "") -> HiveColumn:
    """A column with its title as comment, and the zone of an instant, which Hive does not know."""
    zone = "UTC 시각" if of.name == "timestamptz" else ""
    comment = f"{title} ({zone})" if title and zone else title or zone
    return HiveColumn(name, hive_type(of), comment)


# --- statements ----------------------------------------------------------------------------------


def create_database(layer: str) -> str:
    return f"CREATE DATABASE IF NOT EXISTS {quoted(layer, 'hive')}"


def create_table(table: HiveTable) -> str:
    """An external table: dropping it leaves the lake's files as they are."""
    parts = [f"CREATE EXTERNAL TABLE IF NOT EXISTS {table.sql} ({_columns(table.columns)})"]
    if table.title:
        parts.append(f"COMMENT {_comment(table.title)}")
    if table.keys:
        parts.append(f"PARTITIONED BY ({_columns(table.keys)})")
    parts += ["STORED AS PARQUET", f"LOCATION {literal(table.folder, 'hive')}"]
    return "\n".join(parts)


def add_columns(table: HiveTable, columns: Iterable[HiveColumn]) -> str:
    """Without CASCADE, partitions that there are already would show NULL in the new column."""
    return f"ALTER TABLE {table.sql} ADD COLUMNS ({_columns(columns)}) CASCADE"


def add_partitions(table: HiveTable, parts: Mapping[str, str | None]) -> Iterator[str]:
    """Partition (`dt=2025-07-01`) → its location, None where it is the folder of that name."""
    for some in _chunks(sorted(parts)):
        clauses = [
            _partition(part)
            + ("" if parts[part] is None else f" LOCATION {literal(parts[part], 'hive')}")
            for part in some
        ]
        yield f"ALTER TABLE {table.sql} ADD IF NOT EXISTS\n" + "\n".join(clauses)


def drop_partitions(table: HiveTable, parts: Iterable[str]) -> Iterator[str]:
    for some in _chunks(sorted(parts)):
        clauses = ",\n".join(map(_partition, some))
        yield f"ALTER TABLE {table.sql} DROP IF EXISTS\n{clauses}"


def set_location(table: HiveTable, part: str, location: str) -> str:
    """Of a partition, or of a table without ('').

    Hive 1.2 finds the partition only where the table's database is the session's: `use` comes
    first, and "alter is not possible" otherwise.
    """
    where = f" {_partition(part)}" if part else ""
    return (
        f"ALTER TABLE {quoted(table.name, 'hive')}{where} SET LOCATION {literal(location, 'hive')}"
    )


def use(layer: str) -> str:
    return f"USE {quoted(layer, 'hive')}"


def _columns(columns: Iterable[HiveColumn]) -> str:
    return ", ".join(
        f"{quoted(one.name, 'hive')} {one.type}"
        + (f" COMMENT {_comment(one.comment)}" if one.comment else "")
        for one in columns
    )


def _comment(text: str) -> str:
    # DESCRIBE gives a line a column, so a comment has none of its own.
    return literal(" ".join(text.split())[:_COMMENT], "hive")


def _partition(part: str) -> str:
    """`PARTITION (dt='2025-07-01', plant='P100')`. Text is what a DATE takes here, too."""
    values = ", ".join(
        f"{quoted(name, 'hive')}={literal(value, 'hive')}" for name, value in _values(part)
    )
    return f"PARTITION ({values})"


def _values(part: str) -> list[tuple[str, str]]:
    """`dt=2025-07-01/plant=P100` as pairs; Hive writes what is special in a path as %3A."""
    pairs = (one.partition("=") for one in part.split("/"))
    return [(unquote(name), unquote(value)) for name, _, value in pairs]


def _chunks(parts: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(parts), CLAUSES):
        yield parts[start : start + CLAUSES]


# --- what Hive has -------------------------------------------------------------------------------

#: Hive's errors for a table and for a database that are not there.
_ABSENT = re.compile(r"Error 1000[19]|Error 10072|Table not found|NoSuch(Table|Object)Exception")

#: What EXPLAIN says where the folder of a partition is gone; a query just finds no rows there.
_GONE = re.compile(r"FileNotFoundException|File \S+ does not exist")


def described(hive: HiveConnection, table: HiveTable) -> Described | None:
    """None where there is no such table."""
    try:
        rows = hive.rows(f"DESCRIBE FORMATTED {table.sql}")
    except LakeError as error:
        if _ABSENT.search(str(error)):
            return None
        raise
    return read_description([(str(row[0] or ""), str(row[1] or "")) for row in rows])


def read_description(rows: Iterable[tuple[str, str]]) -> Described:
    """The first two columns of DESCRIBE FORMATTED: columns, partition columns, then facts."""
    sections: list[dict[str, str]] = [{}, {}, {}]
    at = 0
    for first, second in ((first.strip(), second.strip()) for first, second in rows):
        if first == "# Partition Information":
            at = 1
        elif first.startswith("# Detailed"):
            at = 2
        elif first and not first.startswith("#"):
            sections[at].setdefault(first, second)
    columns, keys, facts = sections
    return Described(
        columns={name: type_.lower() for name, type_ in columns.items()},
        keys={name: type_.lower() for name, type_ in keys.items()},
        location=facts.get("Location:", ""),
        kind=facts.get("Table Type:", ""),
        input_format=facts.get("InputFormat:", ""),
    )


def locations(
    hive: HiveConnection, table: HiveTable, parts: Iterable[str] | None = None
) -> dict[str, str]:
    """Registered partition → its location with scheme; of `parts`, or of all. No table has none.

    Of all statements of Hive 1.2 only EXPLAIN EXTENDED tells the locations of many partitions at
    once: 0.1 s for one, 0.5 s for 365, 2.6 s for 3,000, where DESCRIBE takes 60 ms each. It fails
    where the folder of one is gone; then they are described. IS NOT NULL is a filter for servers
    that want one on partitions.
    """
    asked = None if parts is None else list(parts)
    where = f"{quoted(table.keys[0].name, 'hive')} IS NOT NULL"
    if asked is not None:
        where = partition_condition(table, asked)
    try:
        rows = hive.rows(f"EXPLAIN EXTENDED SELECT * FROM {table.sql} WHERE {where} LIMIT 1")
    except LakeError as error:
        if _ABSENT.search(str(error)):
            return {}
        if not _GONE.search(str(error)):
            raise
        return {
            part: _described_location(hive, table, part)
            for part in show_partitions(hive, table)
            if asked is None or part in asked
        }
    return read_locations([str(row[0]) for row in rows], [key.name for key in table.keys])


def show_partitions(hive: HiveConnection, table: HiveTable) -> list[str]:
    return [str(row[0]) for row in hive.rows(f"SHOW PARTITIONS {table.sql}")]


def _described_location(hive: HiveConnection, table: HiveTable, part: str) -> str:
    rows = hive.rows(f"DESCRIBE FORMATTED {table.sql} {_partition(part)}")
    return read_description([(str(row[0] or ""), str(row[1] or "")) for row in rows]).location


def partition_condition(table: HiveTable, parts: Iterable[str]) -> str:
    """Rows of exactly these partitions, as an SQL condition; '' of a table without.

    Partitions that differ in their first value alone share one IN, so a year of days is one.
    """
    firsts: dict[str, set[str]] = {}
    for part in parts:
        first, *rest = (value for _, value in _values(part)) if table.keys else ("",)
        firsts.setdefault(first, set()).update(rest)
    groups: dict[tuple[str, ...], list[str]] = {}
    for first, rests in firsts.items():
        groups.setdefault(tuple(sorted(rests)), []).append(first)
    conditions = [
        " AND ".join(
            _one_of(key, values) for key, values in zip(table.keys, (these, rests), strict=False)
        )
        for rests, these in groups.items()
    ]
    return conditions[0] if len(conditions) == 1 else " OR ".join(f"({c})" for c in conditions)


def _one_of(key: HiveColumn, values: Iterable[str]) -> str:
    """In the column's own type: Hive compares no date to text in an IN."""
    texts = (literal(value, "hive") for value in sorted(values))
    listed = ", ".join(f"CAST({one} AS DATE)" if key.type == "date" else one for one in texts)
    return f"{quoted(key.name, 'hive')} IN ({listed})"


def read_locations(lines: Iterable[str], keys: Sequence[str]) -> dict[str, str]:
    """The text of EXPLAIN EXTENDED: after `partition values:` the values, further down `location`.

    A second `location` after a partition's own is that of the table.
    """
    found: dict[str, str] = {}
    values: dict[str, str] | None = None
    for line in map(str.strip, lines):
        word, _, rest = line.partition(" ")
        if line == "partition values:":
            values = {}
        elif values is None:
            continue
        elif word in keys and word not in values:
            values[word] = rest
        elif word == "location" and len(values) == len(keys):
            found["/".join(f"{key}={values[key]}" for key in keys)] = rest
            values = None
    return found


# --- what there is to do -------------------------------------------------------------------------


def differences(table: HiveTable, found: Described) -> list[Difference]:
    """What keeps Hive's table from being the asset's; comments and the order of columns do not."""
    drop = f"DROP TABLE {table.sql}"
    if found.kind != "EXTERNAL_TABLE":
        keep = f"ALTER TABLE {table.sql} SET TBLPROPERTIES ('EXTERNAL'='TRUE')"
        return [Difference(f"it is a {found.kind}, not an EXTERNAL_TABLE", keep)]
    if "parquet" not in found.input_format.lower():
        return [Difference(f"it is read by {found.input_format}, not as Parquet", drop)]
    problems = []
    keys = {key.name: key.type for key in table.keys}
    if list(keys.items()) != list(found.keys.items()):
        what = f"partitioned by ({_shown(found.keys)}), declared ({_shown(keys)})"
        problems.append(Difference(what, drop))
    if not _below(table, path_of(found.location)):
        what = f"its location is {path_of(found.location)}, the lake's folder {table.folder}"
        problems.append(Difference(what, drop))
    new = [one for one in table.columns if one.name not in found.columns]
    for one in table.columns:
        there = found.columns.get(one.name, one.type)
        if there != one.type:
            what = f"column {one.name} is {there}, declared {one.type}"
            problems.append(Difference(what, drop))
    for name, type_ in found.columns.items():
        if name not in [one.name for one in table.columns]:
            kept = f"ALTER TABLE {table.sql} REPLACE COLUMNS ({_columns(table.columns)}) CASCADE"
            problems.append(Difference(f"column {name} {type_} is no longer declared", kept))
    if new:
        what = f"new: {_shown({one.name: one.type for one in new})}"
        problems.append(Difference(what, add_columns(table, new), safe=True))
    return problems


def refused(table: HiveTable, problems: Sequence[Difference]) -> PermanentError:
    """In words: what differs, and what to do."""
    lines = [f"  {one.what}" for one in problems]
    cure = f"lake hive sync {table.asset}"
    by_hand = list(dict.fromkeys(one.cure for one in problems if not one.safe))
    dropped = next((one for one in by_hand if one.startswith("DROP")), None)
    if dropped:
        cure = (
            f"when nobody reads the table, run in Hive:\n  {dropped};\nthen {cure}. It is "
            "external: no file is touched. Hive cannot read files whose columns have other types: "
            f"where that is what differs, materialise all again: lake run {table.asset} --force."
        )
    elif by_hand:
        statements = "".join(f"\n  {one};" for one in by_hand)
        cure = f"when nobody reads the table, run in Hive:{statements}\nthen {cure}."
    else:
        cure += ", which adds what is new."
    return PermanentError(
        f"The table {table.layer}.{table.name} in Hive is not as {table.asset} declares it:\n"
        + "\n".join(lines)
        + f"\nNothing was written. To do: {cure}"
    )


def path_of(location: str) -> str:
    return unquote(urlsplit(location).path).rstrip("/")


def _below(table: HiveTable, path: str) -> bool:
    """A table without partitions may stand on a version of its files."""
    return path == table.folder or (
        not table.keys and posixpath.dirname(posixpath.dirname(path)) == table.folder
    )


def _shown(columns: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {type_}" for name, type_ in columns.items())


@dataclass(frozen=True)
class Prepared:
    """A table that fits its asset, ready to be told of partitions.

    `location` is the table's own, with Hive's scheme; `fresh`: it was made just now, so it has no
    partition.
    """

    table: HiveTable
    location: str
    fresh: bool = False


def prepare(hive: HiveConnection, table: HiveTable) -> Prepared:
    """Make the table, or check the one there is: PermanentError with the differences."""
    found = described(hive, table)
    fresh = found is None
    if found is None:
        hive.run(create_database(table.layer))
        hive.run(create_table(table))
        found = described(hive, table)
        if found is None:
            raise PermanentError(f"Hive made {table.layer}.{table.name} and does not know it now.")
    problems = differences(table, found)
    if problems:
        raise refused(table, problems)
    return Prepared(table, found.location, fresh)


def changes(
    prepared: Prepared, folders: Mapping[str, str], registered: Mapping[str, str]
) -> list[Change]:
    """What makes Hive find the partitions `folders` (`dt=2025-07-01` → its folder, without scheme).

    `registered` has the locations of those that Hive knows; of a table without partitions, that of
    '', the table itself.
    """
    table = prepared.table
    missing: dict[str, str | None] = {}
    moved: dict[str, str] = {}
    for part, folder in folders.items():
        if part not in registered:
            missing[part] = (
                None if folder == f"{table.folder}/{part}" else _with_scheme(prepared, folder)
            )
        elif path_of(registered[part]) != folder:
            moved[part] = _with_scheme(prepared, folder)
    done = [
        Change(f"{_counted(statement.count('PARTITION ('))} not registered", statement)
        for statement in add_partitions(table, missing)
    ]
    if moved:
        done.append(Change("its database, for SET LOCATION", use(table.layer)))
    done += [
        Change(f"{part or 'the table'} moved", set_location(table, part, location))
        for part, location in moved.items()
    ]
    return done


def sync(
    hive: HiveConnection, table: HiveTable, folders: Callable[[], Mapping[str, str]]
) -> Iterator[Change]:
    """What brings Hive in line with the store, which has the partitions `folders` and no others.

    Whoever iterates runs each statement before asking for the next one, or none of them. Nothing
    is dropped but partitions whose files are gone; PermanentError where the table cannot be kept.

    The store is asked after Hive, each time: what a run publishes in between is new to us and
    never gone.
    """
    found = described(hive, table)
    if found is None:
        if not folders():
            return
        database = f"the database {table.layer}, unless it is there"
        yield Change(database, create_database(table.layer))
        yield Change("no such table in Hive", create_table(table))
        made = described(hive, table)
        prepared = Prepared(table, made.location if made else table.folder, fresh=True)
    else:
        problems = differences(table, found)
        if not all(one.safe for one in problems):
            raise refused(table, problems)
        for one in problems:
            yield Change(one.what, one.cure)
        if table.keys:
            # Gone first: Hive explains no table of which a folder is missing.
            shown = set(show_partitions(hive, table))
            for statement in drop_partitions(table, shown - folders().keys()):
                count = statement.count("PARTITION (")
                yield Change(f"{_counted(count)} without files", statement)
        prepared = Prepared(table, found.location)
    known = registered(hive, prepared, None)
    yield from changes(prepared, folders(), known)


def _counted(count: int) -> str:
    return f"{count:,} partition{'s' * (count != 1)}"


def _with_scheme(prepared: Prepared, folder: str) -> str:
    """SET LOCATION takes nothing without scheme; the table's own location has Hive's."""
    base = urlsplit(prepared.location)
    return base._replace(path=folder).geturl()


def registered(
    hive: HiveConnection, prepared: Prepared, parts: Iterable[str] | None
) -> Mapping[str, str]:
    """The locations that Hive has: of `parts`, or of all (None)."""
    if not prepared.table.keys:
        return {"": prepared.location}
    if prepared.fresh:
        return {}
    return locations(hive, prepared.table, parts)
