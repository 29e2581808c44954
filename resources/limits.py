"""How much of a source the lake takes: sessions at a time, rows a second, hours of the day.

Here: the record as an environment file has it, and when the hours begin. Not here: keeping to it
(`limited.py`), and limits across machines (a `pool` of Dagster or Airflow).
"""

from __future__ import annotations

import re
from datetime import datetime, time, timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|24:00)")


class Limits(BaseModel):
    """Each is None where nothing is limited."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    connections: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        None, description="sessions at a time, of this machine"
    )
    rows_per_second: Annotated[int, Field(ge=1)] | None = Field(
        None, description="of all readings of one process together"
    )
    hours: str | None = Field(
        None, description="in Asia/Seoul, outside of which nothing is read: 20:00-06:00"
    )

    @field_validator("hours")
    @classmethod
    def _hours(cls, value: str | None) -> str | None:
        if value is not None and (not _HOURS.fullmatch(value) or len(set(value.split("-"))) == 1):
            raise ValueError(
                'write hours as "20:00-06:00", the first included, the last not; for the whole day '
                "leave them out"
            )
        return value


def next_opening(hours: str, now: datetime) -> datetime | None:
    """When reading is next allowed; None where it is at `now`, a moment on the clock of `hours`.

    >>> next_opening("20:00-06:00", datetime(2025, 7, 1, 9))
    datetime.datetime(2025, 7, 1, 20, 0)
    >>> next_opening("20:00-06:00", datetime(2025, 7, 2, 5, 59)) is None
    True
    """
    first, last = (_time(text) for text in hours.split("-"))
    at = now.time()
    # 24:00 is the 00:00 of the next day, so such hours go over midnight too.
    is_open = first <= at < last if first < last else at >= first or at < last
    if is_open:
        return None
    opening = now.replace(hour=first.hour, minute=first.minute, second=0, microsecond=0)
    return opening if opening > now else opening + timedelta(days=1)


def _time(text: str) -> time:
    return time(0) if text == "24:00" else time.fromisoformat(text)
