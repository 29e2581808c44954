"""A large local file into HDFS in parts: `part-00000`, `part-00001`, …, resumable, each verified.

Here: function 46: which parts are there already, sending the others. Not here: where a file is cut
(`file_cuts.py`), how a file system keeps and proves bytes (`resources/hdfs_store.py`,
`folder_store.py`, `proof.py`); one is an argument, so that nothing here knows a connection.

The order is what makes it safe. The source is read once for its SHA-256 and its parts'; the
manifest of them is written before any part and never changes; a part is written under a hidden
name, proved by length and checksum, and renamed; `_SUCCESS` comes last. So what a rerun finds is
either exactly a part of this source or it is sent again, and another source is refused.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from lake_assets.preps.file_cuts import Mode, cuts
from lake_assets.preps.prep import PrepError, listed
from resources.errors import TransientError

if TYPE_CHECKING:
    # Arrow comes with it, 0.2 s: a graph with steps loads without.
    from resources.file_store import Entry, OpenFile, Sink

MANIFEST = "_manifest.json"
#: Hadoop's own mark of a folder that is complete.
DONE = "_SUCCESS"

_PIECE = 1 << 20

#: What is read or sent ('' for the source, else a part's name), bytes done, of how many; all of a
#: part's once it has its name.
Told = Callable[[str, int, int], None]


class Proof(Protocol):
    """What a file's bytes are held against."""

    def update(self, data: bytes) -> None: ...

    def holds(self, path: str) -> bool:
        """Whether the file of that name has the bytes given to `update`."""
        ...


class PartFiles(Protocol):
    """What an upload needs of a file system: `HdfsFiles` and `FolderFiles` have it."""

    def scan(self, folder: str) -> list[Entry]: ...

    def make(self, folder: str) -> None: ...

    def create(self, path: str) -> Sink: ...

    def open(self, entry: Entry) -> OpenFile: ...

    def remove(self, path: str) -> bool: ...

    def proof(self) -> Proof: ...


@dataclass(frozen=True)
class Part:
    """A piece of the source: what its file must be."""

    name: str
    offset: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class SplitPlan:
    """Every part of a source, and the names of those that are in the folder, proved.

    `begun`: the folder has the manifest; `finished`: it has the mark of the end too.
    """

    source: Path
    folder: str
    chunk_size: int
    mode: Mode
    sha256: str
    parts: tuple[Part, ...]
    there: frozenset[str]
    begun: bool
    finished: bool

    @property
    def bytes(self) -> int:
        return sum(part.bytes for part in self.parts)

    @property
    def missing(self) -> tuple[Part, ...]:
        return tuple(part for part in self.parts if part.name not in self.there)

    def manifest(self) -> dict[str, Any]:
        parts = [{"name": p.name, "bytes": p.bytes, "sha256": p.sha256} for p in self.parts]
        source = {"name": self.source.name, "bytes": self.bytes, "sha256": self.sha256}
        words = {"chunk_size": self.chunk_size, "mode": self.mode}
        return {"version": 1, "source": source, **words, "parts": parts}


@dataclass(frozen=True)
class SplitUpload:
    """What an upload did: the parts sent now, those that were there, the whole source's SHA-256."""

    folder: str
    sent: tuple[str, ...]
    kept: tuple[str, ...]
    bytes: int
    sha256: str


def _silent(what: str, done: int, of: int) -> None:
    """Nobody listens."""


@listed(46, "split_loads")
def hdfs_split_upload(
    src: Path | str,
    dst: str,
    chunk_size: int,
    mode: Mode = "bytes",
    *,
    files: PartFiles,
    told: Told = _silent,
) -> SplitUpload:
    """Upload a large local file into the folder `dst` in parts of at most `chunk_size` bytes.

    `mode="bytes"` cuts anywhere, within a letter too: such parts are for joining. `"lines"` cuts
    after newlines alone, so each part is whole text (UTF-8, CP949; a line longer than a part stays
    whole). `files`: HDFS (`HdfsFiles`) or a folder of this machine (`FolderFiles`). Each part is
    written under a hidden name and renamed once length and checksum are proved. Run again, it sends
    what is missing or differs; a source that changed, or another cut, is refused (PrepError).
    Memory stays at a few MiB, 1/128 of a part beside it for HDFS. Source: the old module's name;
    inferred.

    >>> import tempfile
    >>> from resources.folder_store import FolderFiles
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "ten").write_bytes(b"0123456789")
    >>> done = hdfs_split_upload(folder / "ten", f"{folder}/out", 4, files=FolderFiles())
    >>> [(folder / "out" / name).stat().st_size for name in done.sent]
    [4, 4, 2]
    """
    plan = split_plan(src, dst, chunk_size, mode, files=files, told=told)
    before = plan.source.stat()
    if not plan.begun:
        files.make(dst)
        _put(files, f"{dst}/{MANIFEST}", json.dumps(plan.manifest(), ensure_ascii=False, indent=1))
    with plan.source.open("rb", buffering=0) as file:
        for part in plan.missing:
            _send(file, part, plan, files, told)
    after = plan.source.stat()
    if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise _changed(plan)
    if not plan.finished:
        for entry in files.scan(dst):
            if _HIDDEN.fullmatch(entry.name):
                files.remove(entry.path)
        _put(files, f"{dst}/{DONE}", "")
    kept = tuple(part.name for part in plan.parts if part.name in plan.there)
    return SplitUpload(dst, tuple(p.name for p in plan.missing), kept, plan.bytes, plan.sha256)


def split_plan(
    src: Path | str,
    dst: str,
    chunk_size: int,
    mode: Mode = "bytes",
    *,
    files: PartFiles,
    told: Told = _silent,
) -> SplitPlan:
    """What `hdfs_split_upload` would do, by reading alone; PrepError where it would refuse."""
    if not isinstance(chunk_size, int) or chunk_size < 1:
        raise _refused(f"chunk_size is {chunk_size!r}; it takes a whole number of bytes.")
    if mode not in ("bytes", "lines"):
        raise _refused(f"mode is {mode!r}; allowed: bytes, lines.")
    _check_folder(dst)
    source = Path(src)
    size = _size_of(source)
    entries = files.scan(dst)
    found = _manifest(files, dst, entries)
    if found:
        for name, have, want in (
            ("chunk_size", found["chunk_size"], chunk_size),
            ("mode", found["mode"], mode),
        ):
            if have != want:
                raise _refused(f"{dst} was begun with {name} {have}, not {want}; {_CURE}")
    sizes = {entry.name: entry.bytes for entry in entries if not entry.folder}
    proofs: dict[str, Proof] = {}
    parts: list[Part] = []
    whole = hashlib.sha256()
    with source.open("rb", buffering=0) as file:
        for number, (offset, length) in enumerate(cuts(file, size, chunk_size, mode)):
            name = f"part-{number:05d}"
            hashed = hashlib.sha256()
            to: list[Any] = [whole, hashed]
            if sizes.get(name) == length:
                proofs[name] = files.proof()
                to.append(proofs[name])
            for at, piece in _pieces(file, offset, length):
                for one in to:
                    one.update(piece)
                if length:
                    told("", offset + at, size)
            parts.append(Part(name, offset, length, hashed.hexdigest()))
    plan = SplitPlan(
        source, dst, chunk_size, mode, whole.hexdigest(), tuple(parts), frozenset(), bool(found),
        DONE in sizes,
    )  # fmt: skip
    if plan.bytes != size:
        raise _changed(plan)
    _check_same(plan, found, sizes)
    there = frozenset(name for name, proof in proofs.items() if proof.holds(f"{dst}/{name}"))
    return SplitPlan(**{**vars(plan), "there": there})


_HIDDEN = re.compile(r"\.part-[0-9]{5}\.[0-9a-f]{16}")
_CURE = "remove that folder to begin anew, or name another."


def _send(file: BinaryIO, part: Part, plan: SplitPlan, files: PartFiles, told: Told) -> None:
    """One part under a hidden name, proved, then renamed; nothing of it is left where it fails."""
    sink = files.create(f"{plan.folder}/.{part.name}.{secrets.token_hex(8)}")
    try:
        proof = files.proof()
        for at, piece in _pieces(file, part.offset, part.bytes):
            sink.write(piece)
            proof.update(piece)
            if at < part.bytes:
                told(part.name, at, part.bytes)
        sink.finish()
        if sink.sha256 != part.sha256:
            raise _changed(plan)
        if not proof.holds(sink.path):
            raise TransientError(
                f"{plan.folder}/{part.name} arrived with another checksum than it was sent with. "
                "It was not published. Run again; if it comes back, have the DataNodes' disks and "
                "the network looked at."
            )
        sink.publish(f"{plan.folder}/{part.name}")
    finally:
        sink.discard()
    told(part.name, part.bytes, part.bytes)


def _put(files: PartFiles, path: str, text: str) -> None:
    sink = files.create(path)
    try:
        sink.write(text.encode())
        sink.finish()
        sink.close()
    finally:
        sink.discard()


def _pieces(file: BinaryIO, offset: int, length: int) -> Iterator[tuple[int, bytes]]:
    """What is read, with how much has been; one empty piece of an empty part."""
    file.seek(offset)
    at = 0
    while True:
        piece = file.read(min(_PIECE, length - at))
        at += len(piece)
        yield at, piece
        if not piece or at == length:
            return


def _size_of(source: Path) -> int:
    try:
        status = source.stat()
        with source.open("rb"):
            pass
    except FileNotFoundError:
        raise _refused(f"{source}: there is no such file.") from None
    except IsADirectoryError:
        raise _refused(f"{source} is a folder; name one file.") from None
    except OSError as error:
        raise _refused(f"{source} cannot be read: {os.strerror(error.errno or 0)}.") from None
    if not stat.S_ISREG(status.st_mode):
        raise _refused(f"{source} is no regular file; what is sent twice must be read twice.")
    return status.st_size


def _check_folder(dst: str) -> None:
    """A path that the file system takes as it stands: HDFS has no `:`, its client undoes `%`."""
    if not dst.startswith("/"):
        raise _refused(f"{dst!r} must be a folder's whole path, from /.")
    for name in dst.split("/")[1:]:
        bad = re.search(r"[\x00-\x1f\x7f:%]|#LATEST", name)
        if name in ("", ".", ".."):
            raise _refused(f"{dst!r} has {name!r} as a name; write the folder's path in full.")
        if bad:
            raise _refused(f"{dst!r} has {bad[0]!r} in a name, which WebHDFS cannot take.")


def _manifest(files: PartFiles, dst: str, entries: Sequence[Entry]) -> dict[str, Any] | None:
    entry = next((one for one in entries if one.name == MANIFEST), None)
    if entry is None:
        return None
    file = files.open(entry)
    try:
        found = json.loads(file.read())
        if found["version"] == 1 and {"source", "chunk_size", "mode", "parts"} <= found.keys():
            return dict(found)
    except (ValueError, KeyError, TypeError):
        pass
    finally:
        file.close()
    raise _refused(
        f"{dst}/{MANIFEST} is no manifest of an upload: one that begins just now, or that was "
        f"killed as it began. If none is under way, {_CURE}"
    )


def _check_same(plan: SplitPlan, found: dict[str, Any] | None, sizes: dict[str, int]) -> None:
    """PrepError unless the folder is this upload's own, or empty."""
    own = plan.manifest()
    if found and (found["source"]["sha256"], found["parts"]) != (plan.sha256, own["parts"]):
        raise _refused(
            f"{plan.folder} holds parts of another file than {plan.source} is now "
            f"({found['source']['name']}, {found['source']['bytes']:,} bytes, SHA-256 "
            f"{found['source']['sha256'][:12]}…). Nothing was sent; {_CURE}"
        )
    names = {part.name for part in plan.parts} if found else set()
    foreign = sorted(name for name in sizes if name[0] not in "._" and name not in names)
    if foreign:
        shown = ", ".join(foreign[:5]) + (" …" if len(foreign) > 5 else "")
        raise _refused(f"{plan.folder} has files that no upload put there: {shown}. {_CURE}")


def _changed(plan: SplitPlan) -> TransientError:
    return TransientError(
        f"{plan.source} changed while it was read, so {plan.folder} is not complete. Wait until "
        f"nobody writes the file, {_CURE}"
    )


def _refused(what: str) -> PrepError:
    return PrepError(f"hdfs_split_upload: {what}")
