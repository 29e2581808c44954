"""`tell`: messages of tasks on their way to a room, which may be full, busy or away for an hour.

Here: a folder of messages that are not sent yet, sending them in order, waiting as the room asks,
several as one. Not here: what a message says and where its room is, which the DAG file passes on
standard input. The address may hold a token: it is kept in memory alone, and is in no file.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from itertools import accumulate
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from airflow_bridge.errors import UsageError

#: What a task's process reads once a message is kept; then it need not wait.
KEPT = "kept"

#: Seconds. A room that stays away is asked less and less; a message that old helps nobody.
FIRST_PAUSE, LONGEST_PAUSE, OLDEST = 1.0, 300.0, 24 * 3600.0

#: Of a grouped message: lines below each first line; all lines, as people read no more; and bytes,
#: as rooms refuse longer ones (Webex: above 7,439).
_DETAILS, _LINES, _BYTES = 5, 60, 7000

#: Answers to this message, not to whoever sends it: a later one may be taken.
_REFUSED = (400, 413, 422)

GROUP_VARIABLE, FOLDER_VARIABLE = "AIRFLOW_BRIDGE_GROUP", "AIRFLOW_BRIDGE_UNSENT"


@dataclass(frozen=True)
class Room:
    """Where messages go, and within how many seconds several become one (0: never)."""

    url: str
    headers: Mapping[str, str]
    group: float = 0.0


@dataclass(frozen=True)
class Answer:
    """What a room says to a message; of one that is busy, after how many seconds (0: unsaid)."""

    kind: Literal["sent", "busy", "message refused", "sender refused"]
    pause: float = 0.0


@dataclass(frozen=True)
class Clock:
    """Time, as tests have it."""

    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep


def folder_of(connection: str) -> Path:
    """Where the messages of a connection are until they are sent."""
    home = os.environ.get(FOLDER_VARIABLE)
    if not home:
        airflow = os.environ.get("AIRFLOW_HOME")
        home = f"{airflow}/unsent" if airflow else str(Path.home() / ".airflow-bridge" / "unsent")
    return Path(home, quote(connection, safe=""))


def main(connection: str) -> int:
    """Keep the message of standard input, say so, and see it on its way. Nobody waits for the end.

    The input is JSON: `url`, `headers`, `body`, whose `text` is what people read, and `group`, the
    seconds of this room (null: those of the worker). What could never be sent is not kept, as
    nobody reads an error after that: UsageError, and the task that asked is left to send it, and to
    say in its log why it cannot.
    """
    asked = json.load(sys.stdin)
    folder = folder_of(connection)
    room = Room(asked["url"], asked["headers"], _group(connection, asked.get("group")))
    try:
        _request(room, {})
    except (AttributeError, TypeError, ValueError):  # its text has the address
        raise UsageError(f"The connection {connection} has no URL to send to.") from None
    keep(folder, asked["body"])
    print(KEPT, flush=True)  # noqa: T201
    deliver(folder, room)
    return 0


def _group(connection: str, own: Any) -> float:
    """Seconds; of the connection itself, else of all on this worker."""
    where, told = f"group of the connection {connection}", own
    if own is None:
        where, told = GROUP_VARIABLE, os.environ.get(GROUP_VARIABLE) or "0"
    try:
        return float(told)
    except (TypeError, ValueError):
        raise UsageError(f"{where} is {told!r}; give seconds, such as 60.") from None


def keep(folder: Path, body: Mapping[str, Any], now: float | None = None) -> None:
    """Add a message to those that are not sent yet; it is there whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    moment = int((time.time() if now is None else now) * 1e6)
    name = f"{moment:020}-{uuid.uuid4().hex}.json"
    half = folder / f".{name}"
    half.write_text(json.dumps(body, ensure_ascii=False), encoding="utf-8")
    half.replace(folder / name)


def deliver(folder: Path, room: Room, clock: Clock | None = None) -> None:
    """Send what there is, the oldest first, until nothing is left.

    One process a connection does; others leave their message to it. A room that answers 429, 5xx or
    not at all is asked again, as it says or with growing pauses. One that refuses whoever sends
    (401, 403, 404) gets no more for now; what is left goes with the next message. Of several in one
    that it refuses (400, 413, 422) each is sent for itself; a single one is put aside for a day, as
    `.….refused`.
    """
    clock = clock or Clock()
    while unsent(folder):
        with _alone(folder) as alone:
            if not alone or not _empty(folder, room, clock):
                return


def unsent(folder: Path) -> list[Path]:
    """The messages that are not sent yet, the oldest first."""
    return sorted(folder.glob("[0-9]*.json"))


@contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Whether this process is the one that sends."""
    file = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(file)


def _empty(folder: Path, room: Room, clock: Clock) -> bool:
    """Send all; False where the room refuses whoever sends."""
    pause, singly = FIRST_PAUSE, 0
    while waiting := _young(folder, clock.now()):
        rest = _moment(waiting[0]) + room.group - clock.now()
        if room.group and rest > 0:
            clock.sleep(min(rest, room.group))
            continue
        chosen = waiting if room.group and not singly else waiting[:1]
        answer = _post(room, _body([json.loads(one.read_text("utf-8")) for one in chosen]))
        if answer.kind == "sender refused":
            return False
        if answer.kind == "busy":
            clock.sleep(answer.pause or pause)
            pause = min(pause * 2, LONGEST_PAUSE)
            continue
        if answer.kind == "message refused" and len(chosen) > 1:
            singly = len(chosen)
            continue
        for one in chosen:
            if answer.kind == "sent":
                one.unlink(missing_ok=True)
            else:
                one.rename(one.with_name(f".{one.stem}.refused"))
        pause, singly = FIRST_PAUSE, max(singly - 1, 0)
    return True


def _young(folder: Path, now: float) -> list[Path]:
    """Those that are worth sending; older ones are thrown away."""
    every = unsent(folder)
    for one in [*every, *folder.glob(".[0-9]*")]:  # refused ones, halves of killed processes
        if now - _moment(one) > OLDEST:
            one.unlink(missing_ok=True)
    return [one for one in every if now - _moment(one) <= OLDEST]


def _moment(message: Path) -> float:
    return int(message.name.lstrip(".")[:20]) / 1e6


def _body(bodies: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One message of several; a webhook of one's own gets all of each."""
    if len(bodies) == 1:
        return dict(bodies[0])
    text = _together([str(body["text"]) for body in bodies])
    if "dag_id" in bodies[0]:
        return {"what": "several", "text": text, "messages": list(bodies)}
    return {**bodies[0], "text": text}


def _together(texts: Sequence[str]) -> str:
    """The first line of each, equal ones once, and below it the second lines of a few."""
    below: dict[str, list[str]] = {}
    for text in texts:
        head, _, rest = text.partition("\n")
        below.setdefault(head, []).append(rest.partition("\n")[0])
    lines = []
    for head, details in below.items():
        lines.append(head if len(details) == 1 else f"{head} (×{len(details)})")
        lines += [f"  {one}" for one in details[:_DETAILS] if one]
        lines += [f"  … and {len(details) - _DETAILS} more"] * (len(details) > _DETAILS)
    ends = accumulate(len(line.encode()) + 1 for line in lines[:_LINES])
    fit = sum(end <= _BYTES for end in ends)
    more = [f"… and {len(lines) - fit} more lines"] * (fit < len(lines))
    return "\n".join([f"{len(texts)} messages:", *lines[:fit], *more])


def _post(room: Room, body: Mapping[str, Any]) -> Answer:
    try:
        urllib.request.urlopen(_request(room, body), timeout=30).close()  # noqa: S310
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 429 or error.code >= 500:
            return Answer("busy", _asked_pause(error.headers.get("Retry-After")))
        return Answer("message refused" if error.code in _REFUSED else "sender refused")
    except (OSError, ValueError, HTTPException):
        return Answer("busy")
    return Answer("sent")


def _request(room: Room, body: Mapping[str, Any]) -> urllib.request.Request:
    data = json.dumps(body, ensure_ascii=False).encode()
    return urllib.request.Request(room.url, data, dict(room.headers))  # noqa: S310


def _asked_pause(said: str | None) -> float:
    """`Retry-After`, in seconds or as a date; at most an hour of it is believed."""
    if not said:
        return 0.0
    try:
        pause = float(said)
    except ValueError:
        try:
            pause = parsedate_to_datetime(said).timestamp() - time.time()
        except ValueError:
            return 0.0
    return min(max(pause, 0.0), 3600.0)
