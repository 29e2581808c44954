"""Which keys there are, of more rows than memory has room for.

Here: their digests, sorted, and what is there twice. Not here: what a key is made of
(`deliver_documents.py`, `deliver_dbapi.py`).
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable
from typing import Any

import numpy as np


class Digests:
    """The ids of a delivery, by 8 bytes of a digest each: 80 MB for ten million."""

    def __init__(self) -> None:
        self._digests = array("Q")
        self._sorted = np.empty(0, np.uint64)

    def __len__(self) -> int:
        return len(self._sorted)

    def add(self, ids: Iterable[str]) -> None:
        self._digests.extend(map(_digest, ids))

    def settle(self) -> int:
        """No more come: how many are there more than once."""
        self._sorted = np.sort(np.frombuffer(self._digests, np.uint64))
        self._digests = array("Q")
        return int(len(self._sorted) - len(np.unique(self._sorted)))

    def have(self, ids: Iterable[str]) -> Any:
        """Which of them are there."""
        asked = np.fromiter(map(_digest, ids), np.uint64)
        if not len(self._sorted):
            return np.zeros(len(asked), np.bool_)
        places = np.minimum(np.searchsorted(self._sorted, asked), len(self._sorted) - 1)
        return self._sorted[places] == asked


def _digest(identity: str) -> int:
    return int.from_bytes(hashlib.blake2b(identity.encode(), digest_size=8).digest(), "little")
