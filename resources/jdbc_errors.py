"""What a JDBC driver's errors mean: by Tibero's numbers, by SQLSTATE, by JDBC's own classes.

Here: transient or permanent, the cure, and which of a server's words may be shown. Not here: when
they happen (`jdbc.py`) and what a missing Java or driver is told as (`jvm.py`).
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from typing import Any

from resources import jvm
from resources.errors import LakeError, PermanentError, TransientError

_LOGIN = (PermanentError, "check the connection's user and password, and that it is not locked")
_MEND = (PermanentError, "mend the table, the columns or the query in the pipeline file")
_GRANT = (PermanentError, "ask its owner to GRANT SELECT to the connection's user")
_NO_DATABASE = (PermanentError, "check the connection's database")
_TLS = (
    PermanentError,
    "have Java trust the company's CA (keytool -importcert), write the host as the certificate has "
    "it, and check the options' url",
)
#: A driver that checks names itself raises no error of Java's for them.
_OF_TLS = r"(?i)\b(SSL|TLS)\b|certificate|hostname .* verified"
_UNREACHED = (
    TransientError,
    "check that the server runs and the network lets this host reach it",
)
_LOST = (TransientError, "the connection was lost while reading; try again")
_BUSY = (TransientError, "the server ended the statement; try again when it is less busy")
_FULL = (TransientError, "fewer runs at a time (`pool`), or a higher limit on the server")
_TOO_WIDE = (
    PermanentError,
    f"Java's {jvm.HEAP} do not hold the rows of one fetch; read fewer or shorter columns",
)

_Cure = tuple[type[LakeError], str]
#: Tibero's codes, which it gives as negative numbers: from, to → what they mean.
_TIBERO: tuple[tuple[int, int, _Cure], ...] = (
    (17004, 17004, _GRANT),
    (17000, 17999, _LOGIN),
    (8000, 8999, _MEND),
    (2131, 2131, _LOST),
    (90400, 90499, _LOST),
    (90603, 90603, _LOST),
)
#: SQLSTATE, whole or its class → what it means.
_STATES: dict[str, _Cure] = {
    **{"42501": _GRANT, "08001": _UNREACHED, "08004": _UNREACHED, "08": _LOST},
    **{"28": _LOGIN, "3D": _NO_DATABASE, "3F": _MEND, "42": _MEND},
    **{"40": _BUSY, "53": _FULL, "57": _BUSY, "57P01": _LOST, "57P03": _UNREACHED},
}
#: JDBC's own classes of errors, where a driver uses them.
_CLASSES: tuple[tuple[str, _Cure], ...] = (
    ("java.sql.SQLInvalidAuthorizationSpecException", _LOGIN),
    ("java.sql.SQLSyntaxErrorException", _MEND),
    ("java.sql.SQLNonTransientConnectionException", _LOST),
    ("java.sql.SQLRecoverableException", _LOST),
    ("java.sql.SQLTransientException", _BUSY),
)
_NO_TABLE = ("42P01", "42S02")
_TIBERO_NO_TABLE = 8033


def is_no_table(error: Any) -> bool:
    """Whether what the driver raised says that there is no such table."""
    found = _sql_error(error)
    return found is not None and (
        _state(found) in _NO_TABLE or int(found.getErrorCode()) == -_TIBERO_NO_TABLE
    )


def state_of(error: Any) -> str:
    """The SQLSTATE of what the driver raised; '' where it gives none."""
    found = _sql_error(error)
    return "" if found is None else _state(found)


def told(error: Any, what: str, where: str, alive: Callable[[], bool]) -> LakeError:
    """What Java raised, in words for a person; `alive` asks whether the connection still is."""
    begin, found = f"{what}, connection {where}: ", _sql_error(error)
    if found is None:
        name = _named(error)
        if "OutOfMemory" in name:
            return _TOO_WIDE[0](f"{begin}{name}. What to do: {_TOO_WIDE[1]}.")
        return PermanentError(f"{begin}{name}.")
    cure = _cure(found)
    if what == "connecting" and re.search(_OF_TLS, str(found.getMessage())):
        cure = _TLS
    if cure is None and what != "connecting" and not alive():
        cure = _LOST  # some drivers say only that a read went wrong
    if cure is _LOST and what == "connecting":
        cure = _UNREACHED
    said = begin + _said(found, cure)
    if cure is None:
        # Not to be reached may pass; a statement that was refused is refused again.
        return (TransientError if what == "connecting" else PermanentError)(f"{said}.")
    return cure[0](f"{said}. What to do: {cure[1]}.")


def _cure(error: Any) -> _Cure | None:
    number, state = int(error.getErrorCode()), _state(error)
    if _caused(error, "java.security.GeneralSecurityException", "javax.net.ssl.SSLException"):
        return _TLS
    by_number = (cure for low, high, cure in _TIBERO if low <= -number <= high)
    by_class = (cure for name, cure in _CLASSES if _caused(error, name) is error)
    return (
        next(by_number, None)
        or _STATES.get(state)
        or _STATES.get(state[:2])
        or next(by_class, None)
    )


def _sql_error(error: Any) -> Any:
    """The driver's own exception, out of those that Arrow's adapter puts around it."""
    return _caused(error, "java.sql.SQLException")


def _caused(error: Any, *names: str) -> Any:
    """The first of these classes in the chain of an exception's causes."""
    jpype = importlib.import_module("jpype")
    of = tuple(jpype.JClass(name) for name in names)
    while error is not None and not isinstance(error, of):
        error = error.getCause()
    return error


def _named(error: Any) -> str:
    return type(error).__name__.rpartition(".")[2]


def _state(error: Any) -> str:
    return str(error.getSQLState() or "")


def _said(error: Any, cure: _Cure | None) -> str:
    """The server's words where they name tables, rights or addresses; others may hold a value."""
    coded = f"error {int(error.getErrorCode())}, SQLSTATE {_state(error) or 'none'}"
    if cure is None or cure in (_BUSY, _LOST):
        return f"{_named(error)} ({coded})"
    words = str(error.getMessage() or "").strip().split("\n")[0]
    # H2 repeats the statement, with the values it has.
    words = re.sub(r'; SQL statement:.*|(?<=SQL statement) ".*', "", words).strip()
    return f"{words.rstrip('.')} ({coded})"
