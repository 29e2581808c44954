"""Open APIs as a source: what GET answers, page by page, within the limits of its provider.

Here: requests with the service key, which no message, log or chained exception may hold, paging,
whether all rows came. Not here: what an answer says (`open_api_answers.py`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, quote_plus, unquote, urlsplit

import pyarrow as pa
import requests

from resources import open_api_answers, tls
from resources.dbapi_columns import UnfitError, become, column, first_unfit
from resources.described import ApiSource
from resources.errors import LakeError, PermanentError, TransientError
from resources.open_api_answers import Page
from resources.options import OPTIONS
from resources.settings import Connection
from resources.source import Column, Reading, SourceColumn, Span, Table
from resources.table_reader import arrow_schema
from resources.types import ColumnType

#: `key_param`: the parameter that holds the key; `timeout`: seconds; `per_second`: requests;
#: `client_cert` and `client_key`: files by which this side proves itself.
_OPTIONS = OPTIONS["http"]
_TIMEOUT = 30
_CONNECTING = 10
#: No answer of an API is larger; a page of more rows than that is asked for in smaller ones.
_MOST_BYTES = 256 << 20
_LOGGERS = ("urllib3.connectionpool", "urllib3.connection", "urllib3.util.retry")


def connect(name: str, connection: Connection) -> OpenApi:
    """The connection `name`, to be opened by `with`."""
    return OpenApi(name, connection)


class _Hidden(logging.Filter):
    """Takes the key out of what the HTTP library logs: it tells whole addresses."""

    def __init__(self, key: str) -> None:
        super().__init__()
        self._forms = sorted({key, quote(key, safe=""), quote(key), quote_plus(key)}, key=len)[::-1]

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = self.without(record.getMessage()), ()
        return True

    def without(self, text: str) -> str:
        for form in self._forms:
            text = text.replace(form, "***")
        return text


class OpenApi:
    """The APIs below one address."""

    def __init__(self, name: str, connection: Connection) -> None:
        self._connection = connection
        url = urlsplit(connection.url or "")
        self.where = f"{name!r} ({url.hostname})"
        self._session: requests.Session | None = None
        self._key: str | None = None
        self._hidden: _Hidden | None = None
        self._next = 0.0
        self._first: tuple[ApiSource, Page] | None = None

    def __enter__(self) -> OpenApi:
        c = self._connection
        for name in c.options:
            if name not in _OPTIONS:
                raise PermanentError(f"{self.where}: unknown option {name!r}; allowed: {_OPTIONS}.")
        session = requests.Session()
        session.cert = _client(c.options)
        secret = c.password.reveal() if c.password else None
        if secret is not None and c.user is not None:
            session.auth = (c.user, secret)
        elif secret is not None:
            # Keys are handed out encoded and decoded; a decoded one has no %.
            self._key = unquote(secret) if "%" in secret else secret
            self._hidden = _Hidden(self._key)
            for name in _LOGGERS:
                logging.getLogger(name).addFilter(self._hidden)
        self._session = session
        return self

    def __exit__(self, *exc: object) -> None:
        if self._session is not None:
            self._session.close()
        self._session = self._first = None
        if self._hidden is not None:
            for name in _LOGGERS:
                logging.getLogger(name).removeFilter(self._hidden)

    def describe(self, table: Table) -> list[SourceColumn]:
        """What the rows of the first page have; the page is kept for the reading that follows.

        A value that is absent is NULL, so a declared column may be absent from all of them, unless
        it may not be NULL.
        """
        of = _api(table)
        found = self._page(of, 0, self._what(table))
        self._first = (of, found)
        names = dict.fromkeys(name for row in found.rows for name in row)
        declared = {one.source: one for one in table.columns}
        text = ColumnType("string")
        columns = [
            SourceColumn(name, declared[name].type if name in declared else text, "text", True)
            for name in names
            if not any(other.startswith(f"{name}.") for other in declared)
        ]
        columns += [
            SourceColumn(one.source, one.type, "text", True)
            for one in table.columns
            if one.source not in names
            and (one.nullable or not names or one.source.split(".")[0] in names)
        ]
        return columns

    @contextmanager
    def read(self, table: Table, span: Span | None = None) -> Iterator[Reading]:
        what = self._what(table)
        if span is not None:
            raise PermanentError(
                f"{what}: an API is asked partition by partition: take `window` out, and put the "
                "day into `api.params`: {base_date: '{today:%Y%m%d}'}."
            )
        of = _api(table)
        batches = self._batches(table, of, what)
        try:
            yield Reading(
                schema=arrow_schema(table.columns),
                batches=batches,
                totals=None,
                route=f"HTTP, {of.format.upper()}",
                reconciled=f"as many rows as {of.total} says" if of.total else "nothing counted",
            )
        finally:
            batches.close()

    def peek(self, table: Table, rows: int) -> pa.Table:
        what = self._what(table)
        found = self._page(_api(table), 0, what).rows[:rows]
        return pa.Table.from_batches([_batch(found, table.columns, 0, what)])

    def _what(self, table: Table) -> str:
        return f"{table.shown or '(the url)'} of {self.where}"

    def _batches(
        self, table: Table, of: ApiSource, what: str
    ) -> Generator[pa.RecordBatch, None, None]:
        seen = 0
        for found in self._pages(of, what):
            if found.rows:
                yield _batch(found.rows, table.columns, seen, what)
                seen += len(found.rows)

    def _pages(self, of: ApiSource, what: str) -> Iterator[Page]:
        """Page after page, until there are as many rows as the API says, else until there are none.

        A page with fewer rows than were asked for is not the last one: a provider may cap them.
        """
        kept, self._first = self._first, None
        found = kept[1] if kept and kept[0] == of else self._page(of, 0, what)
        total, number, seen = found.total, 0, 0
        while True:
            seen += len(found.rows)
            yield found
            if found.total != total or (total is not None and seen > total):
                raise TransientError(
                    f"{what}: {seen:,} rows came, and the API says {found.total:,} after "
                    f"{total:,}: they changed while being read. Try again."
                )
            if (of.page is None or not found.rows) or seen == total:
                break
            number += 1
            before, found = found, self._page(of, number, what)
            if found.rows and found.rows == before.rows:
                raise PermanentError(
                    f"{what}: page {number + 1} is the same as the one before. Is "
                    f"{of.page.number!r} the parameter of the page's number (`page.number`)?"
                )
        if total is not None and seen < total:
            cure = "try again" if of.page else "describe its paging by `page`, or ask for more rows"
            kind = TransientError if of.page else PermanentError
            raise kind(
                f"{what}: {seen:,} rows came, and the API says there are {total:,}. Nothing was "
                f"published; {cure}."
            )

    def _page(self, of: ApiSource, number: int, what: str) -> Page:
        params = {name: _word(value) for name, value in of.params.items()}
        if of.page is not None:
            params |= {
                of.page.number: str(of.page.first + number),
                of.page.size: str(of.page.rows),
            }
        status, body, headers = self._get(of.path, params, what)
        try:
            if status != 200:
                wait = headers.get("retry-after", "")
                if 300 <= status < 400:
                    raise PermanentError(
                        f"{what}: the service sends elsewhere ({status}), which is not followed "
                        "with a key. Correct the connection's url (https?)."
                    )
                raise open_api_answers.refused(status, body, wait, what)
            return open_api_answers.page(body, of, what)
        except LakeError as error:
            if self._hidden is None or self._hidden.without(str(error)) == str(error):
                raise
            told = type(error)(self._hidden.without(str(error)))
        raise told

    def _get(
        self, path: str, params: Mapping[str, str], what: str
    ) -> tuple[int, bytes, Mapping[str, str]]:
        """Status, body and headers. What requests raises holds the address and with it the key, so
        it must not even be the context of what is raised: that is raised when it is gone."""
        if self._session is None:
            raise PermanentError(f"The connection {self.where} is not open; use it in a `with`.")
        c = self._connection
        if ".." in path.split("/"):
            raise PermanentError(f"{what}: `api.path` has no '..'.")
        url = "/".join(filter(None, [(c.url or "").rstrip("/"), path.strip("/")]))
        asked = dict(params)
        if self._key is not None:
            asked[str(c.options.get("key_param", "serviceKey"))] = self._key
        self._wait()
        failed: LakeError
        try:
            with self._session.get(
                url,
                params=asked,
                timeout=(_CONNECTING, float(c.options.get("timeout", _TIMEOUT))),
                # Of the request: REQUESTS_CA_BUNDLE would be taken before the session's own.
                verify=_trusting(c.options),
                allow_redirects=False,
                stream=True,
            ) as answer:
                body = _bounded(answer)
                return answer.status_code, body, answer.headers
        except _TooLargeError:
            failed = PermanentError(
                f"{what}: the answer has more than {_MOST_BYTES >> 20} MB; ask for fewer rows a "
                "page (`page.rows`)."
            )
        except requests.RequestException as error:
            failed = self._unreached(error, what)
        except OSError:  # requests looks for the files of certificates itself
            failed = PermanentError(
                f"{what}: a file of ca_certs, client_cert or client_key is not there or cannot be "
                "read. Correct the connection's options."
            )
        raise failed

    def _wait(self) -> None:
        """Not more requests a second than the provider allows."""
        per_second = self._connection.options.get("per_second")
        now = time.monotonic()
        if per_second and now < self._next:
            time.sleep(self._next - now)
        if per_second:
            self._next = max(now, self._next) + 1 / float(per_second)

    def _unreached(self, error: requests.RequestException, what: str) -> LakeError:
        if isinstance(error, requests.exceptions.SSLError):
            said = tls.refused(error)
            why = f" ({said})" if said else ", or it wants one of this side (client_cert)"
            return PermanentError(
                f"{what}: the server's certificate is not trusted{why}. What to do: "
                f"{tls.cure(said, 'ca_certs')}."
            )
        if isinstance(error, requests.Timeout):
            return TransientError(
                f"{what}: no answer within {self._connection.options.get('timeout', _TIMEOUT)} s. "
                "Try again; `options: {timeout: 120}` gives it longer."
            )
        if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.InvalidSchema):
            return PermanentError(f"{what}: the connection's url is none.")
        return TransientError(
            f"{what}: the service is not reached, or the connection was lost. Check DNS, the proxy "
            "(HTTPS_PROXY) and that this host may reach it."
        )


def _trusting(options: Mapping[str, Any]) -> str | bool:
    """The file of the CA, else whether one is looked for at all; `verify: false` goes first."""
    return bool(options.get("verify", True)) and (str(options.get("ca_certs") or "") or True)


def _client(options: Mapping[str, Any]) -> str | tuple[str, str] | None:
    certificate, key = (str(options.get(one) or "") for one in ("client_cert", "client_key"))
    return (certificate, key) if key else certificate or None


class _TooLargeError(Exception):
    """More bytes than any answer has."""


def _bounded(answer: requests.Response) -> bytes:
    parts, size = [], 0
    for part in answer.iter_content(1 << 16):
        size += len(part)
        if size > _MOST_BYTES:
            raise _TooLargeError
        parts.append(part)
    return b"".join(parts)


def _word(value: str | float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _batch(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[Column], seen: int, what: str
) -> pa.RecordBatch:
    arrays = []
    for one in columns:
        try:
            values = [open_api_answers.text(row, one.source) for row in rows]
            if one.type.name != "string":
                values = [value or None for value in values]  # '' is no number and no day
            texts = column(values, "text")
        except UnfitError as error:
            raise PermanentError(
                f"{what}: a value of {one.source!r} cannot be read: {error}."
            ) from None
        try:
            arrays.append(_typed(texts, one.type))
        except UnfitError:
            at = seen + 1 + first_unfit(texts, one.type, _typed)
            raise PermanentError(
                f"{what}: the value of {one.source!r} in row {at} is no {one.type.name}. Correct "
                "the column's type, or declare it as string and convert it in a dataset."
            ) from None
    return pa.RecordBatch.from_arrays(arrays, schema=arrow_schema(columns))


def _typed(texts: pa.Array, declared: ColumnType) -> pa.Array:
    """As it is written; an instant has a zone, as that of a text without one is not known."""
    if declared.name == "binary":
        raise UnfitError
    if declared.name != "timestamptz":
        return become(texts, declared)
    try:
        return texts.cast(declared.arrow())
    except pa.ArrowInvalid:
        raise UnfitError from None


def _api(table: Table) -> ApiSource:
    assert isinstance(table.of, ApiSource)
    return table.of
