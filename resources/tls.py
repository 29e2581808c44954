"""TLS in words: what a refused handshake means, and which options leave a server unproven.

Here: words alone, the same for every kind of connection. Not here: handshakes (the drivers make
them, `doctor_network.py` looks at some), nor what else keeps from connecting.
"""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass

from resources.settings import Connection

#: What drivers and OpenSSL say → what to do. `{ca}` is the connection's own option for a CA.
_CURES: tuple[tuple[str, str], ...] = (
    (
        r"(?i)client certificate|certificate (required|authentication failed)|private key"
        r"|alert (unknown ca|bad certificate|handshake failure)",
        "the server wants a certificate of this side, or refuses it: give the lake's own and its "
        "key in the options, of a CA that the server trusts, and for the connection's user",
    ),
    (
        r"(?i)expired|not yet valid",
        "the server's certificate has expired, or is not valid yet: have its owner renew it, and "
        "check this machine's clock",
    ),
    (
        r"(?i)host ?name|does not match|doesn't match|IP address mismatch|not valid for",
        "the certificate is for another name: write host or url as the certificate has it",
    ),
    (
        r"(?i)does(n't| not) support|not support(ed)? by the server|SSL is required"
        r"|wrong version number|record layer|unknown protocol",
        "the server has no TLS on this port: have it switched on there, or correct the port",
    ),
    (
        r"(?i)no such file|does not exist|could not (read|load)|error reading|error loading",
        "the file of the CA is not there, or holds no certificate: correct {ca}",
    ),
    (
        r"certificate verify failed$",
        "who signed the server's certificate is not trusted here (give the company's CA as "
        "`options: {{{ca}: FILE}}`), or it has expired: lake doctor says which",
    ),
    (
        r"",
        "who signed the server's certificate is not trusted here: give the company's CA as "
        "`options: {{{ca}: FILE}}`",
    ),
)


def cure(said: str, ca: str) -> str:
    """What to do where TLS failed and `said` is why; `ca` names the option for the CA's file."""
    return next(text for pattern, text in _CURES if re.search(pattern, said)).format(ca=ca)


def refused(error: BaseException) -> str:
    """OpenSSL's reason within what a library raised; '' where a certificate is not the cause.

    Only the reason is told: around it stand addresses, which may hold a key.
    """
    text = str(error)
    reason = re.search(r"certificate verify failed: ([^('\"]+)", text)
    if reason:
        return f"certificate verify failed: {reason[1].strip().rstrip('.')}"
    if re.search(r"(?i)wrong.version.number|record layer failure", text):
        return "wrong version number"
    mismatch = re.search(r"(?i)hostname .{0,80}?doesn't match", text)
    return "the certificate's name does not match" if mismatch else ""


@dataclass(frozen=True)
class Weakness:
    """An option by which a connection does without a proof, and what it says to write instead."""

    found: str
    cure: str


_PLAIN = "nothing is encrypted, the password neither"
_ANYBODY = "encrypted, but no certificate is checked: whoever answers is believed"
_ANY_NAME = "the certificate's name is not checked: any server of that CA is believed"
_IF_OFFERED = "encrypted only where the server offers it, and no certificate is checked"

#: Kind → option → its value, in lower case → what that means.
_WEAK: dict[str, dict[str, dict[str, str]]] = {
    "postgres": {
        "sslmode": {
            "disable": _PLAIN,
            "allow": _IF_OFFERED,
            "prefer": _IF_OFFERED,
            "require": _ANYBODY,
            "verify-ca": _ANY_NAME,
        }
    },
    "mariadb": {
        "ssl_mode": {
            "disabled": _PLAIN,
            "preferred": _IF_OFFERED,
            "required": _ANYBODY,
        }
    },
    "sqlserver": {
        "trustservercertificate": dict.fromkeys(("true", "yes"), _ANYBODY),
        "encrypt": dict.fromkeys(("false", "no", "optional"), "the login alone is encrypted"),
        "driver": {"pymssql": _ANYBODY},
    },
    "hana": {
        "encrypt": dict.fromkeys(("false", "0", "no"), _PLAIN),
        "sslvalidatecertificate": dict.fromkeys(("false", "0", "no"), _ANYBODY),
    },
    "storage": {"use_ssl": {"false": _PLAIN}, "verify": {"false": _ANYBODY}},
    **{
        kind: {"verify": {"false": _ANYBODY}}
        for kind in ("http", "elasticsearch", "hdfs", "hive", "webhook")
    },
}
#: What to write instead.
_STRONG = {
    "postgres": "sslmode: verify-full and sslrootcert: FILE",
    "mariadb": "ssl_mode: verify_identity and ssl_ca: FILE",
    "sqlserver": "encrypt: yes, trustServerCertificate: no and the driver mssql-python",
    "hana": "encrypt: true, sslValidateCertificate: true and sslTrustStore: FILE",
    "storage": "use_ssl: true, and the CA in AWS_CA_BUNDLE",
    "tibero": "what the driver documents for a verified certificate, in the address",
}
#: Words by which addresses of JDBC drivers switch the check off.
_WEAK_URL = re.compile(
    r"(?i)sslmode=(?:disable|allow|prefer|require|verify-ca)\b|NonValidatingFactory"
    r"|trustServerCertificate=true|verifyServerCertificate=false|useSSL=false"
)


def weaknesses(connection: Connection) -> list[Weakness]:
    """What in the connection's own options leaves its server unproven; nothing where none does."""
    kind = connection.kind
    known = _WEAK.get(kind, {})
    cure = f"write {_STRONG.get(kind, 'verify: true and ca_certs: FILE')}"
    if kind == "mariadb" and connection.options.keys() & {"ssl_ca", "ssl_capath"}:
        known = {}  # with a CA its client checks certificate and name
    if kind == "postgres" and "sslrootcert" in connection.options:
        known = {"sslmode": {**known["sslmode"], "require": _ANY_NAME}}  # libpq's own reading
    found = []
    for option, value in connection.options.items():
        means = known.get(option.lower(), {}).get(str(value).lower())
        if means:
            found.append(Weakness(f"`{option}: {str(value).lower()}`: {means}", cure))
    if kind == "sqlserver" and importlib.util.find_spec("mssql_python") is None:
        found.append(Weakness(f"mssql-python is not installed, pymssql reads: {_ANYBODY}", cure))
    weak = _WEAK_URL.search(str(connection.options.get("url", ""))) if kind == "tibero" else None
    if weak:
        found.append(Weakness(f"`{weak[0]}` in options.url: the server is not proven", cure))
    return found
