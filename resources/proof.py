"""Proving that a file in a store has the bytes that were read here, without moving them back.

Here: collecting what proves it while bytes pass, HDFS's own checksum composed of them. Not here:
writing files (`folder_store.py`, `hdfs_store.py`) and deciding which (`preps/split_upload.py`).

HDFS answers GETFILECHECKSUM with an MD5 of each block's MD5 of CRC32Cs, one for every 512 bytes.
Composed here, of 256 MiB on a loopback server: 0.5 CPU s and 0.1 s of waiting; reading back and
hashing took 0.9 CPU s and 1.7 s, and on a wire of 20 MB/s it would be another 13 s.
"""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from resources.hdfs import Hdfs

_CHUNK = 512
_PIECE = 1 << 20
#: Each range that is read back is a request.
_READ = 8 << 20
_CASTAGNOLI = 0x82F63B78
#: What HDFS says where it cuts a CRC32C at every 512 bytes; the number is CRCs a block, 0 for one.
_COMPOSED = re.compile(rf"MD5-of-([0-9]+)MD5-of-{_CHUNK}CRC32C")


class FolderProof:
    """Of a file of this machine: read again and hashed, mostly out of the page cache."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def update(self, data: bytes) -> None:
        self._hash.update(data)

    def holds(self, path: str) -> bool:
        found = hashlib.sha256()
        with suppress(FileNotFoundError), Path(path).open("rb") as file:
            while piece := file.read(_PIECE):
                found.update(piece)
            return found.digest() == self._hash.digest()
        return False


class HdfsProof:
    """Of a file in HDFS: its own checksum; where a cluster has another kind, its bytes."""

    def __init__(self, hdfs: Hdfs) -> None:
        self._hdfs = hdfs
        self._hash = hashlib.sha256()
        self._sums = BlockSums()
        self._bytes = 0

    def update(self, data: bytes) -> None:
        self._hash.update(data)
        self._sums.update(data)
        self._bytes += len(data)

    def holds(self, path: str) -> bool:
        there = self._hdfs.status(path)
        if there is None or there.bytes != self._bytes:
            return False
        if not self._bytes:
            return True
        algorithm, checksum = self._hdfs.checksum_by(path)
        composed = _COMPOSED.fullmatch(algorithm)
        if composed:
            # Before the MD5 stand bytes a CRC (4) and CRCs a block (8), in hexadecimal digits.
            return checksum[24:56] == self._sums.digest(int(composed[1]))
        found = hashlib.sha256()
        for at in range(0, self._bytes, _READ):
            found.update(self._hdfs.range(there.id, at, min(_READ, self._bytes - at)) or b"")
        return found.digest() == self._hash.digest()


class BlockSums:
    """The CRC32C of every 512 bytes; kept, 8 MiB for a GiB, as who asks knows the block's size."""

    def __init__(self) -> None:
        self._rest = b""
        self._sums = bytearray()

    def update(self, data: bytes) -> None:
        data = self._rest + data
        whole = len(data) - len(data) % _CHUNK
        self._rest = data[whole:]
        if whole:
            self._sums += _crc32c(data[:whole], _CHUNK)

    def digest(self, per_block: int) -> str:
        """HDFS's MD5 for blocks of so many CRCs; 0: the file is one block."""
        sums = bytes(self._sums)
        if self._rest:
            sums += _crc32c(self._rest, len(self._rest))
        size = 4 * per_block or len(sums)
        blocks = (sums[at : at + size] for at in range(0, len(sums), size))
        found = b"".join(_md5(block).digest() for block in blocks)
        # HDFS hashes its whole buffer, of 32 bytes and twice as many each time that it is full.
        room = 32
        while room < len(found):
            room *= 2
        return str(_md5(found.ljust(room, b"\0")).hexdigest())


def _md5(data: bytes) -> Any:
    return hashlib.md5(data, usedforsecurity=False)


def _crc32c(data: bytes, chunk: int) -> bytes:
    """The CRC32C of each `chunk` bytes of data, as HDFS writes them: big endian.

    All chunks go a step together, two bytes at a time: 480 MB a CPU second, where a loop over bytes
    has 10. The standard library has CRC32 only.
    """
    import numpy as np

    even, odd = _tables()
    rows = np.frombuffer(data, np.uint8).reshape(-1, chunk)
    state = np.full(len(rows), 0xFFFFFFFF, np.uint32)
    paired = chunk - chunk % 4
    words = np.ascontiguousarray(rows[:, :paired]).view("<u4").T
    for word in np.ascontiguousarray(words):
        state ^= word
        state = even[state & 0xFFFF] ^ odd[state >> 16]
    for column in rows[:, paired:].T:
        state = _byte_table()[(state ^ column) & 0xFF] ^ (state >> 8)
    return bytes((state ^ np.uint32(0xFFFFFFFF)).astype(">u4").tobytes())


@cache
def _byte_table() -> Any:
    import numpy as np

    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(_CASTAGNOLI), table >> 1)
    return table.astype(np.uint32)


@cache
def _tables() -> tuple[Any, Any]:
    """What the lower and the upper two bytes of a state become after four bytes (256 KiB each)."""
    import numpy as np

    table = [_byte_table()]
    for _ in range(3):
        table.append((table[-1] >> 8) ^ table[0][table[-1] & 0xFF])
    pair = np.arange(65536)
    low, high = pair & 0xFF, pair >> 8
    return table[3][low] ^ table[2][high], table[1][low] ^ table[0][high]
