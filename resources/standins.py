"""Services that a development environment does not have, served by this process in their place.

Here: starting one when a connection with `options: {standin: module:function}` is opened, once a
process. Not here: what it answers; the function (it gets the settings, it gives the address) is
named by the environment, so that nothing here knows it.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from resources.errors import PermanentError
from resources.options import STANDIN
from resources.settings import Connection, Settings

OPTION = STANDIN

#: What a stand-in says of itself: its address, or a whole connection where it is more than a URL.
Address = str | Connection

#: Process, stand-in, LAKE_HOME and sample → its address.
_started: dict[tuple[object, ...], Address] = {}


def behind(settings: Settings, connection: Connection) -> Connection:
    """The connection, to the stand-in that it names, where it names one.

    The port is a free one: a fixed one could be another program's, and the server of another
    process would end with that. The path of the url stays.
    """
    named = connection.options.get(OPTION)
    if named is None:
        return connection
    # None survives a fork.
    key = (os.getpid(), str(named), settings.home, settings.sample)
    if key not in _started:
        _started[key] = _function(str(named))(settings)
    found = _started[key]
    if isinstance(found, Connection):
        return found
    url = found + urlsplit(connection.url or "").path
    options = {name: value for name, value in connection.options.items() if name != OPTION}
    return connection.model_copy(update={"url": url, "options": options})


def _function(named: str) -> Callable[[Settings], Address]:
    module, _, name = named.partition(":")
    try:
        found: Any = getattr(importlib.import_module(module), name)
    except (ImportError, ValueError, AttributeError):
        raise PermanentError(
            f"The environment names the stand-in {named!r}, and there is none; write "
            "`standin: module:function`."
        ) from None
    started: Callable[[Settings], Address] = found
    return started
