"""The ERP's customer table (KNA1) as generated: who there is on a day and how much they buy.

Here: one customer a number, its attributes a function of that number. Not here: what they bought
(`sales.py`). Customers only join, so the table of a later day begins with that of an earlier one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date, timedelta
from typing import NamedTuple, TypeVar

import numpy as np
import pyarrow as pa

from lake_assets.sample import columns, noise, words
from lake_assets.sample.noise import Bits, Ints

TYPES = {
    "MANDT": "CHAR(3)",
    "KUNNR": "VARCHAR(10)",
    "NAME1": "VARCHAR(70)",
    "J_1KFREPRE": "VARCHAR(30)",
    "STCD2": "VARCHAR(12)",
    "TELF1": "VARCHAR(16)",
    "LAND1": "VARCHAR(3)",
    "REGIO": "VARCHAR(3)",
    "ORT01": "VARCHAR(35)",
    "STRAS": "VARCHAR(70)",
    "PSTLZ": "VARCHAR(10)",
    "KDGRP": "VARCHAR(2)",
    "VKBUR": "VARCHAR(4)",
    "ZTERM": "VARCHAR(4)",
    "KLIMK": "DECIMAL(18,2)",
    "ERDAT": "CHAR(8)",
    "LOEVM": "VARCHAR(1)",
    "AEDTM": "TIMESTAMP",
}

Word = TypeVar("Word", str, "str | None")

#: Before this day everybody is a customer since long; from it on some join every day.
JOINING_FROM = date(2024, 1, 1)
_FIRST_NUMBER = 100_000
_REGION_WEIGHTS = [region.weight for region in words.REGIONS]
_SEGMENT_WEIGHTS = [weight for _, weight, _ in words.SEGMENTS]
_SPREAD = noise.lognormal(1.2)
#: Payment terms (ZTERM): the number is days after the posting date; none is at once.
_TERMS = ("NT30", "NT30", "NT60", "NT00", "", None)
_TERMS_DAYS = np.array([int(terms[2:]) if terms else 0 for terms in _TERMS], np.int64)


class Traits(NamedTuple):
    """What a customer is like, by number: indices into the lists of `words.py`, terms in days."""

    segment: Ints
    region: Ints
    terms: Ints


def _old(scale: float) -> int:
    """Ten times the rows come from about three times the customers."""
    return max(20, round(1200 * math.sqrt(scale)))


def _joining(scale: float) -> float:
    return 0.6 * math.sqrt(scale)


def count(scale: float, day: date) -> int:
    """How many customers there are on `day`."""
    return _old(scale) + max(0, int((day - JOINING_FROM).days * _joining(scale)))


def numbers(index: Ints) -> pa.Array:
    return columns.digits(_FIRST_NUMBER + index, 10)


def _places(seed: int, first: int, last: int) -> Bits:
    return noise.places(seed, np.zeros(last - first, np.int64), np.arange(first, last))


def buying(seed: int, number: int) -> Ints:
    """How much each of the first `number` customers buys; a closed one (LOEVM) nothing."""
    place = _places(seed, 0, number)
    segment = noise.choose(place, "segment", _SEGMENT_WEIGHTS)
    size = np.array([size for *_, size in words.SEGMENTS], np.int64)[segment]
    weight = size * _SPREAD[noise.below(place, "size", 1024)]
    return np.where(noise.one_in(place, "closed", 50), 0, weight)


def traits(seed: int, number: int) -> Traits:
    """The same of the first `number` customers as `rows` tells in words."""
    place = _places(seed, 0, number)
    return Traits(
        noise.choose(place, "segment", _SEGMENT_WEIGHTS),
        noise.choose(place, "region", _REGION_WEIGHTS),
        _TERMS_DAYS[noise.below(place, "terms", len(_TERMS))],
    )


def rows(seed: int, first: int, last: int, scale: float) -> pa.RecordBatch:
    """The customers with numbers in [first, last)."""
    place = _places(seed, first, last)
    index = np.arange(first, last)

    def text(name: str, options: Sequence[Word]) -> list[Word]:
        return [options[i] for i in noise.below(place, name, len(options))]

    regions = [words.REGIONS[i] for i in noise.choose(place, "region", _REGION_WEIGHTS)]
    segments = [words.SEGMENTS[i][0] for i in noise.choose(place, "segment", _SEGMENT_WEIGHTS)]
    names = [
        form.format(f"{start} {end}" if blank else start + end)
        for form, start, end, blank in zip(
            text("form", words.COMPANY_FORMS),
            text("name", words.COMPANY_FIRST),
            text("business", words.COMPANY_LAST),
            noise.one_in(place, "blank", 4),
            strict=True,
        )
    ]
    chiefs = [
        f"{family}{given}" if kind > 1 else (None, "")[kind]
        for family, given, kind in zip(
            text("family", words.FAMILY_NAMES),
            text("given", words.GIVEN_NAMES),
            noise.below(place, "chief", 12),
            strict=True,
        )
    ]
    number = noise.below(place, "registration", 10**9)
    phone = noise.below(place, "phone", 10**4)
    city = noise.below(place, "city", 60)
    street = noise.below(place, "street", 400)
    unknown = noise.below(place, "region unknown", 40)
    credit = noise.below(place, "credit", 5000) * 100_000_000 + noise.below(place, "won", 100)
    has_credit = ~noise.one_in(place, "no credit", 7)
    terms = text("terms", _TERMS)
    joined = [
        _joined(scale, int(i), int(d))
        for i, d in zip(index, noise.below(place, "joined", 5400), strict=True)
    ]
    undated = noise.one_in(place, "undated", 150)
    moment = noise.below(place, "moment", 36_000_000) * 1000 + noise.below(place, "µs", 1000)
    changed = np.array([(day - date(1970, 1, 1)).days for day in joined], np.int64)

    return columns.batch(
        {
            "MANDT": columns.strings(["100"] * len(index)),
            "KUNNR": numbers(index),
            "NAME1": columns.strings(names),
            "J_1KFREPRE": columns.strings(chiefs),
            "STCD2": columns.strings([_registration(int(n)) for n in number]),
            "TELF1": columns.strings(
                [
                    # Exchanges that begin with 0 are nobody's.
                    None if n % 15 == 0 else f"{region.phone}-0{n % 900 + 100}-{n:04d}"
                    for region, n in zip(regions, phone, strict=True)
                ]
            ),
            "LAND1": columns.strings(["KR"] * len(index)),
            "REGIO": columns.strings(
                [
                    (None, "")[u] if u < 2 else region.code
                    for region, u in zip(regions, unknown, strict=True)
                ]
            ),
            "ORT01": columns.strings(
                [
                    region.cities[c % len(region.cities)]
                    for region, c in zip(regions, city, strict=True)
                ]
            ),
            "STRAS": columns.strings(
                [
                    ""
                    if s < 10
                    else f"{region.cities[c % len(region.cities)][:-1]}로 {s}, {s % 7 + 1}층"
                    for region, c, s in zip(regions, city, street, strict=True)
                ]
            ),
            "PSTLZ": columns.digits(noise.below(place, "post code", 63_000) + 1000, 5),
            "KDGRP": columns.strings(segments),
            "VKBUR": columns.strings([region.office for region in regions]),
            "ZTERM": columns.strings(terms),
            "KLIMK": columns.decimal(credit, 18, 2, has_credit),
            "ERDAT": columns.strings(
                [
                    "00000000" if u else day.strftime("%Y%m%d")
                    for day, u in zip(joined, undated, strict=True)
                ]
            ),
            "LOEVM": columns.strings(
                ["X" if closed else "" for closed in noise.one_in(place, "closed", 50)]
            ),
            "AEDTM": columns.timestamp((changed * 86_400 + 32_400) * 1_000_000 + moment),
        }
    )


def _joined(scale: float, index: int, draw: int) -> date:
    """The day somebody became a customer: the first on which `count` includes them."""
    later = index - _old(scale)
    if later < 0:
        return date(2001, 3, 2) + timedelta(days=draw)
    day = JOINING_FROM + timedelta(days=int((later + 1) / _joining(scale)))
    while count(scale, day) <= index:
        day += timedelta(days=1)
    return day


def _registration(number: int) -> str:
    """A business registration number with a wrong check digit, so that it is nobody's."""
    head = f"{number:09d}"
    total = sum(int(d) * f for d, f in zip(head, (1, 3, 7, 1, 3, 7, 1, 3, 5), strict=True))
    total += int(head[8]) * 5 // 10
    wrong = (10 - total % 10 + 1) % 10
    return f"{head[:3]}-{head[3:5]}-{head[5:]}{wrong}"
