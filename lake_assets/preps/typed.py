"""A value from a parameter as one of a column's type: to compare with it exactly, or to put in it.

Here: numbers, days, times, truth values and texts as people and pipeline files write them, and
what is refused. Not here: what is compared (`conditions.py`) or filled in (`xforms/null.py`).
"""

from __future__ import annotations

import datetime
import math
import struct
from dataclasses import dataclass
from decimal import Context, Decimal, InvalidOperation
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import narwhals.stable.v2 as nw

from lake_assets.preps.prep import PrepError
from lake_assets.preps.selectors import is_date, is_nominal, is_number, type_name

#: The zone of wall times that meet instants.
ZONE = "Asia/Seoul"
#: What an infinite number is among exact ones: beyond all that 38 digits hold.
_ENDLESS = 10**80
_DIGITS = Context(prec=80)  # 28 by default, fewer than a decimal of 38 digits has


@dataclass(frozen=True)
class Exact:
    """The numbers of an integer or decimal column: `low` to `high` units of `10 ** -scale`."""

    scale: int
    low: int
    high: int
    decimal: bool

    def literal(self, units: int) -> int | Decimal:
        """That many units, as a value that engines take."""
        return Decimal(units).scaleb(-self.scale, _DIGITS) if self.decimal else units


def exact(dtype: Any) -> Exact | None:
    """How a column counts; None for floats."""
    if isinstance(dtype, nw.Decimal):
        most = 10**dtype.precision - 1
        return Exact(dtype.scale, -most, most, decimal=True)
    if not dtype.is_integer():
        return None
    bits = int(str(dtype).lstrip("UInt"))
    if dtype.is_unsigned_integer():
        return Exact(0, 0, 2**bits - 1, decimal=False)
    return Exact(0, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1, decimal=False)


def units(where: str, counted: Exact, value: Any) -> Fraction:
    """A number in units; a float counts as its shortest text: 99.99 is 9999 hundredths."""
    number = _number(where, value)
    if isinstance(number, float) and math.isinf(number):
        return Fraction(int(math.copysign(_ENDLESS, number)))
    if isinstance(number, Decimal) and number.adjusted() > 80:
        return Fraction(int(math.copysign(_ENDLESS, number)))
    whole = Fraction(str(number)) if isinstance(number, float) else Fraction(number)
    return whole * int(10**counted.scale)


def real(where: str, value: Any, dtype: Any = None) -> float:
    """A number as a float, of a Float32 column as one of those; beyond them it is infinite."""
    try:
        found = float(_number(where, value))
    except OverflowError:
        return math.copysign(math.inf, value)
    return single(found) if isinstance(dtype, nw.Float32) else found


def single(number: float) -> float:
    """The nearest number of 32 bits (0.1 is 0.10000000149…), beyond them the number itself.

    Beside a Float32 column Polars makes one of a literal, and the others compare by 64 bits.
    """
    try:
        return float(struct.unpack("<f", struct.pack("<f", number))[0])
    except OverflowError:
        return number


def _number(where: str, value: Any) -> int | float | Decimal:
    if isinstance(value, str):
        try:
            value = Decimal(value)
        except InvalidOperation:
            raise PrepError(f"{where}: {value!r} is no number. Write one such as 99.5.") from None
        value = float(value) if value.is_infinite() else value
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise PrepError(f"{where}: {value!r} is no number. Write one such as 99.5.")
    if value != value:
        raise PrepError(f"{where}: NaN is missing; ask for it by is_missing or is_not_missing.")
    return value


def moment(where: str, dtype: Any, value: Any) -> Any:
    """A day for a date column; a time for one of wall times or instants.

    A day is its midnight, and a wall time among instants is Seoul's.
    """
    days = isinstance(dtype, nw.Date)
    wanted = "a day such as 2025-07-01" if days else "a time such as 2025-07-01T09:30:00"
    found = value
    if isinstance(value, str):
        try:
            found = _read(value)
        except ValueError:
            raise PrepError(f"{where}: {value!r} is not {wanted}.") from None
    is_time = isinstance(found, datetime.datetime)
    if not isinstance(found, datetime.date) or (days and is_time):
        raise PrepError(f"{where}: {value!r} is not {wanted}.")
    if days:
        return found
    if not is_time:
        found = datetime.datetime.combine(found, datetime.time())
    if dtype.time_zone is None and found.tzinfo is not None:
        raise PrepError(
            f"{where}: {value!r} has a zone, and the column holds wall times. Leave the zone out."
        )
    if dtype.time_zone is None:
        return found
    if found.tzinfo is None:
        found = found.replace(tzinfo=ZoneInfo(ZONE))
    return found.astimezone(ZoneInfo(dtype.time_zone))  # Polars compares instants of one zone


def _read(text: str) -> datetime.date:
    if len(text) == len("2025-07-01"):
        return datetime.date.fromisoformat(text)
    # Python 3.10 reads no Z.
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00").replace("z", "+00:00"))


def truth(where: str, value: Any) -> bool:
    """True or False, or one as RapidMiner shows it."""
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return bool(value == "true")
    raise PrepError(f"{where}: {value!r} is neither true nor false.")


def word(where: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    raise PrepError(f"{where}: {value!r} is no text. Write it in quotes: {str(value)!r}.")


def fitting(where: str, dtype: Any, value: Any) -> Any:
    """The value as one that a column of this type holds without loss."""
    counted = exact(dtype) if is_number(dtype) else None
    if counted is not None:
        amount = units(where, counted, value)
        if amount.denominator != 1 or not counted.low <= amount <= counted.high:
            raise PrepError(f"{where} is {_told(dtype)}, which cannot hold {value!r}.")
        return counted.literal(int(amount))
    if is_number(dtype):
        return real(where, value, dtype)
    if is_date(dtype):
        return moment(where, dtype, value)
    if isinstance(dtype, nw.Boolean):
        return truth(where, value)
    if is_nominal(dtype):
        return word(where, value)
    raise PrepError(f"{where} is {type_name(dtype)}: there is no value for it.")


def _told(dtype: Any) -> str:
    """The type with what it can hold."""
    if isinstance(dtype, nw.Decimal):
        return f"decimal({dtype.precision}, {dtype.scale})"
    return f"{type_name(dtype)} ({str(dtype).lower()})"


def plain(value: Any) -> Any:
    """A value of a column as data that YAML and JSON keep, and `fitting` reads."""
    if isinstance(value, datetime.date):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else value
