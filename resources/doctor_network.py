"""Whether a host can be reached: its name, its port, its certificate.

Here: sockets. Not here: what is said through them (`doctor_checks.py`). TLS is tried where an
address says https, and where PostgreSQL is asked to prove itself; other databases negotiate it
within their own login, which shows it.
"""

from __future__ import annotations

import os
import re
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from urllib.parse import urlsplit

import certifi

from resources.doctor import Check, failed, not_tried, ok
from resources.settings import Connection

#: Seconds for one connection, so that an address that answers nobody leaves time for the next.
_CONNECT = 5.0

_PORTS = {
    "postgres": 5432,
    "mariadb": 3306,
    "sqlserver": 1433,
    "hana": 30015,
    "hive": 10000,
    "sftp": 22,
    "tibero": 8629,
}
_URL_PORTS = {"http": 80, "https": 443}
#: Options by which a database is asked for TLS within its login.
_TLS_OPTIONS = ("ssl_mode", "ssl_ca", "encrypt", "sslTrustStore", "serverCertificate")


@dataclass(frozen=True)
class Address:
    """Where something listens; `tls` says how a handshake begins, '' where none is asked for."""

    host: str
    port: int
    tls: str = ""
    ca: str = ""
    verified: bool = True
    named: bool = True
    """Whether the certificate must be for this host."""
    own: tuple[str, ...] = ()
    """Files of the lake's own certificate and its key."""
    machine: bool = False
    """Whether, where no CA is given, it is the machine's that are trusted, not certifi's."""

    @property
    def shown(self) -> str:
        return f"{self.host}:{self.port}"


def addresses(connection: Connection) -> list[Address]:
    """Where the connection leads; none where it is a file."""
    c = connection
    if c.url is not None:
        urls = [one.strip() for one in c.url.split(";") if one.strip()]
        return [of_url(one, c) for one in urls]
    if c.kind == "storage":
        endpoint = c.options.get("endpoint_url")
        if not endpoint:
            return []
        return [replace(of_url(str(endpoint), c), ca=os.environ.get("AWS_CA_BUNDLE", ""))]
    if c.host is None:
        return []
    port = c.port or _PORTS[c.kind]
    named = re.search(r"(?:@|//)([A-Za-z0-9.\-]+):(\d+)", str(c.options.get("url", "")))
    if c.kind == "tibero" and named:
        return [Address(named[1], int(named[2]))]
    mode = str(c.options.get("sslmode", ""))
    if c.kind == "postgres" and mode in ("require", "verify-ca", "verify-full"):
        ca = str(c.options.get("sslrootcert", ""))
        verified = mode != "require" or bool(ca)  # with a CA libpq makes verify-ca of it
        return [Address(c.host, port, "postgres", ca, verified, named=mode == "verify-full")]
    if c.kind == "hive" and c.options.get("ssl"):
        trusting = str(c.options.get("ca_certs") or ""), bool(c.options.get("verify", True))
        return [Address(c.host, port, "https", *trusting, machine=True)]
    return [Address(c.host, port)]


def of_url(url: str, connection: Connection | None = None) -> Address:
    parts = urlsplit(url)
    options = connection.options if connection else {}
    default = 9200 if connection and connection.kind == "elasticsearch" else None
    return Address(
        parts.hostname or "",
        parts.port or (_URL_PORTS[parts.scheme] if parts.scheme == "https" else default or 80),
        "https" if parts.scheme == "https" else "",
        str(options.get("ca_certs") or ""),
        verified=bool(options.get("verify", True)),
        own=tuple(str(options[one]) for one in ("client_cert", "client_key") if options.get(one)),
    )


def tls_within(connection: Connection) -> bool:
    """Whether TLS is asked for within the login of the driver."""
    return any(option in connection.options for option in _TLS_OPTIONS)


def reached(subject: str, at: Address, many: bool) -> Iterator[Check]:
    """Name, port, certificate; ends at the first that fails. `many`: which address is told."""
    of = f" {at.shown}" if many else ""
    try:
        found = socket.getaddrinfo(at.host, at.port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        yield failed(subject, f"name{of}", f"{at.host}: socket.gaierror: {error}")
        return
    numbers = list(dict.fromkeys(str(one[4][0]) for one in found))
    if numbers != [at.host]:
        yield ok(subject, f"name{of}", f"{at.host} is {', '.join(numbers)}")
    begun = time.monotonic()
    try:
        opened = socket.create_connection((at.host, at.port), _CONNECT)
    except OSError as error:
        said = str(error) if error.errno else "timed out"
        yield failed(subject, f"port{of}", f"{at.shown}: {said}")
        return
    with opened:
        took = (time.monotonic() - begun) * 1000
        yield ok(subject, f"port{of}", f"{at.shown} open, in {took:.0f} ms")
        if at.tls:
            yield _secured(subject, f"tls{of}", at, opened)


def _secured(subject: str, name: str, at: Address, opened: socket.socket) -> Check:
    opened.settimeout(_CONNECT)
    try:
        if at.tls == "postgres":
            opened.sendall(bytes.fromhex("0000000804d2162f"))  # SSLRequest
            if opened.recv(1) != b"S":
                return failed(
                    subject,
                    name,
                    "the server has no TLS",
                    "have `ssl = on` set on the server, or take `sslmode` out of the options",
                )
        with _context(at).wrap_socket(opened, server_hostname=at.host) as secure:
            return ok(subject, name, _told(secure))
    except ssl.SSLCertVerificationError as error:
        return failed(subject, name, f"certificate verify failed: {error.verify_message}")
    except ssl.SSLError as error:
        return failed(subject, name, _handshake(error))
    except OSError as error:
        if not isinstance(error, FileNotFoundError):
            return failed(subject, name, f"the handshake failed: {error.strerror or 'timed out'}")
        lacking = [one for one in (_ca(at), *at.own) if one and not os.path.exists(one)]  # noqa: PTH110
        cure = "correct the option (ca_certs, sslrootcert, client_cert, client_key)"
        return failed(subject, name, f"there is no file {' or '.join(lacking)}", cure)


def _handshake(error: ssl.SSLError) -> str:
    return f"the handshake failed: {(error.reason or 'no reason given').replace('_', ' ').lower()}"


def _ca(at: Address) -> str | None:
    """The file that the client will trust: the given one, else that of requests, else its own."""
    if not at.verified:
        return None
    if at.tls == "postgres":
        return at.ca or os.path.expanduser("~/.postgresql/root.crt")  # noqa: PTH111
    return (
        at.ca or os.environ.get("REQUESTS_CA_BUNDLE") or (None if at.machine else certifi.where())
    )


def _context(at: Address) -> ssl.SSLContext:
    """Trusting what the client will, and proving this side as the client will."""
    context = ssl.create_default_context(cafile=_ca(at))
    context.check_hostname = at.verified and at.named
    if not at.verified:
        context.verify_mode = ssl.CERT_NONE
    if at.own:
        context.load_cert_chain(*at.own)
    return context


def _told(secure: ssl.SSLSocket) -> str:
    certificate = secure.getpeercert() or {}
    if not certificate:
        return f"{secure.version()}, the certificate is not verified"
    ends = ssl.cert_time_to_seconds(str(certificate["notAfter"]))
    until = datetime.fromtimestamp(ends, timezone.utc)
    days = (until - datetime.now(timezone.utc)).days
    soon = f", in {days} days" if days < 30 else ""
    return f"{secure.version()}, the certificate is valid until {until:%Y-%m-%d}{soon}"


def within_login(subject: str) -> Check:
    return not_tried(subject, "tls", "negotiated within the driver's login, which shows it")
