"""Answers of open APIs: JSON or XML read safely, their rows found, what they say went wrong.

Here: one answer at a time, without the request it answers (which holds the key). Not here: asking,
paging and limits (`open_api.py`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lxml import etree

from resources.described import ApiSource
from resources.errors import LakeError, NotYetError, PermanentError, TransientError
from resources.json_values import JsonError, plain, read_json

#: Codes of data.go.kr, the KMA's among them → whether trying again may help, and what to do.
CODES: dict[str, tuple[type[LakeError], str]] = {
    "01": (TransientError, "the service failed; try again later"),
    "02": (TransientError, "the service's database failed; try again later"),
    "03": (
        NotYetError,
        "it has no data for these parameters: not announced yet, or kept no longer (the KMA keeps "
        "forecasts for three days). Where no rows are an answer, write `empty: ['03']`",
    ),
    "04": (TransientError, "the gateway did not reach the service; try again later"),
    "05": (TransientError, "the service did not answer the gateway in time; try again later"),
    "10": (PermanentError, "correct `params`: one of them has a wrong value"),
    "11": (PermanentError, "complete `params`: one that is needed is not there"),
    "12": (PermanentError, "correct `path`: there is no such operation, or it was withdrawn"),
    "20": (
        PermanentError,
        "apply for the use of this service at data.go.kr with the key's account",
    ),
    "21": (TransientError, "the key is blocked for a while; try again later"),
    "22": (
        TransientError,
        "the key's requests of the day are used up; try again tomorrow, or apply for more",
    ),
    "30": (
        PermanentError,
        "the service key is not registered for this service: check the secret of the connection's "
        "password (encoded or decoded, both will do). A new key takes an hour or two to be known",
    ),
    "31": (PermanentError, "the key's term of use is over; extend it at data.go.kr"),
    "32": (PermanentError, "register this host's IP address for the key at data.go.kr"),
    "33": (PermanentError, "the service wants a signed request, which is not supported"),
    "99": (TransientError, "the service failed without a reason; try again later"),
}
_GATEWAY = "OpenAPI_ServiceResponse"


@dataclass(frozen=True)
class Page:
    """The rows of one answer, as objects; `total` is what it says of all pages."""

    rows: Sequence[Mapping[str, Any]]
    total: int | None


def page(body: bytes, of: ApiSource, what: str) -> Page:
    """What an answer with status 200 holds; PermanentError, TransientError or NotYetError else."""
    root = _read(body, of, what)
    status = _status(root, of, what)
    if status in of.empty:
        return Page((), 0)
    total = at(root, of.total) if of.total else None
    if of.total and not re.fullmatch(r"[0-9]{1,15}", str(total)):
        raise PermanentError(
            f"{what}: where `total` says, {of.total}, is no number. {_there(root, of.total)}"
        )
    count = int(str(total)) if of.total else None
    return Page(_rows(root, of, count, what), count)


def at(value: Any, path: str) -> Any:
    """What stands at a dotted path; None where there is nothing.

    >>> at({"a": {"b": 1}}, "a.b"), at({"a": ""}, "a.b")
    (1, None)
    """
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def text(row: Mapping[str, Any], path: str) -> str | None:
    """A value of a row as the text of a column."""
    return plain(row[path] if path in row else at(row, path))


def refused(status: int, body: bytes, wait: str, what: str) -> LakeError:
    """The error that an answer with another status than 200 stands for. `wait`: Retry-After."""
    told = gateway_error(body, what)
    if told is not None:
        return told
    if status == 429 or status >= 500:
        later = f"in {wait} s (Retry-After)" if re.fullmatch("[0-9]{1,6}", wait) else "later"
        why = "too many requests" if status == 429 else "the service failed"
        return TransientError(f"{what}: {why} ({status}). Try again {later}.")
    cures = {
        401: "check the secret of the connection's password",
        403: "check the secret of the connection's password, and that the service admits it",
        404: "check the connection's url and `api.path`",
    }
    cure = cures.get(status, "check `api.path` and `params`")
    return PermanentError(f"{what}: the service refuses the request ({status}); {cure}.")


def gateway_error(body: bytes, what: str) -> LakeError | None:
    """The error of data.go.kr's gateway, which is XML whatever was asked for; None: it is none."""
    if _GATEWAY.encode() not in body[:1000]:
        return None
    try:
        root = _xml(body)
    except _XmlError:
        return None
    code = str(at(root, f"{_GATEWAY}.cmmMsgHeader.returnReasonCode") or "99")
    said = str(at(root, f"{_GATEWAY}.cmmMsgHeader.returnAuthMsg") or "no words")
    return _told(code, said, what)


def _told(code: str, said: str, what: str) -> LakeError:
    kind, cure = CODES.get(code, (PermanentError, "look the code up in the API's description"))
    words = re.sub(r"[^\w .,()-]", " ", said)[:120].strip()
    return kind(f"{what}: the API answers {code[:20]!r}, {words or 'without words'}: {cure}.")


def _read(body: bytes, of: ApiSource, what: str) -> Any:
    told = gateway_error(body, what)
    if told is not None:
        raise told
    html = re.match(rb"(?i)\s*(<!doctype html|<html)", body)
    if html:
        raise TransientError(
            f"{what}: the answer is a page of HTML, not {of.format.upper()}: a proxy's, a login's "
            "or one on maintenance. Open the address in a browser of this network, and try again."
        )
    try:
        return _xml(body) if of.format == "xml" else read_json(body)
    except _XmlError as error:
        raise PermanentError(f"{what}: {error}.") from None
    except (JsonError, etree.XMLSyntaxError):
        other = "XML" if body.lstrip()[:1] == b"<" else "JSON" if body.lstrip()[:1] == b"{" else ""
        if other and other.lower() != of.format:
            raise PermanentError(
                f"{what}: the answer is {other}, and `format` says {of.format}. Correct it, or "
                f"the parameter that asks for the format (dataType: {of.format.upper()})."
            ) from None
        raise TransientError(
            f"{what}: the answer is no whole {of.format.upper()} document ({len(body):,} bytes). "
            "Try again."
        ) from None


def _status(root: Any, of: ApiSource, what: str) -> str | None:
    if of.status is None:
        return None
    status = at(root, of.status)
    if not isinstance(status, str):
        raise PermanentError(
            f"{what}: there is nothing where `status` says, {of.status}. {_there(root, of.status)}"
        )
    if status not in of.ok and status not in of.empty:
        said = at(root, of.message) if of.message else ""
        raise _told(status, str(said or ""), what)
    return status


def _rows(root: Any, of: ApiSource, total: int | None, what: str) -> Sequence[Mapping[str, Any]]:
    found = at(root, of.rows)
    if isinstance(found, Mapping):  # one row of XML, or of JSON that was made of XML
        return [found]
    if isinstance(found, list) and all(isinstance(row, Mapping) for row in found):
        return found
    if found in (None, "") and (total == 0 or _emptied(root, of.rows)):
        return ()
    raise PermanentError(
        f"{what}: there are no rows where `rows` says, {of.rows}. {_there(root, of.rows)}"
    )


def _emptied(root: Any, path: str) -> bool:
    """Whether the path ends at an empty value: `items: ""` of an answer without rows."""
    parts = path.split(".")
    values = [at(root, ".".join(parts[: count + 1])) for count in range(len(parts))]
    return any(one in ("", []) for one in values)


def _there(root: Any, path: str) -> str:
    """The keys at the last place of a path that there is."""
    parts = path.split(".")
    for count in reversed(range(len(parts))):
        here = at(root, ".".join(parts[:count])) if count else root
        if isinstance(here, Mapping):
            keys = ", ".join(str(key)[:40] for key in list(here)[:10])
            return f"There is, in {'.'.join(parts[:count]) or 'the answer'}: {keys or 'nothing'}."
    return "The answer is no object."


# -- XML


class _XmlError(Exception):
    """XML that is not read, and why."""


def _xml(body: bytes) -> Any:
    """A document as the objects that JSON would have: no entity is replaced, nothing is loaded."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root = etree.fromstring(body, parser)
    except etree.XMLSyntaxError as error:
        if "Excessive depth" in str(error) or "huge" in str(error).lower():
            raise _XmlError("the XML is nested too deeply or has a text too long") from None
        raise
    if root.getroottree().docinfo.internalDTD is not None:
        raise _XmlError("the XML has a DOCTYPE, which is not read (entities)")
    return {_name(root): _value(root)}


def _name(element: Any) -> str:
    return str(etree.QName(element).localname)


def _value(element: Any) -> Any:
    inner = [one for one in element if isinstance(one.tag, str)]
    if not inner:
        nil = element.get("{http://www.w3.org/2001/XMLSchema-instance}nil")
        return None if nil in ("true", "1") else element.text or ""
    found: dict[str, Any] = {}
    for one in inner:
        name, value = _name(one), _value(one)
        if name not in found:
            found[name] = value
        elif isinstance(found[name], list):
            found[name].append(value)
        else:
            found[name] = [found[name], value]
    return found
