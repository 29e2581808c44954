"""The BW's table of invoiced lines (`/BIC/AZSD_O0100`) as generated, day by day.

Here: the rows of a span of days; each row is a function of (seed, day, scale, its number on the
day), so a day is the same whenever and with whatever neighbours it is generated. Not here: the one
dirty day, which depends on the end of the data (`generate.py`).

A few rows in a month are wrong as they are in a real system, for checks to find: a negative
quantity without a return document, a currency nobody knows, an amount typed in the wrong unit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from lake_assets.sample import columns, customers, noise, season, words
from lake_assets.sample.noise import Ints

TYPES = {
    "DOC_NUMBER": "VARCHAR(10)",
    "S_ORD_ITEM": "INTEGER",
    "CALDAY": "CHAR(8)",
    "DOC_TYPE": "VARCHAR(4)",
    "SOLD_TO": "VARCHAR(10)",
    "MATERIAL": "VARCHAR(18)",
    "/BIC/ZMATTXT": "VARCHAR(60)",
    "MATL_GROUP": "VARCHAR(9)",
    "PLANT": "VARCHAR(4)",
    "QUANTITY": "DECIMAL(15,3)",
    "BASE_UOM": "VARCHAR(3)",
    "/BIC/ZUNITPR": "DECIMAL(18,4)",
    "AMOUNT": "DECIMAL(18,2)",
    "/BIC/ZDISC": "DECIMAL(18,2)",
    "DOC_CURRCY": "VARCHAR(5)",
    "EXCHG_RATE": "DECIMAL(9,5)",
    "/BIC/ZSALESP": "BIGINT",
    "/BIC/ZREMARK": "VARCHAR(255)",
    "REQTSN": "DECIMAL(23,0)",
    "CHANGED_AT": "TIMESTAMP",
}

#: A mean working-and-other day of 2024. With growth and gifts, 2025 and 2026 have 1,500 a day.
LINES = 1300
#: Rows generated at a time, unless one day has more.
CHUNK = 200_000

_DOCUMENTS_FROM = date(2015, 1, 1)
_TYPES = ("OR", "ZE", "RE")
_CURRENCIES = ("KRW", "USD", "EUR", "JPY", "krw", "KRX")
_RATES = (1.0, 1385.0, 1500.0, 9.25)
_ONE_TIME_CUSTOMER = 999_999 - 100_000
_VARIANTS = 6
_QUANTITIES = noise.lognormal(0.8)
_MICROSECONDS = 1_000_000

_PRODUCTS = [(group, text, price) for group in words.GROUPS for text, price in group.products]
_FIRST_PRODUCT = np.cumsum([0, *(len(group.products) for group in words.GROUPS)])[:-1]
_PRODUCT_COUNT = np.array([len(group.products) for group in words.GROUPS], np.int64)
_PRICES = np.array([price for _, _, price in _PRODUCTS], np.int64)
_USUAL = np.array([group.quantity for group in words.GROUPS], np.int64)
_BY_WEIGHT = np.array([group.unit == "KG" for group in words.GROUPS])


def lines(seed: int, scale: float, day: date) -> int:
    """How many rows a day has."""
    place = noise.places(seed, np.array([day.toordinal()]), np.array([0]))
    luck = 0.94 + 0.12 * int(noise.below(place, "volume", 1000)[0]) / 1000
    return max(1, round(LINES * scale * season.volume(day) * luck))


def batches(seed: int, scale: float, first: date, last: date) -> Iterator[pa.RecordBatch]:
    """The rows of the days from `first` to `last`, in the order of day, document and item."""
    days: list[date] = []
    counts: list[int] = []
    for offset in range((last - first).days + 1):
        day = first + timedelta(days=offset)
        count = lines(seed, scale, day)
        if days and sum(counts) + count > CHUNK:
            yield _rows(seed, scale, days, counts)
            days, counts = [], []
        days.append(day)
        counts.append(count)
    if days:
        yield _rows(seed, scale, days, counts)


def _rows(seed: int, scale: float, days: Sequence[date], counts: Sequence[int]) -> pa.RecordBatch:
    total = sum(counts)
    ordinals = np.array([day.toordinal() for day in days], np.int64)
    starts = np.cumsum([0, *counts])[:-1]
    day = np.repeat(np.arange(len(days)), counts)
    line = np.arange(total) - starts[day]
    row = noise.places(seed, ordinals[day], line)

    # A document's number on its day is that of its first line, counted in documents.
    opens = noise.one_in(row, "document", 3) | (line == 0)
    document = np.cumsum(opens) - 1
    opening = np.flatnonzero(opens)
    item = np.arange(total) - opening[document]
    on_day = document - document[starts][day]
    head = noise.places(seed + 1, ordinals[day[opening]], on_day[opening])
    number = ordinals[day] - _DOCUMENTS_FROM.toordinal()
    number = number * 1_000_000 + on_day

    kind = noise.choose(head, "type", (92, 5, 3))
    known = np.array([customers.count(scale, one) for one in days], np.int64)
    bounds = np.cumsum(customers.buying(seed, int(known.max())))
    wanted = noise.below(head, "customer", 1 << 31)
    top = bounds[known - 1][day[opening]]
    customer = np.searchsorted(bounds, _scaled(wanted, top), side="right")
    customer = np.where(noise.one_in(head, "one-time", 300), _ONE_TIME_CUSTOMER, customer)
    foreign = 1 + noise.choose(head, "currency", (6, 2, 2))
    currency = np.where(kind == 1, foreign, 0)[document]
    rep_place = noise.places(seed + 2, np.zeros_like(customer), customer)
    rep = 20_100_000_00 + noise.below(rep_place, "salesperson", 60) * 1_017
    no_rep = noise.one_in(rep_place, "no salesperson", 12)

    weights = np.array([season.group_weights(one) for one in days], np.int64)
    ceilings = np.cumsum(weights, axis=1)
    share = noise.below(row, "group", ceilings[:, -1][day])
    group = (share[:, None] >= ceilings[day]).sum(axis=1)
    # The first products of a group sell best: the smaller of two draws.
    in_group = np.minimum(
        noise.below(row, "product", _PRODUCT_COUNT[group]),
        noise.below(row, "product again", _PRODUCT_COUNT[group]),
    )
    product = _FIRST_PRODUCT[group] + in_group
    variant = noise.below(row, "variant", _VARIANTS)

    # Whole numbers throughout: quantities in thousandths, prices in ten-thousandths, money in
    # hundredths. Goods by weight have fractions of a kilogram.
    factor = _QUANTITIES[noise.below(row, "quantity", 1024)]
    quantity = np.maximum(1000, _USUAL[group] * factor)
    quantity = np.where(
        _BY_WEIGHT[group], quantity + factor % 1000, (quantity + 500) // 1000 * 1000
    )
    returned = (kind == 2)[document]
    quantity = np.where(returned, -np.maximum(1000, quantity // 5000 * 1000), quantity)
    quantity = np.where(noise.one_in(row, "sign lost", 12_000), -np.abs(quantity), quantity)

    rates = np.array([[_rate(seed, one, c) for c in range(len(_RATES))] for one in days], np.int64)
    rate = rates[day, currency]
    won = _PRICES[product] * (100 + 4 * variant) // 100
    won = won * (97 + noise.below(row, "price", 7)) // 100
    price = np.where(currency == 0, won * 10_000, won * 1_000_000_000 // rate)
    amount = _rounded(price * quantity, 100_000)
    # Typed in won where millions belong, then multiplied: up to 16 digits before the point.
    wrong_unit = noise.one_in(row, "wrong unit", 20_000) & (currency == 0)
    wrong = (1 << 53) + noise.below(row, "wrong amount", 1 << 31) * 400_000_019
    amount = np.where(wrong_unit, wrong, amount)
    percent = noise.choose(row, "discount", (25, 10, 10, 12, 5, 3))
    discount = _rounded(amount * (percent * 2), 100)
    has_discount = ~noise.one_in(row, "no discount", 3) & ~wrong_unit

    # Some lines are corrected, and so come with a later load, one to five days on.
    late = np.where(noise.one_in(row, "late", 60), 1 + noise.below(row, "days late", 5), 0)
    clock = (6 * 3600 + noise.below(row, "second", 14 * 3600)) * _MICROSECONDS
    clock += noise.below(row, "microsecond", _MICROSECONDS)
    since_1970 = ordinals[day] - date(1970, 1, 1).toordinal() + late
    shown = np.where(noise.one_in(row, "lower case", 20_000) & (currency == 0), 4, currency)
    shown = np.where(noise.one_in(row, "unknown currency", 20_000), 5, shown)

    names = columns.strings(
        [f"{text} {v + 1}호" if v else text for _, text, _ in _PRODUCTS for v in range(_VARIANTS)]
    )
    units = columns.strings([group.unit for group in words.GROUPS])
    codes = columns.strings([group.code for group in words.GROUPS])
    requests = columns.long_decimals(
        [_request(seed, one, late) for one in days for late in range(6)], 23
    )
    return columns.batch(
        {
            "DOC_NUMBER": columns.digits(number, 10),
            "S_ORD_ITEM": columns.int32((item + 1) * 10),
            "CALDAY": columns.pick(columns.strings([one.strftime("%Y%m%d") for one in days]), day),
            "DOC_TYPE": columns.pick(columns.strings(_TYPES), kind[document]),
            "SOLD_TO": customers.numbers(customer[document]),
            "MATERIAL": columns.digits(7_000_000 + product * 100 + variant, 18),
            "/BIC/ZMATTXT": columns.pick(names, product * _VARIANTS + variant),
            "MATL_GROUP": columns.pick(codes, group),
            "PLANT": columns.pick(
                columns.strings(words.PLANTS), noise.choose(head, "plant", (5, 3, 2, 1))[document]
            ),
            "QUANTITY": columns.decimal(quantity, 15, 3),
            "BASE_UOM": columns.pick(units, group),
            "/BIC/ZUNITPR": columns.decimal(price, 18, 4),
            "AMOUNT": columns.decimal(amount, 18, 2),
            "/BIC/ZDISC": columns.decimal(discount, 18, 2, has_discount),
            "DOC_CURRCY": columns.pick(columns.strings(_CURRENCIES), shown),
            "EXCHG_RATE": columns.decimal(rate, 9, 5),
            "/BIC/ZSALESP": columns.int64(rep[document], ~no_rep[document]),
            "/BIC/ZREMARK": _remarks(row, returned, late),
            "REQTSN": columns.pick(requests, day * 6 + late),
            "CHANGED_AT": columns.timestamp(since_1970 * 86_400 * _MICROSECONDS + clock),
        }
    )


def _scaled(draw: Ints, limit: Ints) -> Ints:
    """A draw below 2**31 as one below `limit`, which may have up to 62 bits."""
    high, low = limit >> 31, limit & ((1 << 31) - 1)
    scaled: Ints = draw * high + ((draw * low) >> 31)
    return scaled


def _rounded(value: Ints, divisor: int) -> Ints:
    """Divided, half away from zero, as an invoice is rounded."""
    rounded: Ints = np.sign(value) * ((np.abs(value) + divisor // 2) // divisor)
    return rounded


def _rate(seed: int, day: date, currency: int) -> int:
    """Won for one unit of a currency on a day, in hundred-thousandths, moving in slow waves."""
    if currency == 0:
        return 100_000
    place = noise.places(seed + 3, np.array([day.toordinal()]), np.array([currency]))
    wave = math.sin(day.toordinal() / (55 + 9 * currency))
    jitter = int(noise.below(place, "rate", 1000)[0]) / 1000 - 0.5
    return round(_RATES[currency] * (1 + 0.035 * wave + 0.006 * jitter) * 100) * 1000


def _request(seed: int, day: date, late: int) -> int:
    """BW's number of the load that brought a row, REQTSN: a moment with nanoseconds, 23 digits."""
    place = noise.places(seed + 4, np.array([day.toordinal()]), np.array([late]))
    second = int(noise.below(place, "load", 1800)[0])
    fraction = int(noise.below(place, "fraction", 10**9)[0])
    loaded = day + timedelta(days=1 + late)
    return int(f"{loaded:%Y%m%d}03{second // 60:02d}{second % 60:02d}{fraction:09d}")


def _remarks(row: noise.Bits, returned: noise.Bools, late: Ints) -> pa.Array:
    """Nothing (NULL), an empty text, or words that fit the line."""
    pool: list[str | None] = [None, ""]
    index = np.array([0, 0, 0, 1, 1], np.int64)[noise.below(row, "remark", 5)]
    cases = (
        (words.REMARKS, noise.one_in(row, "has remark", 9)),
        (words.REMARKS_RETURN, returned),
        (words.REMARKS_CORRECTED, late > 0),
    )
    for texts, where in cases:
        index = np.where(where, len(pool) + noise.below(row, "which remark", len(texts)), index)
        pool.extend(texts)
    return columns.pick(columns.strings(pool), index)
