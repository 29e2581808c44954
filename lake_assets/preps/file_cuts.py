"""Where a file is cut into parts: at so many bytes, or after the last newline before them.

Here: offsets and lengths, found by looking around each cut alone. Not here: reading the parts and
sending them (`split_upload.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO, Literal

from lake_assets.preps.prep import PrepError

Mode = Literal["bytes", "lines"]

#: Parts sort by name up to this many.
_MOST = 100_000
_LOOK = 64 << 10


def cuts(file: BinaryIO, size: int, chunk: int, mode: Mode) -> Sequence[tuple[int, int]]:
    """Offset and length of each part."""
    if mode == "lines" and file.read(2) in (b"\xff\xfe", b"\xfe\xff"):
        raise PrepError(
            "hdfs_split_upload: the source is UTF-16, whose newlines are two bytes; convert it to "
            "UTF-8, or use mode='bytes'."
        )
    least = -(-size // chunk)
    if least > _MOST and mode == "bytes":
        raise _too_many(least)
    found: list[tuple[int, int]] = []
    at = 0
    while at < size or not found:
        end = min(at + chunk, size)
        if mode == "lines" and end < size:
            end = _line_end(file, at, end, size)
        found.append((at, end - at))
        at = end
        if len(found) > _MOST:
            raise _too_many(max(least, len(found)))
    return found


def _line_end(file: BinaryIO, start: int, end: int, size: int) -> int:
    """After the last newline before `end`; where there is none, after the first one behind it."""
    high = end
    while high > start:
        low = max(start, high - _LOOK)
        file.seek(low)
        found = file.read(high - low).rfind(b"\n")
        if found >= 0:
            return low + found + 1
        high = low
    while end < size:
        file.seek(end)
        block = file.read(_LOOK)
        if not block:
            break
        found = block.find(b"\n")
        if found >= 0:
            return end + found + 1
        end += len(block)
    return size


def _too_many(many: int) -> PrepError:
    return PrepError(
        f"hdfs_split_upload: the file would be {many:,} parts; raise chunk_size (at most {_MOST:,} "
        "parts)."
    )
