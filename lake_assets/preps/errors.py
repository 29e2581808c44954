"""The error of prep functions, apart from them, so that the border of frames can tell it as well.

Here: its text, with a value of the data or without. Not here: what is refused.
"""

from __future__ import annotations

import datetime
from decimal import Decimal

from resources.errors import PermanentError


class PrepError(PermanentError, ValueError):
    """What a prep function refuses: a column, a parameter or a value.

    `example` is a value of the data, if one is told: the text ends with it, and `without_values`
    leaves it out where nobody is to see it. Which of several it is, engines see differently.
    """

    def __init__(self, what: str, example: object = None) -> None:
        self.without_values = what
        super().__init__(what if example is None else f"{what} For example: {_shown(example)}.")


def _shown(value: object) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")
    return value.isoformat() if isinstance(value, datetime.date) else repr(value)
