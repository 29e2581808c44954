"""The ERP's receivables as generated: invoices and credit notes (ZFIT0010), payments (ZFIT0020).

Here: who is invoiced how much, when it is due, and how each customer pays, day by day; a row is a
function of (seed, day, scale, its invoice's number on the day), so the rows of a span are the same
whenever and in whatever pieces it is generated. Not here: who the customers are (`customers.py`).

Both tables only grow: what happened later is a row of a later day, so the balance of any day is a
sum over the rows until then. How late a customer pays follows from segment, region and terms, from
a habit of its own, from the month, and from spells of trouble; what it does with one invoice is
luck. Some pay in parts, some twice, some without naming the invoice, some never.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from lake_assets.sample import columns, customers, noise, season, words
from lake_assets.sample.noise import Bits, Bools, Ints

INVOICE_TYPES = {
    "BUKRS": "VARCHAR(4)",
    "BELNR": "VARCHAR(10)",
    "BUZEI": "INTEGER",
    "KUNNR": "VARCHAR(10)",
    "BLART": "VARCHAR(2)",
    "BUDAT": "CHAR(8)",
    "ZTERM": "VARCHAR(4)",
    "NETDT": "CHAR(8)",
    "REBZG": "VARCHAR(10)",
    "REBZZ": "INTEGER",
    "DMBTR": "DECIMAL(18,2)",
    "WAERS": "VARCHAR(5)",
    "SGTXT": "VARCHAR(50)",
    "AEDTM": "TIMESTAMP",
}
PAYMENT_TYPES = {
    "BUKRS": "VARCHAR(4)",
    "BELNR": "VARCHAR(10)",
    "BUZEI": "INTEGER",
    "KUNNR": "VARCHAR(10)",
    "BUDAT": "CHAR(8)",
    "REBZG": "VARCHAR(10)",
    "REBZZ": "INTEGER",
    "DMBTR": "DECIMAL(18,2)",
    "WAERS": "VARCHAR(5)",
    "ZLSCH": "VARCHAR(1)",
    "SGTXT": "VARCHAR(50)",
    "AEDTM": "TIMESTAMP",
}

#: The ledger was opened on this day, without balances of before: nothing is posted earlier.
OPENED = date(2024, 11, 1)
#: Invoices on a mean day of 2024: some 4,500 a month with growth.
INVOICES = 125
#: Invoices generated at a time, besides those of before whose payments fall into the span.
CHUNK = 200_000
#: A number is its kind and a running number, with room for so many a day until 2033.
_PER_DAY = 300_000
_INVOICE, _PAYMENT, _CREDIT_NOTE = 1_000_000_000, 2_000_000_000, 3_000_000_000

_AMOUNTS = noise.lognormal(0.9)
#: A mean supply value in hundreds of won, and how much more or less a segment buys at a time.
_USUAL = 60_000
_SIZE = np.array([round(10 * size**0.5) for *_, size in words.SEGMENTS], np.int64)

# How late: thousandths of a day after the due date, to be added up.
_BY_SEGMENT = np.array([-3, -8, -4, 0, -11], np.int64) * 1000
_BY_REGION = np.array([0, 1, 2, 0, 3, 1, 2, 0, 4, 2, 1, 3, 4, 1, 1, 5, 0], np.int64) * 1000
#: January to December; closing the books, 설날 and 추석 keep the money in the house.
_BY_MONTH = np.array([1, 3, 0, 0, 1, 1, 0, 1, 4, 0, 0, 8], np.int64) * 1000
#: Who has to pay at once does not on the same day; who has two months is not in a hurry either.
_AT_ONCE, _LONG_TERMS = 9000, 2000
_HABIT, _MOOD, _LUCK = noise.normal(8), noise.normal(4), noise.normal(4)
#: One in so many is late by habit, by so much.
_LATE_ONE_IN, _LATE_BY = 8, 17_000
#: A spell of trouble begins in one of so many months and lasts at most so many.
_TROUBLE_ONE_IN, _TROUBLE_MONTHS = 40, 8
_MOST_LATE = 180

#: What becomes of one invoice, in thousandths.
_STORIES = (814, 110, 36, 12, 4, 10, 4, 10)
_ONCE, _TWICE, _THRICE, _SHORT, _AGAIN, _ON_ACCOUNT, _BOUNCED, _DISPUTED = range(len(_STORIES))

#: Days from an invoice to its last credit note, and to its last payment: terms, the second
#: instalment, as late as can be, two more parts, the wait for the day on which a customer pays (a
#: month and holidays), and what is refunded or put right afterwards.
_CREDIT_REACH = 45
_PAYMENT_REACH = 60 + 30 + _MOST_LATE + 60 + 45 + 60


class Items(NamedTuple):
    """Items of invoices; days are ordinals, money is in won."""

    place: Bits
    document: Ints
    item: Ints
    customer: Ints
    terms: Ints
    posted: Ints
    due: Ints
    amount: Ints


class Credits(NamedTuple):
    """The credit note of each item; `amount` is 0 where there is none."""

    posted: Ints
    amount: Ints
    referred: Bools


class Payments(NamedTuple):
    """Rows of payments, each of the item `at`; `named` says whether it names it."""

    at: Ints
    posted: Ints
    amount: Ints
    named: Bools
    text: Ints


def invoices(seed: int, day: date, scale: float) -> int:
    """How many invoices are posted on a day."""
    place = noise.places(seed + 10, np.array([day.toordinal()]), np.array([0]))
    luck = 0.9 + 0.2 * int(noise.below(place, "volume", 1000)[0]) / 1000
    return round(INVOICES * scale * season.volume(day) * luck)


def invoice_batches(
    seed: int, scale: float, opened: date, first: date, last: date
) -> Iterator[pa.RecordBatch]:
    """Invoices and credit notes posted from `first` to `last`, in the order of days.

    `opened` is the ledger's first day.
    """
    for start, end in _chunks(seed, scale, first, last):
        items = _items(seed, scale, _back(opened, start, _CREDIT_REACH), end)
        if len(items.item):
            yield _invoice_rows(seed, items, _credits(items), start, end)


def payment_batches(
    seed: int, scale: float, opened: date, first: date, last: date
) -> Iterator[pa.RecordBatch]:
    """Payments posted from `first` to `last`, in the order of days."""
    for start, end in _chunks(seed, scale, first, last):
        items = _items(seed, scale, _back(opened, start, _PAYMENT_REACH), end)
        if len(items.item):
            made = _payments(seed, items, _credits(items))
            yield _payment_rows(seed, items, made, start, end)


def _back(opened: date, start: date, reach: int) -> date:
    return max(opened, start - timedelta(days=reach))


def _chunks(seed: int, scale: float, first: date, last: date) -> Iterator[tuple[date, date]]:
    start, found = first, 0
    for offset in range((last - first).days + 1):
        day = first + timedelta(days=offset)
        count = invoices(seed, day, scale)
        if found and found + count > CHUNK:
            yield start, day - timedelta(days=1)
            start, found = day, 0
        found += count
    if start <= last:
        yield start, last


def _items(seed: int, scale: float, first: date, last: date) -> Items:
    """The items of the invoices posted from `first` to `last`."""
    days = [first + timedelta(days=offset) for offset in range((last - first).days + 1)]
    counts = [invoices(seed, day, scale) for day in days]
    ordinals = np.array([day.toordinal() for day in days], np.int64)
    day = np.repeat(np.arange(len(days)), counts)
    on_day = np.arange(sum(counts)) - np.cumsum([0, *counts])[:-1][day]
    head = noise.places(seed + 11, ordinals[day], on_day)

    known = np.array([customers.count(scale, one) for one in days], np.int64)
    # Ten times the goods are not ten times the invoices.
    often = np.sqrt(customers.buying(seed, int(known.max()))).astype(np.int64)
    bounds = np.cumsum(often)
    wanted = noise.below(head, "customer", bounds[known - 1][day])
    customer = np.searchsorted(bounds, wanted, side="right")
    traits = customers.traits(seed, int(known.max()))
    terms = traits.terms[customer]
    supply = _USUAL * _SIZE[traits.segment[customer]] // 100
    supply = supply * _AMOUNTS[noise.below(head, "amount", 1024)] // 1000
    total = supply * 100 * 11 // 10

    # A few are to be paid in two instalments, the second a month after the first.
    instalments = 1 + noise.one_in(head, "instalments", 40).astype(np.int64)
    index = np.repeat(np.arange(len(head)), instalments)
    item = 1 + np.arange(len(index)) - (np.cumsum(instalments) - instalments)[index]
    half = total[index] // 2
    amount = np.where(instalments[index] == 1, total[index], half)
    amount = np.where(item == 2, total[index] - half, amount)
    running = (ordinals - OPENED.toordinal())[day] * _PER_DAY + on_day
    return Items(
        place=noise.places(seed + 12, ordinals[day[index]], on_day[index] * 2 + item),
        document=_INVOICE + running[index],
        item=item,
        customer=customer[index],
        terms=terms[index],
        posted=ordinals[day[index]],
        due=ordinals[day[index]] + terms[index] + 30 * (item - 1),
        amount=amount,
    )


def _credits(items: Items) -> Credits:
    """Some items are credited in part or, seldom, whole; a few credit notes name no invoice."""
    place = items.place
    percent = np.where(noise.one_in(place, "whole", 6), 100, 5 + noise.below(place, "percent", 36))
    credited = noise.one_in(place, "credited", 18) & (items.item == 1)
    return Credits(
        posted=items.posted + 3 + noise.below(place, "credited after", _CREDIT_REACH - 3),
        amount=np.where(credited, items.amount * percent // 100, 0),
        referred=credited & ~noise.one_in(place, "without reference", 6),
    )


def _payments(seed: int, items: Items, credited: Credits) -> Payments:
    """All payments of the items, each row with the day on which it is posted."""
    place = items.place
    late, troubled = _lateness(seed, items)
    meant = np.maximum(items.due + late, items.posted + 1)
    payday = _paydays(seed, items)
    paid = payday(meant)
    # A credit note that is there by then is deducted.
    deducted = credited.referred & (credited.posted <= paid)
    amount = items.amount - np.where(deducted, credited.amount, 0)

    story = noise.choose(place, "story", _STORIES)
    # Who is in trouble pays in parts rather than not at all.
    hard_up = troubled & (story == _ONCE) & noise.one_in(place, "hard up", 2)
    story = np.where(hard_up, _TWICE, story)
    parts = (story == _TWICE) | (story == _THRICE)
    begin = np.where(parts, amount * (30 + noise.below(place, "begin", 41)) // 100, amount)
    fee = 500 * (1 + noise.below(place, "fee", 2))
    begin -= np.where((story == _SHORT) & (amount > 0), fee, 0)
    rest = amount - begin
    middle = np.where(story == _THRICE, rest // 2, 0)
    after = 10 + noise.below(place, "second part", 20)
    second = payday(meant + after)
    third = payday(meant + after + 10 + noise.below(place, "third part", 20))
    soon = 3 + noise.below(place, "soon", 12)
    later = 20 + noise.below(place, "later", 40)
    put_right = ~noise.one_in(place, "left as it is", 4)

    # A credit note that was not deducted is paid out, unless nothing was paid.
    named = credited.referred
    refunded = (credited.amount > 0) & ~deducted & put_right & ~(named & (story == _DISPUTED))

    def is_(*stories: int) -> Bools:
        return np.isin(story, stories)

    # (which items, day, amount, whether the invoice is named, text)
    cases: list[tuple[Bools, Ints, Ints, bool, str]] = [
        (is_(_ONCE, _AGAIN, _BOUNCED), paid, amount, True, words.PAYMENT_TEXT),
        (is_(_SHORT), paid, begin, True, words.SHORT_TEXT),
        (parts, paid, begin, True, words.PARTIAL_TEXT),
        (is_(_THRICE), second, middle, True, words.PARTIAL_TEXT),
        (is_(_TWICE), second, rest, True, words.PAYMENT_TEXT),
        (is_(_THRICE), third, rest - middle, True, words.PAYMENT_TEXT),
        (is_(_AGAIN), paid + soon, amount, True, words.TWICE_TEXT),
        (is_(_AGAIN) & put_right, paid + later, -amount, True, words.REFUND_TEXT),
        (is_(_ON_ACCOUNT), paid, amount, False, words.ON_ACCOUNT_TEXT),
        (is_(_ON_ACCOUNT) & put_right, paid + later, -amount, False, words.CLEARING_TEXT),
        (is_(_ON_ACCOUNT) & put_right, paid + later, amount, True, words.CLEARING_TEXT),
        (is_(_BOUNCED), paid + soon, -amount, True, words.BOUNCED_TEXT),
        (is_(_BOUNCED) & put_right, paid + later, amount, True, words.PAYMENT_TEXT),
        (refunded & named, credited.posted + later, -credited.amount, True, words.REFUND_TEXT),
        (refunded & ~named, credited.posted + later, -credited.amount, False, words.REFUND_TEXT),
    ]
    rows = [
        (np.flatnonzero(where & (value != 0)), day, value, names, text)
        for where, day, value, names, text in cases
    ]
    return Payments(
        at=np.concatenate([at for at, *_ in rows]),
        posted=np.concatenate([day[at] for at, day, *_ in rows]),
        amount=np.concatenate([value[at] for at, _, value, *_ in rows]),
        named=np.concatenate([np.full(len(at), names) for at, _, _, names, _ in rows]),
        text=np.concatenate([np.full(len(at), _TEXTS.index(text)) for at, *_, text in rows]),
    )


_TEXTS = (
    *(words.PAYMENT_TEXT, words.PARTIAL_TEXT, words.SHORT_TEXT, words.TWICE_TEXT),
    *(words.REFUND_TEXT, words.ON_ACCOUNT_TEXT, words.CLEARING_TEXT, words.BOUNCED_TEXT),
)


def _lateness(seed: int, items: Items) -> tuple[Ints, Bools]:
    """Days after the due date on which an item would be paid (before it, if negative), and whether
    its customer is in trouble in the month in which it is due."""
    number = int(items.customer.max()) + 1
    everybody = np.arange(number)
    traits = customers.traits(seed, number)
    own = noise.places(seed + 13, np.zeros(number, np.int64), everybody)
    usual = (
        _BY_SEGMENT[traits.segment]
        + _BY_REGION[traits.region]
        + np.where(traits.terms == 0, _AT_ONCE, np.where(traits.terms > 30, _LONG_TERMS, 0))
        + _HABIT[noise.below(own, "habit", 1024)]
        + np.where(noise.one_in(own, "late by habit", _LATE_ONE_IN), _LATE_BY, 0)
    )

    due_days, day = np.unique(items.due, return_inverse=True)
    dates = [date.fromordinal(int(one)) for one in due_days]
    due_month = np.array([one.year * 12 + one.month - 1 for one in dates], np.int64)[day]
    first = int(due_month.min()) - _TROUBLE_MONTHS
    months = np.arange(first, int(due_month.max()) + 1)
    # A customer a row, a month a column.
    of_month = noise.places(
        seed + 14, np.tile(months, (number, 1)), np.tile(everybody[:, None], len(months))
    )
    size = 15_000 + noise.below(of_month, "trouble", 40_000)
    begins = np.where(noise.one_in(of_month, "begins", _TROUBLE_ONE_IN), size, 0)
    lasts = 2 + noise.below(of_month, "lasts", _TROUBLE_MONTHS - 1)
    trouble = np.zeros_like(begins)
    for ago in range(_TROUBLE_MONTHS):
        begun = np.where(lasts > ago, begins, 0)[:, : len(months) - ago]
        # Half as bad in its first month: one sees it coming.
        felt = begun // 2 if ago == 0 else begun
        trouble[:, ago:] = np.maximum(trouble[:, ago:], felt)
    expected = usual[:, None] + trouble + _MOOD[noise.below(of_month, "mood", 1024)]
    at = items.customer, due_month - first
    luck = _LUCK[noise.below(items.place, "luck", 1024)]
    late = (expected[at] + _BY_MONTH[due_month % 12] + luck) // 1000
    return np.minimum(late, _MOST_LATE), trouble[at] > 0


def _paydays(seed: int, items: Items) -> Callable[[Ints], Ints]:
    """A function that gives, for a day of each item, the first on or after it on which its customer
    pays: any working day, one for the 10th or 25th, or the last of a month."""
    first = int(items.posted.min())
    until = int(items.due.max()) + _MOST_LATE + 60 + 45
    days = [date.fromordinal(one) for one in range(first, until + 1)]
    at = np.arange(len(days))

    def following(chosen: Bools) -> Ints:
        found = np.where(chosen, at, len(days))
        return np.minimum.accumulate(found[::-1])[::-1]

    working = np.array([day.weekday() < 5 and not season.is_holiday(day) for day in days])
    next_working = following(working).clip(max=len(days) - 1)
    fixed = np.zeros(len(days), np.bool_)
    fixed[next_working[[day.day in (10, 25) for day in days]]] = True
    # The last working day of a month: the next one is in another month.
    month = np.array([day.month for day in days])
    closing = working & (month[next_working[np.minimum(at + 1, len(days) - 1)]] != month)
    paydays = np.stack([next_working, following(fixed), following(closing)])
    own = noise.places(seed + 15, np.zeros_like(items.customer), items.customer)
    kind = noise.choose(own, "payday", (5, 2, 3))
    return lambda day: first + paydays[kind, day - first]


def _invoice_rows(
    seed: int, items: Items, credited: Credits, first: date, last: date
) -> pa.RecordBatch:
    start, end = first.toordinal(), last.toordinal()
    own = np.flatnonzero((items.posted >= start) & (items.posted <= end))
    notes = np.flatnonzero(
        (credited.amount > 0) & (credited.posted >= start) & (credited.posted <= end)
    )
    index = np.concatenate([own, notes])
    is_note = np.arange(len(index)) >= len(own)
    posted = np.where(is_note, credited.posted[index], items.posted[index])
    order = np.argsort(posted, kind="stable")
    index, is_note, posted = index[order], is_note[order], posted[order]

    referred = is_note & credited.referred[index]
    due = np.where(is_note & ~referred, posted, items.due[index])
    amount = np.where(is_note, -credited.amount[index], items.amount[index])
    document = np.where(is_note, _CREDIT_NOTE - _INVOICE, 0) + items.document[index]
    place = noise.places(seed + 16, document, items.item[index])
    texts = (*words.INVOICE_TEXTS, *words.CREDIT_TEXTS)
    plain, note = (
        noise.below(place, "text", len(pool)) for pool in (words.INVOICE_TEXTS, words.CREDIT_TEXTS)
    )
    return columns.batch(
        {
            **_head(document, np.where(is_note, 1, items.item[index]), items.customer[index]),
            "BLART": columns.pick(columns.strings(["DR", "DG"]), is_note.astype(np.int64)),
            "BUDAT": _yyyymmdd(posted),
            "ZTERM": columns.pick(
                columns.strings(["NT00", "NT30", "NT60"]), items.terms[index] // 30
            ),
            # SAP has '00000000' for no date: the terms say when it is due.
            "NETDT": _yyyymmdd(np.where(noise.one_in(place, "undated", 300), 0, due)),
            **_reference(items, index, referred),
            "DMBTR": columns.decimal(amount * 100, 18, 2),
            "WAERS": _constant("KRW", len(index)),
            "SGTXT": columns.pick(
                columns.strings(texts), np.where(is_note, len(words.INVOICE_TEXTS) + note, plain)
            ),
            "AEDTM": _changed(place, posted),
        }
    )


def _payment_rows(
    seed: int, items: Items, made: Payments, first: date, last: date
) -> pa.RecordBatch:
    chosen = np.flatnonzero((made.posted >= first.toordinal()) & (made.posted <= last.toordinal()))
    # What a customer pays on a day is one document; its items are in the order of the invoices.
    index = made.at[chosen]
    order = np.lexsort(
        (
            made.amount[chosen],
            ~made.named[chosen],
            index,
            items.customer[index],
            made.posted[chosen],
        )
    )
    chosen, index = chosen[order], index[order]
    posted, customer = made.posted[chosen], items.customer[index]
    running = (posted - OPENED.toordinal()) * _PER_DAY + customer
    opens = np.append(True, running[1:] != running[:-1])[: len(running)]
    opening = np.flatnonzero(opens)
    item = 1 + np.arange(len(running)) - opening[np.cumsum(opens) - 1]
    place = noise.places(seed + 17, running, item)
    document = noise.places(seed + 18, np.zeros_like(running), running)
    return columns.batch(
        {
            **_head(_PAYMENT + running, item, customer),
            "BUDAT": _yyyymmdd(posted),
            **_reference(items, index, made.named[chosen]),
            "DMBTR": columns.decimal(made.amount[chosen] * 100, 18, 2),
            "WAERS": _constant("KRW", len(index)),
            "ZLSCH": columns.pick(
                columns.strings(["T", "B", "C"]), noise.choose(document, "method", (80, 12, 8))
            ),
            "SGTXT": columns.pick(columns.strings(_TEXTS), made.text[chosen]),
            "AEDTM": _changed(place, posted),
        }
    )


def _head(document: Ints, item: Ints, customer: Ints) -> dict[str, pa.Array]:
    return {
        "BUKRS": _constant("1000", len(document)),
        "BELNR": columns.digits(document, 10),
        "BUZEI": columns.int32(item),
        "KUNNR": customers.numbers(customer),
    }


def _reference(items: Items, index: Ints, named: Bools) -> dict[str, pa.Array]:
    """The invoice item that a row belongs to; an empty number and 0 where it names none."""
    numbers = pa.concat_arrays([columns.strings([""]), columns.digits(items.document[index], 10)])
    return {
        "REBZG": columns.pick(numbers, np.where(named, 1 + np.arange(len(index)), 0)),
        "REBZZ": columns.int32(np.where(named, items.item[index], 0)),
    }


def _constant(text: str, rows: int) -> pa.Array:
    return columns.pick(columns.strings([text]), np.zeros(rows, np.int64))


def _yyyymmdd(ordinals: Ints) -> pa.Array:
    days, index = np.unique(ordinals, return_inverse=True)
    pool = [f"{date.fromordinal(int(day)):%Y%m%d}" if day else "00000000" for day in days]
    return columns.pick(columns.strings(pool), index)


def _changed(place: Bits, posted: Ints) -> pa.Array:
    """When a row was written: in the evening of its day, by the batch that posts."""
    second = 18 * 3600 + noise.below(place, "second", 4 * 3600)
    since_1970 = posted - date(1970, 1, 1).toordinal()
    microsecond = noise.below(place, "microsecond", 1_000_000)
    return columns.timestamp((since_1970 * 86_400 + second) * 1_000_000 + microsecond)
