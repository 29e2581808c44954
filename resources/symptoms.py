"""What to do about failures as people see them: the words of systems → the cure.

Here: names, ports, certificates, logins, drivers, the habits of WSL, Docker and company networks.
Not here: errors that a module tells with a cure of its own, which is nearer.
"""

from __future__ import annotations

import re

#: `socket.gaierror` as people see it; -2, -3 and -5 are three causes.
_SEARCH_DOMAIN = (
    "a short name (without a dot) needs the company's search domain: `search DOMAIN` in "
    '/etc/resolv.conf, "dns-search" in /etc/docker/daemon.json for containers, and in WSL a '
    "resolv.conf of your own (generateResolvConf=false in /etc/wsl.conf)"
)
_COMPANY_CA = (
    "put the company's CA into /usr/local/share/ca-certificates/*.crt and run "
    "update-ca-certificates (in images too, before pip and apt); Python's clients read "
    "REQUESTS_CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt, or the connection's own option "
    "(ca_certs, sslrootcert, ssl_ca, sslTrustStore)"
)

#: Searched in this order.
_CURES: tuple[tuple[str, str], ...] = (
    (
        r"Errno -2\b|Name or service not known",
        f"nobody knows the name. Correct `host` or `url`; {_SEARCH_DOMAIN}",
    ),
    (
        r"Errno -3\b|Temporary failure in name resolution",
        "no name server answers. Check `nameserver` in /etc/resolv.conf (after a VPN or WSL was "
        'started again it may be an old one) and "dns" in /etc/docker/daemon.json; then '
        f"{_SEARCH_DOMAIN}",
    ),
    (
        r"Errno -5\b|No address associated",
        f"the name has no address of this kind; usually it was asked for in the wrong domain: "
        f"{_SEARCH_DOMAIN}",
    ),
    (
        r"a name that nobody knows|name is not known|Failed to resolve",
        f"nobody knows the name. {_SEARCH_DOMAIN[0].upper()}{_SEARCH_DOMAIN[1:]}",
    ),
    (
        r"(?i)certificate has expired|certificate is not yet valid",
        "the server's certificate has expired: its owner renews it. Or this machine's clock is off",
    ),
    (
        r"(?i)hostname mismatch|certificate is not valid for|doesn't match",
        "the certificate is for another name: write host or url as the certificate has it",
    ),
    (r"(?i)certificate|x509|unknown authority", _COMPANY_CA),
    (
        r"invalid response to SSL negotiation",
        "another kind of server listens on this port: correct `port`, or the connection's `kind`",
    ),
    (
        r"though the port is open",
        "see whether the server hangs, and whether another kind of server listens on this port: "
        "then correct `port`, or the connection's `kind`",
    ),
    (
        r"(?i)wrong version number|record layer failure|unknown protocol|plain HTTP",
        "the port does not speak TLS: write http:// (or leave the TLS option out), or another port",
    ),
    (
        r"(?i)connection refused|refused the connection",
        "the host is there, and nothing listens on the port: start the server, or correct `port`. "
        "On WSL, after a restart, its address is another: renew the forwarding (netsh interface "
        "portproxy), and start the services in it again. In a container 127.0.0.1 is the container "
        "itself",
    ),
    (
        r"(?i)timed out|no answer|did not answer|unreachable|No route to host",
        "a firewall drops it, the VPN is off, or the host is down: have the network let this "
        "machine reach that host and port",
    ),
    (
        r"(?i)GSSAPI|kerberos|No worthy mechs|SASL|libsasl",
        "the server wants Kerberos: for Hive `options: {auth: KERBEROS}`, elsewhere ask for LDAP "
        "or a password login. Without Kerberos nothing needs to be compiled here: PyHive uses "
        "pure-sasl, so a missing sasl.h or gcc comes from another package (sasl), which can be "
        "left out",
    ),
    (
        r"(?i)No module named|cannot be imported|is not installed",
        "install the lake with the extra that has the driver, in the environment that runs it: "
        "pip install 'lake[hana,sqlserver,tibero]'. A module that one worker lacks: build and "
        "start its image again",
    ),
    (
        r"is not set|is empty|cannot be read: ",
        "set it where the services are started, then start them anew",
    ),
    (
        r"(?i)docker\.sock|permission denied.*docker",
        "the user is not in the group docker: sudo usermod -aG docker USER, then log in again; "
        "never chmod 666 the socket, which makes every user root",
    ),
    (
        r"(?i)authentication|refuses? the login|refused the login|password|Login failed|denied",
        "check the connection's `user`, the variable or file of its `password`, and that the "
        "account is not locked or expired",
    ),
)


def cure_of(text: str) -> str:
    """What to do, of the first symptom in `text`; empty where none is known."""
    return next((cure for pattern, cure in _CURES if re.search(pattern, text)), "")
