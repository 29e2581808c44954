"""Reaching HDFS by WebHDFS: names, ranges of files by their id, one streamed upload, and what is
told where HDFS refuses.

Here: requests, retries and words. Not here: what the lake keeps there and how it is published
(`hdfs_store.py`). Small requests are tried again; a stream cannot be, so it fails as transient.
"""

from __future__ import annotations

import hashlib
import logging
import queue
import random
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
from hdfs import HdfsError, InsecureClient

from resources import tls
from resources.errors import LakeError, PermanentError, TransientError
from resources.options import OPTIONS
from resources.settings import Connection

T = TypeVar("T")

#: Seconds between tries. A NameNode that starts again is back within them, or not for long.
_PAUSES = (0.2, 0.4, 0.8, 1.6, 3.2)
_CONNECT_SECONDS = 10
_ANSWER_SECONDS = 60

#: Seconds before each look at the length of a file that was sent.
_CLOSING = (0.0, 0.2, 0.5, 1.0)

#: Bytes an upload keeps: what waits to be sent, in pieces. 4 MiB of them keep the encoder busy.
_PIECE = 1 << 20
_PIECES = 4

#: HDFS's exceptions that pass: the NameNode starts, another one takes over, it has no DataNode yet.
_PASSING = re.compile(
    "SafeModeException|StandbyException|RetriableException|RetryStartFileException"
    "|Failed to find datanode|could only be replicated to 0 nodes|BlockMissingException"
    "|Could not obtain block|Name node is in safe mode|NameNode still not started"
)

# Without a handler Python prints its warnings, which repeat what is told here.
logging.getLogger("hdfs").addHandler(logging.NullHandler())


@dataclass(frozen=True)
class Status:
    """A file or folder. `name` is empty where it was asked for itself."""

    name: str
    folder: bool
    bytes: int
    modified: float
    id: int
    children: int


class _Client(InsecureClient):  # type: ignore[misc]
    """HdfsCLI's client, which tries one URL after another, with the reason of each kept."""

    def __init__(
        self, url: str, user: str | None, timeout: tuple[int, int], trusting: str | bool
    ) -> None:
        super().__init__(url, user=user, timeout=timeout)
        self._trusting = trusting
        self.reasons: dict[str, str] = {}

    def _request(self, method: str, url: str, **options: Any) -> requests.Response:
        at = urlsplit(url).netloc
        try:
            # Of the request: REQUESTS_CA_BUNDLE would be taken before the session's own.
            answer: requests.Response = super()._request(
                method, url, verify=self._trusting, **options
            )
        except requests.RequestException as error:
            self.reasons[at] = _network(error)
            raise
        if answer.status_code >= 500:
            self.reasons[at] = f"answered {answer.status_code}"
            raise requests.ConnectionError(f"{at} answered {answer.status_code}")
        if answer.status_code == 403 and b"StandbyException" in answer.content:
            self.reasons[at] = "is in standby"
        return answer


class Hdfs:
    """One HDFS, as one user. `name` is the connection's, for messages."""

    def __init__(self, name: str, connection: Connection) -> None:
        options = connection.options
        unknown = sorted(options.keys() - {*OPTIONS["hdfs"]})
        if unknown:
            raise PermanentError(
                f"The connection {name} has the option {unknown[0]!r}, which HDFS does not know; "
                "allowed: ca_certs (file of the company's CA), timeout (seconds to wait for an "
                "answer), verify."
            )
        file = str(options.get("ca_certs") or "")
        if file and not Path(file).exists():
            raise PermanentError(
                f"HDFS ({name}): there is no file {file} of a CA; correct ca_certs in the "
                "connection's options."
            )
        self.trusting: str | bool = bool(options.get("verify", True)) and (file or True)
        seconds = int(options.get("timeout", _ANSWER_SECONDS))
        self.name = name
        self.user = connection.user
        self.urls = [url.strip() for url in (connection.url or "").split(";") if url.strip()]
        self._client = _Client(
            ";".join(self.urls), self.user, (_CONNECT_SECONDS, seconds), self.trusting
        )

    @property
    def shown(self) -> list[str]:
        """Its addresses, without a password that somebody may have put in."""
        return [_shown(url) for url in self.urls]

    def status(self, path: str) -> Status | None:
        found = self._do(path, lambda: self._client.status(path, strict=True), none=True)
        return None if found is None else _status("", found)

    def names(self, folder: str) -> list[Status]:
        """What is in a folder; nothing where there is none."""
        answer = self._do(folder, lambda: self._client._list_status(folder), none=True)
        found = answer.json()["FileStatuses"]["FileStatus"] if answer else ()
        # Of a file HDFS lists the file itself, without a name.
        return [_status(one["pathSuffix"], one) for one in found if one["pathSuffix"]]

    def make(self, folder: str) -> None:
        self._do(folder, lambda: self._client.makedirs(folder))

    def remove(self, path: str) -> bool:
        """Remove a file, or a folder with all in it; whether there was one."""
        return bool(self._do(path, lambda: self._client.delete(path, recursive=True)))

    def rename(self, source: str, target: str, id_: int) -> None:
        """Give `source`, whose file id is `id_`, the name `target`, in place of what has it.

        Where an answer was lost the target's id says whether it was done.
        """

        def rename() -> None:
            try:
                self._client._rename(source, destination=target, renameoptions="OVERWRITE")
            except HdfsError as error:
                there = self.status(target) if error.exception == "FileNotFoundException" else None
                if there is None or there.id != id_:
                    raise

        self._do(target, rename)

    def checksum(self, path: str) -> str:
        """HDFS's own, of the bytes and how they are cut into blocks; no byte is moved for it."""
        return self.checksum_by(path)[1]

    def checksum_by(self, path: str) -> tuple[str, str]:
        """The same with the name of the algorithm before it."""
        found = self._do(path, lambda: self._client.checksum(path))
        return str(found["algorithm"]), str(found["bytes"])

    def range(self, id_: int, offset: int, length: int) -> bytes | None:
        """Bytes of the file with that id; None where there is no such file (any more).

        By id and not by name: a name may be another file's at the next range.
        """
        path = f"/.reserved/.inodes/{id_}"

        def read() -> bytes:
            with closing(self._client._open(path, offset=offset, length=length)) as answer:
                data: bytes = answer.content
            if len(data) != length:
                raise requests.ConnectionError(f"{len(data)} of {length} bytes came")
            return data

        return self._do(path, read, none=True)

    def upload(self, path: str) -> Upload:
        """Begin a new file."""
        answer = self._do(path, lambda: self._client._create(path, overwrite="false"))
        return Upload(self, path, answer.headers["location"])

    def why_short(self, path: str) -> LakeError:
        """What to say of an upload that ended early: a quota, which DataNodes do not tell."""
        folder = path
        while folder not in ("/", ""):
            folder = folder.rsplit("/", 1)[0]
            try:
                there = self._client.content(folder or "/", strict=False)
            except (HdfsError, requests.RequestException):
                break
            if not there or there.get("spaceQuota", -1) < 0:
                continue
            left = there["spaceQuota"] - there["spaceConsumed"]
            return TransientError(
                f"HDFS ({self.name}) took only part of {path}, as {folder} has a space quota of "
                f"{_size(there['spaceQuota'])} and {_size(max(0, left))} of it left; a block needs "
                "its whole size (usually 128 MB) times its replicas while it is written. Free "
                "space there or have the quota raised, then run again."
            )
        return TransientError(
            f"HDFS ({self.name}) took only part of {path}: a NameNode or DataNode went away while "
            "it was written. Nothing was published. Run again."
        )

    def _do(self, path: str, work: Callable[[], T], *, none: bool = False) -> T | Any:
        """Do it, again where that may help. `none`: None where there is nothing of that name."""
        for pause in (*_PAUSES, None):
            try:
                return work()
            except (HdfsError, requests.RequestException) as error:
                if none and getattr(error, "exception", None) == "FileNotFoundException":
                    return None
                if pause is None or not _passing(error):
                    raise self.told(path, error) from None
            # Processes that failed together should not come back together.
            time.sleep(pause * random.uniform(0.75, 1.25))  # noqa: S311
        raise AssertionError

    def told(self, path: str, error: Exception) -> LakeError:
        """HDFS's refusal in words: what, where, what to do."""
        where = f"HDFS ({self.name})"
        if isinstance(error, requests.RequestException):
            untrusted = tls.refused(error)
            if untrusted:
                return PermanentError(
                    f"{where}: {_host(error)}: {untrusted}. What to do: "
                    f"{tls.cure(untrusted, 'ca_certs')}."
                )
            if len(self._client.reasons) and not _datanode(error, self.urls):
                tried = "; ".join(
                    f"{_shown(url)} {self._client.reasons.get(urlsplit(url).netloc, 'not asked')}"
                    for url in self.urls
                )
                return TransientError(
                    f"{where}: no NameNode can be reached: {tried}. Check the connection's url and "
                    "that the NameNode runs, then run again."
                )
            return TransientError(
                f"{where}: the connection to the DataNode {_host(error)} broke at {path}: "
                f"{_network(error)}. Check that the DataNodes run and can be reached from here by "
                "the names that the NameNode gives them, then run again."
            )
        kind, said = getattr(error, "exception", None), _first_line(error)
        if kind == "StandbyException":
            return TransientError(
                f"{where}: {', '.join(map(_shown, self.urls))}: every NameNode is in standby. "
                "Have one made active, or give all of them in the connection's url (a;b), then run "
                "again."
            )
        if kind == "SafeModeException" or "safe mode" in said:
            return TransientError(
                f"{where}: the NameNode is in safe mode and takes no changes ({path}). It leaves "
                "it by itself after a start; run again then."
            )
        if kind == "AccessControlException":
            return PermanentError(f"{where}: {_permission(said, path)}")
        if kind in (
            "DSQuotaExceededException",
            "NSQuotaExceededException",
            "QuotaExceededException",
        ):
            return TransientError(
                f"{where}: {path}: {said}. Remove something there or have the quota raised, then "
                "run again."
            )
        if "is not a directory" in said or "not a directory" in said.lower():
            return PermanentError(
                f"{where}: {path}: a file stands where a folder belongs ({said}); move it away."
            )
        if "must both be directories" in said or "already exists as a directory" in said:
            return PermanentError(
                f"{where}: {path}: a folder stands where the file belongs; move it away."
            )
        if kind == "FileNotFoundException":
            return TransientError(
                f"{where}: {path}: {said}. Somebody removed it in the meantime. Run again."
            )
        if said.startswith("Authentication failure"):
            return PermanentError(
                f"{where} wants a login (401) that the lake does not have: it takes `user` as "
                "given. Ask for WebHDFS with simple authentication, or a gateway that has it."
            )
        if kind == "IllegalArgumentException":
            return PermanentError(f"{where} does not take {path}: {said}")
        return TransientError(f"{where}: {path}: {said or kind}. Run again.")


class Upload:
    """One file on its way: what is written is sent by a thread as one request.

    At most a few MiB wait; a failure comes out of the next `write` or of `close`. Somebody must end
    it by `close` or `abort`, which end the thread. It hashes too, as the encoder's thread has more
    to do: 0.2 of 3.4 s for 360 MB.
    """

    def __init__(self, hdfs: Hdfs, path: str, location: str) -> None:
        self.path = path
        self.bytes = 0
        self._hdfs = hdfs
        self._hash = hashlib.sha256()
        self._waiting: list[bytes] = []
        self._size = 0
        self._queue: queue.Queue[bytes | None] = queue.Queue(_PIECES)
        self._failed: LakeError | None = None
        self._aborted = False
        self._thread: threading.Thread | None = threading.Thread(
            target=self._send, args=(location,), name=f"upload {path}", daemon=True
        )
        self._thread.start()

    @property
    def sha256(self) -> str:
        """Of what was sent; after `close`."""
        return self._hash.hexdigest()

    def write(self, data: bytes) -> None:
        self._waiting.append(data)
        self._size += len(data)
        if self._size >= _PIECE:
            self._hand_over()

    def close(self) -> Status:
        """Send the rest; the file as HDFS has it then, of the length that was sent."""
        if self._size:
            self._hand_over()
        self._end()
        if self._failed:
            raise self._failed
        # The answer 201 proves nothing: it is the same where a quota or a NameNode that went away
        # cut the file short. One that is not closed yet, as with a slow last block, is short too.
        for pause in _CLOSING:
            time.sleep(pause)
            there = self._hdfs.status(self.path)
            if there is not None and there.bytes == self.bytes:
                return there
        raise self._hdfs.why_short(self.path)

    def abort(self) -> None:
        """Send nothing more; what was sent lies there.

        The request ends in order. Broken off, it would be followed by a removal that comes before
        the DataNode has made the file.
        """
        self._aborted = True
        self._end()

    def _hand_over(self) -> None:
        if self._failed:
            raise self._failed
        piece = b"".join(self._waiting)
        self._waiting.clear()
        self._size = 0
        self.bytes += len(piece)
        self._queue.put(piece)

    def _end(self) -> None:
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None

    def _send(self, location: str) -> None:
        ended = False

        def pieces() -> Iterator[bytes]:
            nonlocal ended
            while (piece := self._queue.get()) is not None:
                if not self._aborted:
                    self._hash.update(piece)
                    yield piece
            ended = True

        try:
            answer = self._hdfs._client._request("PUT", location, data=pieces())
            if answer.status_code != 201:
                raise _error(answer)
            if not ended:
                raise self._hdfs.why_short(self.path)
        except LakeError as error:
            self._failed = error
        except Exception as error:
            self._failed = self._hdfs.told(self.path, error)
        # The writer must not wait for a place in the queue that nobody empties.
        while not ended:
            ended = self._queue.get() is None


def _error(answer: requests.Response) -> Exception:
    """A refusal as HdfsCLI has those of the requests that it makes itself."""
    try:
        said = answer.json()["RemoteException"]
        error: Exception = HdfsError("%s", said["message"], exception=said["exception"])
    except (ValueError, KeyError, TypeError):
        error = HdfsError("%s", f"answered {answer.status_code}")
    return error


def _status(name: str, found: dict[str, Any]) -> Status:
    return Status(
        name=name,
        folder=found["type"] == "DIRECTORY",
        bytes=found["length"],
        modified=found["modificationTime"] / 1000,
        id=found["fileId"],
        children=found["childrenNum"],
    )


def _passing(error: Exception) -> bool:
    if isinstance(error, requests.RequestException):
        return not tls.refused(error)
    return bool(_PASSING.search(f"{getattr(error, 'exception', '')} {_first_line(error)}"))


def _first_line(error: Exception) -> str:
    """A DataNode sends its Java stack along."""
    said = getattr(error, "message", str(error))
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    return text.split("\n", 1)[0].strip().rstrip(".")[:300]


def _shown(url: str) -> str:
    """Without the password that somebody may have put in."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _network(error: Exception) -> str:
    """Why a host was not reached, of all that requests and urllib3 wrap around it."""
    text = str(error)
    for sign, words in (
        ("Connection refused", "refused the connection"),
        ("NameResolutionError", "is a name that nobody knows"),
        ("ConnectTimeout", "did not answer in time"),
        ("Read timed out", "did not answer in time"),
        ("timed out", "did not answer in time"),
        ("No route to host", "cannot be reached"),
        ("Network is unreachable", "cannot be reached"),
    ):
        if sign in text:
            return words
    return f"broke the connection ({type(error).__name__})"


def _datanode(error: requests.RequestException, urls: list[str]) -> bool:
    """Whether it was a DataNode, whose address a NameNode gave, that failed."""
    at = urlsplit(error.request.url or "").netloc if error.request is not None else ""
    return bool(at) and at not in {urlsplit(url).netloc for url in urls}


def _host(error: requests.RequestException) -> str:
    return urlsplit(error.request.url or "").netloc if error.request is not None else "(unknown)"


_PERMISSION = re.compile(
    r'user=(?P<user>[^,]+), access=(?P<access>\w+), inode="(?P<path>[^"]*)":'
    r"(?P<owner>[^:]*):(?P<group>[^:]*):(?P<mode>\S+)"
)


def _permission(said: str, path: str) -> str:
    found = _PERMISSION.search(said)
    if not found:
        return f"{path}: {said}. Have the right granted, or set the connection's user."
    f = found.groupdict()
    return (
        f"{f['user']} has no right to {f['access']} at {f['path']} (owner {f['owner']}, group "
        f"{f['group']}, {f['mode']}). Have its owner grant it (hdfs dfs -setfacl or -chmod), or "
        "set the connection's user."
    )


def _size(count: int) -> str:
    return f"{count / 2**20:,.1f} MiB"
