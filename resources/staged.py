"""Parts of a partition that were read and wait for the others, on this machine's disk.

Here: one folder a partition with its cuts, its lock, and for each part that is complete a file of
rows and a manifest. Not here: which parts there are (`splits.py`) and who reads them. What was made
by another question, was left for hours or is not as its manifest says counts as not there.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa

from resources.errors import PermanentError, TransientError
from resources.source import KeyValue, Table, Totals
from resources.splits import text_of, value_of

#: Seconds without a new part after which all are read again. A run's own retries come sooner; who
#: makes a partition again later, for example since its source was corrected, has nothing of before.
KEEP = 3 * 3600

#: Part of every question's digest: another layout of the folder is another question.
_LAYOUT = "2"
_PLAN, _LOCK = "plan.json", ".lock"


@dataclass(frozen=True)
class Staged:
    """One complete part: its rows, what the source told of it, how long it took to read.

    `before`: an earlier attempt read it.
    """

    file: Path
    totals: Totals
    bytes: int
    seconds: float
    before: bool

    def batches(self) -> Iterator[pa.RecordBatch]:
        with pa.OSFile(str(self.file)) as file, pa.ipc.open_stream(file) as reader:
            yield from reader


def question(*parts: object) -> str:
    """A digest of all that decides what rows the parts have."""
    return _digest_of("\n".join([_LAYOUT, *map(repr, parts)]))


class Staging:
    """The folder of one partition, locked for this process."""

    def __init__(self, folder: Path, asked: str, table: Table) -> None:
        self._folder = folder
        self._asked = asked
        self._shown = table.shown
        self._types = {column.name: column.type for column in table.columns}

    def cuts(self, column: str) -> tuple[tuple[KeyValue, ...], bool] | None:
        """Where the partition was cut and whether NULL is a part, if it was for this question."""
        plan = _read(self._folder / _PLAN)
        if plan.get("asked") != self._asked or _left(self._folder):
            self.discard()
            return None
        return tuple(value_of(self._types[column], one) for one in plan["cuts"]), plan["nullable"]

    def fix(self, cuts: Sequence[KeyValue], *, nullable: bool) -> None:
        """Keep where the partition is cut, so that another attempt cuts it there too."""
        texts = [text_of(one) for one in cuts]
        self._write(_PLAN, {"asked": self._asked, "nullable": nullable, "cuts": texts})

    def found(self, number: int) -> Staged | None:
        """A part that an earlier attempt completed; None where it is not all there."""
        told, file = _read(self._folder / f"{number}.json"), self._folder / f"{number}.arrow"
        if not told or not file.is_file() or _digest(file) != told["sha256"]:
            return None
        sums = {name: self._number(name, text) for name, text in told["sums"].items()}
        totals = Totals(told["rows"], sums)
        return Staged(file, totals, told["bytes"], told["seconds"], before=True)

    def keep(
        self, number: int, schema: pa.Schema, batches: Iterator[pa.RecordBatch], totals: Totals
    ) -> Staged:
        """Write a part; it counts once all of it is there."""
        began = time.perf_counter()
        file, half = self._folder / f"{number}.arrow", self._folder / f"{number}.half"
        rows = 0
        # With digest and reading back, a million rows of 14 columns: 0.36 CPU s and 63 MB;
        # as they are 0.29 s and 170 MB, by zstd 0.49 s and 33 MB.
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        with (
            contextlib.closing(_Sink(half)) as sink,
            pa.ipc.new_stream(sink, schema, options=options) as writer,
        ):
            for batch in batches:
                writer.write_batch(batch)
                rows += batch.num_rows
        if rows != totals.rows:
            raise TransientError(
                f"{self._shown}: {rows} rows of a split came of {totals.rows} that were counted: "
                "the connection was lost, or the table changed while being read. Try again."
            )
        with self._explained():
            half.replace(file)
        seconds = time.perf_counter() - began
        sums = {name: str(value) for name, value in totals.sums.items()}
        told = {"rows": rows, "sums": sums, "bytes": sink.bytes, "seconds": round(seconds, 3)}
        self._write(f"{number}.json", {**told, "sha256": sink.digest.hexdigest()})
        return Staged(file, totals, sink.bytes, seconds, before=False)

    def discard(self) -> None:
        """Throw away what was read, and where the partition was cut."""
        _empty(self._folder)

    def _number(self, name: str, text: str) -> Decimal | int | float:
        kind = self._types[name]
        if kind.is_decimal:
            return Decimal(text)
        return float(text) if kind.name.startswith("float") else int(text)

    def _write(self, name: str, what: dict[str, Any]) -> None:
        half = self._folder / f"{name}.half"
        with self._explained():
            text = json.dumps(what)
            half.write_text(f"{_digest_of(text)}\n{text}", encoding="utf-8")
            half.replace(self._folder / name)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        with _explained(self._folder):
            yield


@contextmanager
def staging(folder: Path, asked: str, table: Table) -> Iterator[Staging]:
    """The folder of a partition, for this process alone. Empty when the block ends, it goes."""
    with _explained(folder):
        _sweep(folder.parent)
        lock = _locked(folder)
    if lock is None:
        raise TransientError(
            f"{table.shown}: another process reads the same partition by splits now. Try again "
            "when it is done."
        )
    try:
        yield Staging(folder, asked, table)
    finally:
        with contextlib.suppress(OSError):
            if not (folder / _PLAN).exists():
                _remove(folder)
        os.close(lock)


def _locked(folder: Path) -> int | None:
    """The lock of a folder, which is made where there is none; None where somebody has it."""
    while True:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            lock = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:  # who had it has just removed the folder
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return None
        if os.fstat(lock).st_nlink:
            return lock
        os.close(lock)


def _sweep(folder: Path) -> None:
    """Remove what other partitions left that nobody will read on with."""
    for one in folder.iterdir() if folder.is_dir() else ():
        with contextlib.suppress(OSError):  # of another user; one's own is told when it is used
            if _left(one) and (lock := _locked(one)) is not None:
                try:
                    _remove(one)
                finally:
                    os.close(lock)


def _empty(folder: Path) -> None:
    for file in folder.iterdir():
        if file.name != _LOCK:
            file.unlink(missing_ok=True)


def _remove(folder: Path) -> None:
    """Its lock goes last: whoever comes then makes a new one, and writes beside it."""
    _empty(folder)
    (folder / _LOCK).unlink()
    with contextlib.suppress(OSError):  # somebody came
        folder.rmdir()


def _left(folder: Path) -> bool:
    """Whether nothing was added to a folder for so long that nobody reads on with it."""
    newest = folder.stat().st_mtime
    for file in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):  # another process is at it
            newest = max(newest, file.stat().st_mtime)
    return time.time() - newest > KEEP


def _read(file: Path) -> dict[str, Any]:
    """What a file says; nothing where there is none or it is not as it was written."""
    try:
        digest, _, text = file.read_text(encoding="utf-8").partition("\n")
    except (OSError, ValueError):
        return {}
    found: dict[str, Any] = json.loads(text) if digest == _digest_of(text) else {}
    return found


def _digest_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _digest(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as raw:
        while piece := raw.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


class _Sink:
    """A file that knows the digest and the length of what was written to it.

    Its errors are those of the disk; what goes wrong where the rows come from is told there.
    """

    def __init__(self, file: Path) -> None:
        self._folder = file.parent
        with _explained(self._folder):
            self._raw = file.open("wb")
        self.digest = hashlib.sha256()
        self.bytes = 0

    @property
    def closed(self) -> bool:
        return self._raw.closed

    def write(self, data: Any) -> int:
        self.digest.update(data)
        self.bytes += len(data)
        with _explained(self._folder):
            self._raw.write(data)
        return len(data)

    def flush(self) -> None:
        with _explained(self._folder):
            self._raw.flush()

    def close(self) -> None:
        with _explained(self._folder):
            self._raw.close()


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Errors of the disk in words; one that is full may have room when it is tried again."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        kind = TransientError if full else PermanentError
        cure = "Free space there" if full else "Set LAKE_HOME to a folder that can be written to"
        raise kind(
            f"What was read by splits is kept in {folder}, which cannot be used: "
            f"{error.strerror}. {cure}, then run again."
        ) from None
