"""How busy a day is in Korea: weekdays, holidays, months, the weeks before 설날 and 추석, growth.

Here: weights of a day and of the material groups on it, from the calendar alone. Not here: the
material groups themselves (`words.py`) and the rows (`sales.py`).
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache

import holidays

from lake_assets.sample.words import GROUPS

#: Monday to Sunday, in percent of the mean; a holiday is a Sunday.
WEEK = (131, 138, 136, 137, 143, 38, 9)
#: Growth is counted from here, 5 % of that day's volume a year.
GROWTH_FROM = date(2024, 1, 1)
#: 설날 and 추석 gifts are ordered from 24 to 4 days before.
GIFT_DAYS = range(4, 25)
GIFT_FACTOR = 7


@lru_cache(maxsize=64)
def _year(year: int) -> tuple[frozenset[date], frozenset[date]]:
    """The holidays of a year, and those of them that gifts are given on."""
    korea = holidays.country_holidays("KR", years=year, language="en_US")
    feasts = (name for name in ("Korean New Year", "Chuseok"))
    gifts = {day for name in feasts for day in korea.get_named(name, lookup="exact")}
    return frozenset(korea), frozenset(gifts)


def is_holiday(day: date) -> bool:
    return day in _year(day.year)[0]


def is_gift_season(day: date) -> bool:
    feasts = _year(day.year)[1] | _year(day.year + 1)[1]
    return any((feast - day).days in GIFT_DAYS for feast in feasts)


def group_weights(day: date) -> list[int]:
    """How often each material group is sold on a day."""
    gift = GIFT_FACTOR if is_gift_season(day) else 1
    return [
        group.share * group.months[day.month - 1] * (gift if group.is_gift else 1)
        for group in GROUPS
    ]


def volume(day: date) -> float:
    """Rows on a day against the mean day of 2024: 1.0 is the mean."""
    week = WEEK[6 if is_holiday(day) else day.weekday()]
    season = sum(group_weights(day)) / sum(100 * group.share for group in GROUPS)
    closing = 1.15 if (day + timedelta(days=3)).month != day.month else 1.0
    growth = 1 + 0.05 * (day - GROWTH_FROM).days / 365
    return week / 100 * season * closing * max(growth, 0.2)
