"""Which partition: its layer, name and key, the time or the name it stands for, and its folder.

Light, so that a graph loads by it. Not here: which partitions an asset has
(`lake_assets/partitions.py`), and what lies in the folder (`store.py`).
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pyarrow as pa

#: How an asset falls into partitions by time, in Asia/Seoul. The finer comes first.
Cadence = Literal["hourly", "daily", "weekly", "monthly"]

#: Cadence → the column that readers add, which is also the folder's: `dt=2025-07-01`.
TIME_COLUMNS: dict[Cadence, str] = {"hourly": "hr", "daily": "dt", "weekly": "wk", "monthly": "ym"}
#: Cadence → how a key is written; that of a week is its Monday.
EXAMPLES: dict[Cadence, str] = {
    "hourly": "2025-07-01-09",
    "daily": "2025-07-01",
    "weekly": "2025-06-30",
    "monthly": "2025-07",
}
#: Between the day and the name in the key of a partition that has both.
SEPARATOR = "|"

#: What the name of a partition matches: it becomes a folder and a value in Hive.
NAMES = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_CADENCES = {column: cadence for cadence, column in TIME_COLUMNS.items()}
_KEYS: dict[Cadence, re.Pattern[str]] = {
    "hourly": re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}-[0-9]{2}"),
    "daily": re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}"),
    "weekly": re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}"),
    "monthly": re.compile(r"[0-9]{4}-[0-9]{2}"),
}
_WEEK = re.compile(r"([0-9]{4})-W([0-9]{2})")


def start_of(cadence: Cadence, key: str) -> date:
    """When a partition begins: a date, for an hour a naive timestamp; ValueError for no key.

    >>> start_of("hourly", "2025-07-01-09")
    datetime.datetime(2025, 7, 1, 9, 0)
    """
    if not _KEYS[cadence].fullmatch(key):
        raise ValueError(_no_key(cadence, key))
    try:
        if cadence == "hourly":
            return moment(date.fromisoformat(key[:10])).replace(hour=int(key[11:]))
        start = date.fromisoformat(f"{key}-01" if cadence == "monthly" else key)
    except ValueError:
        raise ValueError(_no_key(cadence, key)) from None
    if cadence == "weekly" and start.weekday():
        monday = start - timedelta(days=start.weekday())
        raise ValueError(f"{key!r} is no Monday; the key of its week is {monday}")
    return start


def moment(day: date) -> datetime:
    """A naive timestamp: of a day its midnight."""
    return day if isinstance(day, datetime) else datetime.combine(day, time())


def window(cadence: Cadence, key: str) -> tuple[date, date]:
    """When a partition begins and when the next one does: dates, for hours naive timestamps.

    >>> window("monthly", "2024-02")
    (datetime.date(2024, 2, 1), datetime.date(2024, 3, 1))
    """
    start = start_of(cadence, key)
    if cadence == "monthly":
        return start, (start + timedelta(days=31)).replace(day=1)
    length = {"hourly": timedelta(hours=1), "daily": timedelta(days=1)}
    return start, start + length.get(cadence, timedelta(days=7))


def key_at(cadence: Cadence, at: date) -> str:
    """The key of the partition in which a day (at its midnight) or a naive timestamp lies.

    >>> key_at("weekly", date(2025, 7, 1))
    '2025-06-30'
    """
    day = moment(at).date()
    if cadence == "hourly":
        return f"{day}-{moment(at).hour:02}"
    if cadence == "weekly":
        return (day - timedelta(days=day.weekday())).isoformat()
    return day.isoformat()[: len(EXAMPLES[cadence])]


def value_of(cadence: Cadence, key: str) -> str:
    """A key as the partition column and the folder have it: the same, but for weeks.

    >>> value_of("weekly", "2024-12-30")
    '2025-W01'
    """
    if cadence != "weekly":
        return key
    year, week, _ = date.fromisoformat(key).isocalendar()
    return f"{year:04}-W{week:02}"


def key_of_value(cadence: Cadence, value: str) -> str:
    """The key of what the partition column holds; ValueError where it is no such value.

    >>> key_of_value("weekly", "2025-W01")
    '2024-12-30'
    """
    if cadence != "weekly":
        start_of(cadence, value)
        return value
    week = _WEEK.fullmatch(value)
    if not week:
        raise ValueError(f"{value!r} is no ISO week; write it as 2025-W01")
    return date.fromisocalendar(int(week[1]), int(week[2]), 1).isoformat()


def split(key: str, cadence: Cadence | None, named: bool) -> tuple[str, str]:
    """The time and the name of a key, '' where it has none of that kind."""
    if not named:
        return key, ""
    if cadence is None:
        return "", key
    time, _, name = key.partition(SEPARATOR)
    return time, name


def join(time: str, name: str) -> str:
    """The key of a time and a name, either of which may be ''."""
    return SEPARATOR.join(filter(None, (time, name)))


def _no_key(cadence: Cadence, key: str) -> str:
    a = "an" if cadence == "hourly" else "a"
    return f"{key!r} is not {a} {cadence} partition key; write it as {EXAMPLES[cadence]}"


def is_name(word: str) -> bool:
    """Whether a folder of the store may be a layer or an asset."""
    return _NAME.fullmatch(word) is not None


@dataclass(frozen=True)
class Partition:
    """Where one partition lives: by time (`cadence`), by a name (`named` is its column), or both.

    With neither the key is empty: the asset is one file.

    >>> Partition("raw", "sales", "daily", "2025-07-01").path
    'raw/sales/dt=2025-07-01'
    >>> Partition("raw", "sales", "daily", "2025-07-01|P100", "plant_code").path
    'raw/sales/dt=2025-07-01/plant_code=P100'
    """

    layer: str
    name: str
    cadence: Cadence | None = None
    key: str = ""
    named: str | None = None

    def __post_init__(self) -> None:
        for word in (self.layer, self.name):
            if not is_name(word):
                raise ValueError(f"{word!r} is not a name; names match [a-z][a-z0-9_]*")
        if self.named is not None and (not is_name(self.named) or self.named in _CADENCES):
            raise ValueError(f"{self.named!r} is no name for a partition column")
        if self.cadence is None and self.named is None:
            if self.key:
                raise ValueError(f"{self.asset} has no partitions, so {self.key!r} is no key of it")
            return
        time, name = self.parts
        if self.cadence:
            start_of(self.cadence, time)
        if self.named and not re.fullmatch(NAMES, name):
            example = f"{EXAMPLES[self.cadence]}{SEPARATOR}P100" if self.cadence else "P100"
            raise ValueError(f"{self.key!r} is not a key of {self.asset}; write it as {example}")

    @classmethod
    def at(cls, layer: str, name: str, folder: str) -> Partition | None:
        """The partition whose folder below the asset's own is `folder`; None where it is none's.

        >>> Partition.at("raw", "sales", "wk=2025-W01").key
        '2024-12-30'
        """
        found: list[tuple[Cadence | None, str, str]] = []
        for part in folder.split("/"):
            column, _, value = part.partition("=")
            cadence = _CADENCES.get(column)
            try:
                key = key_of_value(cadence, value) if cadence else value
            except ValueError:
                return None
            found.append((cadence, column, key))
        (cadence, column, key), *rest = found
        if len(rest) > 1 or (rest and (cadence is None or rest[0][0])):
            return None
        named = rest[0][1] if rest else None if cadence else column
        try:
            return cls(layer, name, cadence, SEPARATOR.join(part[2] for part in found), named)
        except ValueError:
            return None

    @property
    def asset(self) -> str:
        return f"{self.layer}/{self.name}"

    @property
    def parts(self) -> tuple[str, str]:
        """The key of the time and the name, '' where it has none of that kind."""
        return split(self.key, self.cadence, self.named is not None)

    @property
    def values(self) -> dict[str, str]:
        """The partition columns, which readers add, and their values as the path has them."""
        time, name = self.parts
        found = {TIME_COLUMNS[self.cadence]: value_of(self.cadence, time)} if self.cadence else {}
        return found | ({self.named: name} if self.named else {})

    @property
    def path(self) -> str:
        return "/".join([self.asset, *(f"{name}={value}" for name, value in self.values.items())])

    @property
    def scalars(self) -> dict[str, pa.Scalar]:
        """The partition columns with their values: `dt` is a date, the others are text."""
        return {name: _scalar(value, day=name == "dt") for name, value in self.values.items()}


def _scalar(value: str, *, day: bool) -> pa.Scalar:
    """Made of buffers, because `pa.scalar(<python value>)` imports pandas (1.65 CPU s)."""
    import pyarrow as pa

    text = value.encode()
    buffers = [None, pa.py_buffer(struct.pack("<ii", 0, len(text))), pa.py_buffer(text)]
    array = pa.Array.from_buffers(pa.string(), 1, buffers)
    return (array.cast(pa.date32()) if day else array)[0]
