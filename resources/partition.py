"""Which partition: its layer, name, cadence and key, and the folder that these make.

Not here: which partitions an asset has (`lake_assets/partitions.py`), and what lies in the folder
(`store.py`).
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from datetime import date
from typing import Literal

import pyarrow as pa

Cadence = Literal["daily", "monthly"]

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_COLUMNS: dict[Cadence, str] = {"daily": "dt", "monthly": "ym"}
_CADENCES = {column: cadence for cadence, column in _COLUMNS.items()}
_KEYS: dict[Cadence, re.Pattern[str]] = {
    "daily": re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}"),
    "monthly": re.compile(r"[0-9]{4}-[0-9]{2}"),
}


@dataclass(frozen=True)
class Partition:
    """Where one partition lives. Without cadence the key is empty: the asset is one file.

    >>> Partition("raw", "sales", "daily", "2025-07-01").path
    'raw/sales/dt=2025-07-01'
    """

    layer: str
    name: str
    cadence: Cadence | None = None
    key: str = ""

    def __post_init__(self) -> None:
        for word in (self.layer, self.name):
            if not _NAME.fullmatch(word):
                raise ValueError(f"{word!r} is not a name; names match [a-z][a-z0-9_]*")
        if self.cadence is None:
            if self.key:
                raise ValueError(f"{self.asset} has no partitions, so {self.key!r} is no key of it")
        elif not _is_key(self.cadence, self.key):
            raise ValueError(
                f"{self.key!r} is not a {self.cadence} partition key; "
                f"write it as {'2025-07-01' if self.cadence == 'daily' else '2025-07'}"
            )

    @classmethod
    def of(cls, layer: str, name: str, key: str = "") -> Partition:
        """The partition of a key whose shape says the cadence."""
        shapes = {0: None, 7: "monthly"}
        return cls(layer, name, shapes.get(len(key), "daily"), key)  # type: ignore[arg-type]

    @property
    def asset(self) -> str:
        return f"{self.layer}/{self.name}"

    @property
    def column(self) -> str | None:
        """The partition column that readers add."""
        return None if self.cadence is None else _COLUMNS[self.cadence]

    @property
    def path(self) -> str:
        return self.asset if self.column is None else f"{self.asset}/{self.column}={self.key}"

    @property
    def value(self) -> pa.Scalar:
        """The partition column's value: a date for a day, text for a month.

        Made of buffers, because `pa.scalar(<python value>)` imports pandas (1.65 CPU s).
        """
        text = self.key.encode()
        buffers = [None, pa.py_buffer(struct.pack("<ii", 0, len(text))), pa.py_buffer(text)]
        array = pa.Array.from_buffers(pa.string(), 1, buffers)
        return (array.cast(pa.date32()) if self.cadence == "daily" else array)[0]


def _is_key(cadence: Cadence, key: str) -> bool:
    if not _KEYS[cadence].fullmatch(key):
        return False
    try:
        date.fromisoformat(key if cadence == "daily" else f"{key}-01")
    except ValueError:
        return False
    return True


def is_name(word: str) -> bool:
    """Whether a folder of the store may be a layer or an asset."""
    return _NAME.fullmatch(word) is not None


def key_of(folder: str) -> str | None:
    """The key that a folder below the asset's own stands for; None where it is no partition's.

    >>> key_of("dt=2025-07-01")
    '2025-07-01'
    """
    column, _, key = folder.partition("=")
    cadence = _CADENCES.get(column)
    return key if cadence and _is_key(cadence, key) else None
