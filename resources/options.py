"""Which words a connection's `options` may have, by its kind: most are those of its driver.

Here: the table, so that an environment file is held against it without a driver. Not here: what
their values mean, and those of kinds that take any word (Hive's settings, a cloud's file system).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from resources.yamlfile import nearest

#: The option by which a service of the demo stands behind a connection of any kind.
STANDIN = "standin"

OPTIONS: Mapping[str, tuple[str, ...]] = {
    "postgres": (
        *("application_name", "connect_timeout", "target_session_attrs"),
        *("sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl", "ssl_min_protocol_version"),
        *("channel_binding", "require_auth"),
    ),
    "mariadb": (
        *("ssl_mode", "ssl_ca", "ssl_capath", "ssl_cert", "ssl_key", "ssl_cipher"),
        *("ssl_crl", "ssl_crlpath"),
    ),
    "sqlserver": (
        # `trustedConnection`: Kerberos, by the ticket that this process has.
        *("driver", "loginTimeout", "trustedConnection"),
        *("encrypt", "trustServerCertificate", "serverCertificate", "hostNameInCertificate"),
        "serverSPN",
    ),
    # hdbcli takes any word without a complaint.
    "hana": (
        *("encrypt", "sslValidateCertificate", "sslTrustStore", "sslHostNameInCertificate"),
        *("sslKeyStore", "sslCryptoProvider", "sslMinProtocolVersion"),
        *("connectTimeout", "communicationTimeout"),
    ),
    "tibero": ("jar", "driver", "url", "route"),
    # Files on this machine, and seconds.
    "sftp": ("key_file", "known_hosts", "timeout"),
    "hdfs": ("ca_certs", "timeout", "verify"),
    "elasticsearch": ("ca_certs", "client_cert", "client_key", "major", "timeout", "verify"),
    "http": (
        *("ca_certs", "client_cert", "client_key", "key_param", "per_second", "timeout", "verify"),
    ),
}


def unknown(kind: str, given: Iterable[str]) -> list[str]:
    """Each option that connections of the kind have not, and what may be meant, a sentence each."""
    allowed = OPTIONS.get(kind)
    if allowed is None:
        return []
    return [
        f"{kind} has no option {key!r}; {nearest(key, allowed)}"
        for key in given
        if key not in (*allowed, STANDIN)
    ]
