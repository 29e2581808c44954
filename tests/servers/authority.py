"""A company's certificate authority of the tests' own, and the certificates that it signs.

Here: keys and certificates as files, and a front that speaks TLS before a server that does not.
Not here: the servers.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat


@dataclass(frozen=True)
class Certificate:
    """`file` holds the certificate, `key` its key."""

    file: Path
    key: Path

    def context(self, clients: Path | None = None) -> ssl.SSLContext:
        """A server's side with it; `clients` is the CA of clients, who must prove themselves."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file, self.key)
        if clients is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(clients)
        return context


class Authority:
    """A CA whose certificate is `file`; nobody else knows it."""

    def __init__(self, folder: Path, name: str = "Company CA") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        made = self._signed(self._name, self._key, timedelta(days=-1), timedelta(days=30), ca=True)
        self.file = folder / "ca.pem"
        self.file.write_bytes(made.public_bytes(Encoding.PEM))

    def certificate(self, *names: str, expired: bool = False) -> Certificate:
        """One for host names and addresses, valid now unless it is `expired`."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0])])
        until = timedelta(days=-1 if expired else 30)
        made = self._signed(subject, key, timedelta(days=-2), until, names=names)
        stem = f"{names[0]}{'-expired' if expired else ''}"
        found = Certificate(self._folder / f"{stem}.pem", self._folder / f"{stem}.key")
        found.file.write_bytes(made.public_bytes(Encoding.PEM))
        found.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return found

    def _signed(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        start: timedelta,
        end: timedelta,
        names: tuple[str, ...] = (),
        ca: bool = False,
    ) -> x509.Certificate:
        now = datetime.now(timezone.utc)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + start)
            .not_valid_after(now + end)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if names:
            known = x509.SubjectAlternativeName([_general(name) for name in names])
            builder = builder.add_extension(known, critical=False)
        return builder.sign(self._key, hashes.SHA256())


def _general(name: str) -> x509.GeneralName:
    with suppress(ValueError):
        return x509.IPAddress(ipaddress.ip_address(name))
    return x509.DNSName(name)


@contextmanager
def tls_front(port: int, certificate: Certificate, clients: Path | None = None) -> Iterator[int]:
    """The port of a front that speaks TLS to clients and passes their bytes on to `port`."""
    context = certificate.context(clients)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve(client: socket.socket) -> None:
            with (
                suppress(OSError),
                client,
                context.wrap_socket(client, server_side=True) as inner,
                socket.create_connection(("127.0.0.1", port)) as server,
            ):
                back = threading.Thread(target=_pass, args=(server, inner), daemon=True)
                back.start()
                _pass(inner, server)
                back.join()

        def run() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=serve, args=(client,), daemon=True).start()

        threading.Thread(target=run, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def _pass(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
