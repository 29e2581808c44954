"""Files on HDFS that are not the lake's own, as a source: what other programs put there.

Here: a folder of HDFS as `files.py` wants it. Not here: what the files hold, requests and their
errors (`hdfs.py`), the lake's own partitions (`hdfs_store.py`).
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from resources.errors import LakeError, PermanentError
from resources.file_store import Entry as StoreEntry
from resources.files import Entry, FilesSource
from resources.hdfs import Hdfs
from resources.hdfs_store import HdfsFile
from resources.settings import Connection


def connect(name: str, connection: Connection) -> FilesSource:
    """The connection `name` as a source of files, to be opened by `with`."""
    return FilesSource(name, opened(name, connection))


@contextmanager
def opened(name: str, connection: Connection) -> Iterator[HdfsFolder]:
    """HDFS has no sessions: each request stands alone."""
    yield HdfsFolder(Hdfs(name, connection))


class HdfsFolder:
    """Folders and files by their paths from the top. A file is read by its id: one that is
    replaced meanwhile gives none of the other's bytes."""

    errors: tuple[type[Exception], ...] = ()  # the client's are told already

    def __init__(self, hdfs: Hdfs) -> None:
        self.hdfs = hdfs
        self.where = f"{hdfs.name!r} ({', '.join(hdfs.shown)})"

    def entries(self, folder: str) -> list[Entry]:
        path = self._absolute(folder)
        found = self.hdfs.names(path)
        if not found and self.hdfs.status(path) is None:
            raise PermanentError(f"{path} of {self.where}: there is no such folder.")
        return [Entry(one.name, one.bytes, one.modified) for one in found if not one.folder]

    @contextmanager
    def open(self, path: str) -> Iterator[IO[bytes]]:
        path = self._absolute(path)
        there = self.hdfs.status(path)
        if there is None or there.folder:
            raise PermanentError(f"{path} of {self.where}: there is no such file.")
        name = path.rpartition("/")[2]
        entry = StoreEntry(name, path, False, there.bytes, there.modified, there.id, 0)
        yield io.BufferedReader(HdfsFile(self.hdfs, entry), 1 << 20)

    def told(self, error: Exception, what: str) -> Exception:
        assert isinstance(error, LakeError)
        return error

    def _absolute(self, path: str) -> str:
        if not path.startswith("/"):
            raise PermanentError(
                f"{path} of {self.where}: a path of HDFS is written from the top: /{path}"
            )
        return path
