"""Requests to Elasticsearch and what goes wrong with them, in words.

Here: one session with a server (which node, which version, which headers), and its errors as
PermanentError or TransientError. Not here: what is asked (`elasticsearch.py`) and values
(`elasticsearch_values.py`).

The wire layer of the official client is used, not its class: that one always says
`compatible-with=8`, which servers of 7 refuse, and takes those before 7.14 for another product.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from elastic_transport import (
    ConnectionTimeout,
    HttpHeaders,
    NodeConfig,
    TlsError,
    TransportError,
    Urllib3HttpNode,
)

from resources import tls
from resources.errors import LakeError, PermanentError, TransientError
from resources.json_values import JsonError, read_json, write_json
from resources.options import OPTIONS
from resources.settings import Connection

#: `major` is the version that is spoken, where it is not the server's own; `timeout` are seconds;
#: `client_cert` and `client_key`: files by which this side proves itself.
_OPTIONS = OPTIONS["elasticsearch"]
_CLIENT = ("client_cert", "client_key")
MAJORS = (7, 8, 9)
#: From here on a server says on every answer that it is Elasticsearch.
_SAYS_PRODUCT = (7, 14)

#: What the server calls an error → whether trying again may help, and what to do.
_CURES: tuple[tuple[str, type[LakeError], str], ...] = (
    (
        "index_not_found_exception",
        PermanentError,
        "correct `index.name`; an alias or a pattern (dlp-*) will do",
    ),
    (
        "search_context_missing_exception",
        TransientError,
        "the server has let the snapshot go, which it keeps for 5 minutes after a request; try "
        "again",
    ),
    (
        "security_exception",
        PermanentError,
        "ask for a role with the privileges read and view_index_metadata on the index",
    ),
    (
        "circuit_breaking_exception|es_rejected_execution_exception|too_many_.*",
        TransientError,
        "the server is too busy; try again later",
    ),
    (
        "cluster_block_exception|no_shard_available_action_exception|.*timeout_exception",
        TransientError,
        "the cluster is not whole; try again when its state is green or yellow",
    ),
    (
        "illegal_argument_exception|query_shard_exception|search_phase_execution_exception",
        PermanentError,
        "window, order_by and sums need fields that the index can sort: keyword, numbers, dates; "
        "of a text its keyword field. `_id` is sorted only where the cluster allows it",
    ),
    (
        "parsing_exception|x_content_parse_exception|parse_exception",
        PermanentError,
        "mend `index.query`, which is in the query DSL",
    ),
)


class Session:
    """One node of the cluster, asked one thing after another, without retries.

    A scroll that was asked again would go on with the next page, and rows would be lost.
    """

    def __init__(self, name: str, connection: Connection) -> None:
        self._connection = connection
        urls = [url.strip() for url in (connection.url or "").split(";") if url.strip()]
        self._urls = [urlsplit(url) for url in urls]
        self.where = f"{name!r} ({', '.join(_shown(url) for url in self._urls)})"
        self._node: Urllib3HttpNode | None = None
        self._json = "application/json"
        self._authorization: dict[str, str] = {}
        self.version: tuple[int, ...] = ()
        self.received = 0
        """Bytes of the last answer."""

    def open(self) -> None:
        """Find a node that answers, and its version."""
        options = self._connection.options
        for key in options:
            if key not in _OPTIONS:
                raise PermanentError(f"{self.where}: unknown option {key!r}; allowed: {_OPTIONS}.")
        if options.get("major", 8) not in MAJORS:
            raise PermanentError(f"{self.where}: major is one of {MAJORS}.")
        if any(url.username or url.password for url in self._urls):
            raise PermanentError(
                f"{self.where}: a url has no user and password in it; give them as `user` and "
                "`password: env:NAME`."
            )
        self._authorization = self._login()
        for place, url in enumerate(self._urls):
            self._node = Urllib3HttpNode(self._config(url))
            try:
                return self._greet()
            except TransientError:
                self.close()
                if place == len(self._urls) - 1:
                    raise

    def close(self) -> None:
        if self._node is not None:
            self._node.close()
        self._node = None

    def ask(
        self, method: str, target: str, what: str, body: Mapping[str, Any] | bytes | None = None
    ) -> Any:
        """The answer's JSON, numbers as their digits. `what` is told where it fails.

        A body of bytes is lines of JSON, as the bulk interface takes them.
        """
        return self._ask(method, target, what, body)[0]

    def _ask(
        self, method: str, target: str, what: str, body: Mapping[str, Any] | bytes | None = None
    ) -> tuple[Any, HttpHeaders]:
        if self._node is None:
            raise PermanentError(f"The connection {self.where} is not open; use it in a `with`.")
        lines = isinstance(body, bytes)
        sent = body if isinstance(body, bytes | None) else write_json(body).encode()
        headers = HttpHeaders({"accept": self._json, **self._authorization})
        if sent is not None:
            headers["content-type"] = (
                self._json.replace("json", "x-ndjson") if lines else self._json
            )
        try:
            meta, data = self._node.perform_request(method, target, sent, headers)
        except TransportError as error:
            raise self._unreached(error, what) from None
        self.received = len(data)
        try:
            answer = read_json(data)
        except JsonError:
            answer = None
        if not 200 <= meta.status < 300:
            raise self._refused(meta.status, answer, meta.headers, what)
        if not isinstance(answer, dict | list):
            kind = (meta.headers.get("content-type") or "not told").partition(";")[0]
            raise TransientError(
                f"{self._about(what)}: the answer is no whole JSON document (its type is {kind}). "
                "Check that url is Elasticsearch's own address, not Kibana's or a proxy's page."
            )
        return answer, meta.headers

    def _about(self, what: str) -> str:
        return f"{what}, connection {self.where}"

    def _config(self, url: Any) -> NodeConfig:
        options = self._connection.options
        secure = url.scheme == "https"
        security: dict[str, Any] = {}
        if secure:
            security = {"verify_certs": bool(options.get("verify", True)), "ssl_show_warn": False}
            # As the HTTP library of the other connections does; else certifi's.
            bundle = options.get("ca_certs") or os.environ.get("REQUESTS_CA_BUNDLE")
            files = {"ca_certs": bundle, **{one: options.get(one) for one in _CLIENT}}
            security |= {one: str(file) for one, file in files.items() if file}
        try:
            return NodeConfig(
                scheme=url.scheme,
                host=url.hostname,
                port=url.port or (443 if secure else 9200),
                path_prefix=url.path.rstrip("/"),
                request_timeout=float(options.get("timeout", 60)),
                **security,
            )
        except (ValueError, OSError):
            raise PermanentError(
                f"{self.where}: url, ca_certs or client_cert cannot be used."
            ) from None

    def _login(self) -> dict[str, str]:
        c = self._connection
        secret = c.password.reveal() if c.password else None
        if secret is None:
            return {}
        if c.user is None:
            return {"authorization": f"ApiKey {secret}"}
        return {
            "authorization": "Basic " + base64.b64encode(f"{c.user}:{secret}".encode()).decode()
        }

    def _greet(self) -> None:
        major = self._connection.options.get("major")
        try:
            answer, headers = self._ask("GET", "/", "connecting")
        except ForbiddenError:
            if major is None:
                raise PermanentError(
                    f"{self._about('connecting')}: the user may not ask for the server's version. "
                    "Give it as `options: {major: 8}`, or the user the privilege monitor."
                ) from None
            self.version = (int(major), 0)
        else:
            told = answer.get("version") if isinstance(answer, dict) else None
            number = re.match(r"(\d+)\.(\d+)", str((told or {}).get("number")))
            product = headers.get("x-elastic-product", "")
            version = (int(number[1]), int(number[2])) if number else ()
            if (
                not version
                or (told or {}).get("distribution")
                or (version >= _SAYS_PRODUCT and product != "Elasticsearch")
            ):
                raise PermanentError(
                    f"{self._about('connecting')}: what answers there is not Elasticsearch. Check "
                    "the connection's url."
                )
            self.version = version
        spoken = int(major or self.version[0])
        if self.version[0] not in (spoken, spoken + 1):
            raise PermanentError(
                f"{self._about('connecting')}: the server is {self.shown}, and "
                f"`major: {spoken}` is what servers of {spoken} and {spoken + 1} speak. Correct "
                "the option, or take it out."
            )
        if self.version[0] >= 8:
            self._json = f"application/vnd.elasticsearch+json; compatible-with={spoken}"

    @property
    def shown(self) -> str:
        return "Elasticsearch " + ".".join(map(str, self.version))

    # -- errors

    def _unreached(self, error: TransportError, what: str) -> LakeError:
        about = self._about(what)
        if isinstance(error, TlsError):
            said = tls.refused(error)
            why = f" ({said})" if said else ", or it speaks no TLS"
            return PermanentError(
                f"{about}: the server's certificate is not trusted{why}. What to do: "
                f"{tls.cure(said, 'ca_certs')}; see https in url."
            )
        if isinstance(error, ConnectionTimeout):
            return TransientError(
                f"{about}: no answer within {self._connection.options.get('timeout', 60)} s. Check "
                "that the server is reached and not overloaded; `timeout` gives it longer."
            )
        return TransientError(
            f"{about}: the server is not reached, or the connection was lost. Check that it runs "
            "and the network lets this host reach it."
        )

    def _refused(self, status: int, answer: Any, headers: HttpHeaders, what: str) -> LakeError:
        about = self._about(what)
        error = answer.get("error") if isinstance(answer, dict) else None
        kind, reason = _told(error)
        if status == 401:
            return PermanentError(
                f"{about}: the server refuses the login. Check the connection's user and password "
                "(a password without user is an API key)."
            )
        said = f"the server refuses it ({status}{f', {kind}' if kind else ''})"
        if reason:
            said += f": {reason}"
        if status == 429 or status in (408, 502, 503, 504):
            wait = headers.get("retry-after") or ""
            later = f" in {wait} s" if wait.isdigit() else " later"
            return (BusyError if status == 429 else TransientError)(
                f"{about}: {said}. It is too busy or not whole; try again{later}."
            )
        if status == 403:
            return ForbiddenError(f"{about}: {said}. What to do: {_CURES[2][2]}.")
        for pattern, of, cure in _CURES:
            if re.fullmatch(pattern, kind):
                return of(f"{about}: {said}. What to do: {cure}.")
        return (TransientError if status >= 500 else PermanentError)(f"{about}: {said}.")


class ForbiddenError(PermanentError):
    """The user may not do this."""


class BusyError(TransientError):
    """The server takes no more just now (429): nothing of the request was done."""


def _told(error: Any) -> tuple[str, str]:
    """Type and reason of an error; the deepest reason is the telling one.

    A reason may quote a value that could not be parsed: what stands in quotes is left out.
    """
    if isinstance(error, str):
        return "", cleaned(error)
    if not isinstance(error, dict):
        return "", ""
    roots = error.get("root_cause")
    root = roots[0] if isinstance(roots, list) and roots and isinstance(roots[0], dict) else error
    kind = str(root.get("type") or error.get("type") or "")
    return kind, cleaned(str(root.get("reason") or error.get("reason") or ""))


def cleaned(reason: str) -> str:
    """A reason without the values that it quotes: it may be a person's."""
    unquoted = re.sub(
        r"For input string: .*|(?<=date field )\[[^\]]*\]|\"[^\"]*\""
        r"|(?<=with id )'[^']*'|(?<=field's value: ).*",
        "(a value)",
        reason.split("\n")[0],
    )
    return unquoted[:200].rstrip(".")


def _shown(url: Any) -> str:
    return f"{url.hostname}:{url.port or (443 if url.scheme == 'https' else 9200)}"
