"""Cases of texts read as dates and dates written as text, functions 24 and 27, from preps'
specification and Java's SimpleDateFormat, written before the code.

Not here: dates and numbers (`cases_date_numbers.py`), dates from dates (`cases_dates.py`).
"""

from __future__ import annotations

from typing import Any

from tests.preps.cases_dates import INSTANTS
from tests.preps.table import (
    Case,
    Column,
    category,
    day,
    i64,
    instant,
    refused,
    stamp,
    text,
)

# -- 24


def parsed(name: str, format_: str | None, given: Column, expect: Any, **params: Any) -> Case:
    made = {"a": expect} if isinstance(expect, Column) else expect
    asked = {"column": "a", **({"date_format": format_} if format_ else {}), **params}
    return Case("nominal_to_date", name, {"a": given}, asked, made)


def unparsable(value: str, format_: str = "yyyy-MM-dd", **params: Any) -> list[Case]:
    """The value is an error among good ones, and missing with errors="null"."""
    told = refused("nominal_to_date", "'a'", repr(format_), repr(value))
    nothing = {"date": day(None), "time": stamp(None), "date_time": instant(None)}
    made = nothing[params.get("date_type", "date")]
    name = f"{value!r} by {format_}"
    return [
        parsed(name, format_, text(None, value), told, **params),
        parsed(f"{name}, null", format_, text(value), made, errors="null", **params),
    ]


AT = {"date_type": "date_time"}
TIME = {"date_type": "time"}
KOREAN = {"locale": "ko_KR"}

NOMINAL_TO_DATE = [
    parsed("example", "yyyy/MM/dd", text("2025/07/01", None), day("2025-07-01", None)),
    parsed(
        "example with time",
        "dd.MM.yyyy HH:mm",
        text("01.07.2025 09:00"),
        instant("2025-07-01T00:00:00+00:00"),
        **AT,
        time_zone="Asia/Seoul",
    ),
    parsed(
        "default format",
        None,
        text("2025-07-01", "2024-02-29", None),
        day("2025-07-01", "2024-02-29", None),
    ),
    parsed(
        "default format of date_time",
        None,
        text("2025-07-01 09:00:00"),
        instant("2025-07-01T00:00:00+00:00"),
        **AT,
    ),
    parsed("default format of time", None, text("09:30:01"), stamp("1970-01-01T09:30:01"), **TIME),
    parsed(
        "zone",
        "yyyy-MM-dd HH:mm:ss",
        text("2025-07-01 09:00:00", None),
        instant("2025-07-01T13:00:00+00:00", None),
        **AT,
        time_zone="America/New_York",
    ),
    parsed(
        "a time that daylight saving left out is none",
        "yyyy-MM-dd HH:mm",
        text("2025-03-09 02:30"),
        instant(None),
        **AT,
        time_zone="America/New_York",
        errors="null",
    ),
    parsed(
        "a time that was twice is standard time",
        "yyyy-MM-dd HH:mm",
        text("2025-11-02 01:30", "2025-11-02 00:30"),
        instant("2025-11-02T06:30:00+00:00", "2025-11-02T04:30:00+00:00"),
        **AT,
        time_zone="America/New_York",
    ),
    parsed(
        "date of a text with time", "yyyy-MM-dd HH:mm", text("2025-07-01 23:59"), day("2025-07-01")
    ),
    parsed(
        "time of a text with a date",
        "yyyy-MM-dd HH:mm",
        text("2025-07-01 23:59"),
        stamp("1970-01-01T23:59:00"),
        **TIME,
    ),
    parsed(
        "milliseconds",
        "yyyy-MM-dd'T'HH:mm:ss.SSS",
        text("2025-07-01T09:00:00.123"),
        instant("2025-07-01T00:00:00.123000+00:00"),
        **AT,
    ),
    parsed(
        "microseconds",
        "yyyy-MM-dd HH:mm:ss.SSSSSS",
        text("2025-07-01 09:00:00.000001"),
        instant("2025-07-01T00:00:00.000001+00:00"),
        **AT,
    ),
    parsed(
        "digits alone", "yyyyMMdd", text("20250701", "19000228"), day("2025-07-01", "1900-02-28")
    ),
    parsed(
        "digits alone with time",
        "yyyyMMddHHmmss",
        text("20250701090000"),
        instant("2025-07-01T00:00:00+00:00"),
        **AT,
    ),
    parsed(
        "one or two digits",
        "yyyy-M-d",
        text("2025-7-1", "2025-12-31", "2025-07-01"),
        day("2025-07-01", "2025-12-31", "2025-07-01"),
    ),
    parsed("month alone", "yyyy.MM", text("2025.07"), day("2025-07-01")),
    parsed("year alone", "yyyy", text("2025"), day("2025-01-01")),
    parsed(
        "two digits of the year",
        "yy-MM-dd",
        text("25-07-01", "68-12-31", "69-01-01"),
        day("2025-07-01", "2068-12-31", "1969-01-01"),
    ),
    parsed("quoted Korean", "yyyy'년' M'월' d'일'", text("2025년 7월 1일"), day("2025-07-01")),
    parsed("Korean as it is", "yyyy년 MM월 dd일", text("2025년 07월 01일"), day("2025-07-01")),
    parsed("a quote", "yyyy''MM", text("2025'07"), day("2025-07-01")),
    parsed(
        "signs of regular expressions are themselves",
        "yyyy.MM(dd)",
        text("2025.07(01)"),
        day("2025-07-01"),
    ),
    parsed("a backslash is itself", "yy\\MMM(d)", text("25\\Jul(1)"), day("2025-07-01")),
    parsed("per cent is itself", "yyyy%MM", text("2025%07"), day("2025-07-01")),
    parsed(
        "English month",
        "dd/MMM/yyyy",
        text("15/Feb/2012", "01/may/2025"),
        day("2012-02-15", "2025-05-01"),
    ),
    parsed(
        "English month in full",
        "MMMM d, yyyy",
        text("February 15, 2012", "May 1, 2025"),
        day("2012-02-15", "2025-05-01"),
    ),
    parsed(
        "Korean month",
        "yyyy MMM d",
        text("2025 7월 1", "2025 12월 31"),
        day("2025-07-01", "2025-12-31"),
        **KOREAN,
    ),
    parsed(
        "Korean weekday",
        "yyyy-MM-dd(EEE)",
        text("2025-07-01(화)", "2025-07-06(일)"),
        day("2025-07-01", "2025-07-06"),
        **KOREAN,
    ),
    parsed(
        "Korean weekday in full",
        "yyyy-MM-dd EEEE",
        text("2025-07-01 화요일"),
        day("2025-07-01"),
        **KOREAN,
    ),
    parsed("English weekday", "EEE, dd MMM yyyy", text("Tue, 01 Jul 2025"), day("2025-07-01")),
    parsed(
        "morning and afternoon",
        "yyyy-MM-dd hh:mm a",
        text("2025-07-01 12:30 AM", "2025-07-01 12:30 PM", "2025-07-01 09:05 pm"),
        instant(
            "2025-06-30T15:30:00+00:00", "2025-07-01T03:30:00+00:00", "2025-07-01T12:05:00+00:00"
        ),
        **AT,
    ),
    parsed(
        "오전, 오후",
        "yyyy-MM-dd a h:mm",
        text("2025-07-01 오전 9:00", "2025-07-01 오후 12:00"),
        instant("2025-07-01T00:00:00+00:00", "2025-07-01T03:00:00+00:00"),
        **AT,
        **KOREAN,
    ),
    parsed(
        "offset",
        "yyyy-MM-dd'T'HH:mm:ssXXX",
        text("2025-07-01T00:00:00+09:00", "2025-07-01T00:00:00Z"),
        instant("2025-06-30T15:00:00+00:00", "2025-07-01T00:00:00+00:00"),
        **AT,
    ),
    parsed(
        "offset without a colon",
        "yyyy-MM-dd HH:mm:ss Z",
        text("2025-07-01 00:00:00 -0530"),
        instant("2025-07-01T05:30:00+00:00"),
        **AT,
    ),
    parsed(
        "the date of an instant is the zone's",
        "yyyy-MM-dd'T'HH:mm:ssXXX",
        text("2025-06-30T16:00:00Z"),
        day("2025-07-01"),
    ),
    parsed("leap days", None, text("2000-02-29", "2024-02-29"), day("2000-02-29", "2024-02-29")),
    parsed(
        "ends",
        None,
        text("0001-01-01", "1900-01-01", "9999-12-31"),
        day("0001-01-01", "1900-01-01", "9999-12-31"),
    ),
    parsed(
        "category",
        None,
        category("2025-07-01", "2025-07-01", None),
        day("2025-07-01", "2025-07-01", None),
    ),
    parsed(
        "kept",
        None,
        text("2025-07-01"),
        {"a": day("2025-07-01"), "a_old": text("2025-07-01")},
        keep_old_attribute=True,
    ),
    parsed("empty", None, text(), day()),
    parsed("empty date_time", None, text(), instant(), **AT),
    parsed("empty time", None, text(), stamp(), **TIME),
    parsed("all missing", None, text(None, None), day(None, None)),
    parsed(
        "good ones stay with errors null",
        None,
        text("2025-07-01", "x", None),
        day("2025-07-01", None, None),
        errors="null",
    ),
    *(
        case
        for value in (
            "2023-02-29",
            "1900-02-29",
            "2024-13-01",
            "2024-00-10",
            "2024-01-00",
            "2024-04-31",
            "2024-01-32",
            "2025-7-1",
            "2025-07-01x",
            "2025-07-01 ",
            " 2025-07-01",
            "2025- 7-01",
            "+025-07-01",
            "-025-07-01",
            "2025-07-1",
            "2025/07/01",
            "2025-07-01T00:00",
            "20250701",
            "",
            "없음",
            "0000-01-01",
            "２０２５-07-01",
        )
        for case in unparsable(value)
    ),
    *unparsable("2025/02/29", "yyyy/MM/dd"),
    *unparsable("2025/7/01 ", "yyyy/MM/dd"),
    *unparsable("20250229", "yyyyMMdd"),
    *unparsable("2025071", "yyyyMMdd"),
    *unparsable("31.06.2025", "dd.MM.yyyy"),
    *unparsable("2025-02-29", "yyyy-M-d"),
    *unparsable("2025-07-01(월)", "yyyy-MM-dd(EEE)", **KOREAN),
    *unparsable("2025-07-01(Tue)", "yyyy-MM-dd(EEE)", **KOREAN),
    *unparsable("01/Foo/2025", "dd/MMM/yyyy"),
    *unparsable("2025-07-01 24:00", "yyyy-MM-dd HH:mm", **AT),
    *unparsable("2025-07-01 09:60", "yyyy-MM-dd HH:mm", **AT),
    *unparsable("2025-02-29 09:00", "yyyy-MM-dd HH:mm", **AT),
    *unparsable("2025-07-01 09:00:60", "yyyy-MM-dd HH:mm:ss", **AT),
    *unparsable("2025-07-01 13:00 PM", "yyyy-MM-dd hh:mm a", **AT),
    *unparsable("2025-07-01 00:00 AM", "yyyy-MM-dd hh:mm a", **AT),
    *unparsable("25:00:00", "HH:mm:ss", **TIME),
    # What a pattern leaves out is 1970-01-01 00:00, Java's; the values below are a JVM's own.
    parsed(
        "year left out",
        "MM/dd",
        text("03/15", "12/31", None),
        day("1970-03-15", "1970-12-31", None),
    ),
    parsed("year left out in Korean", "M월 d일", text("7월 1일"), day("1970-07-01")),
    parsed(
        "year left out, date_time",
        "MM-dd HH:mm",
        text("07-01 09:00", None),
        instant("1970-07-01T00:00:00+00:00", None),
        **AT,
    ),
    parsed("day alone", "dd", text("31"), day("1970-01-31")),
    parsed("month left out", "yyyy-dd", text("2025-31"), day("2025-01-31")),
    parsed("months in digits alone", "yyyyMM", text("202507", None), day("2025-07-01", None)),
    parsed("weekday alone", "EEE", text("Thu", None), day("1970-01-01", None)),
    parsed("date of a time", "HH:mm", text("10:20", None), day("1970-01-01", None)),
    parsed("date of an hour", "hh a", text("12 AM", "10 PM"), day("1970-01-01", "1970-01-01")),
    parsed(
        "instant of a time",
        "HH:mm",
        text("10:20", None),
        instant("1970-01-01T01:20:00+00:00", None),
        **AT,
    ),
    parsed(
        "hours without minutes",
        "yyyyMMddHH",
        text("2026031509", "2026022909", None),
        instant("2026-03-15T00:00:00+00:00", None, None),
        **AT,
        errors="null",
    ),
    parsed("hours without minutes, date", "yyyyMMddHH", text("2026031523"), day("2026-03-15")),
    parsed(
        "hours without minutes, time",
        "yyyyMMddHH",
        text("2026031523", None),
        stamp("1970-01-01T23:00:00", None),
        **TIME,
    ),
    parsed(
        "seconds without minutes",
        "yyyyMMdd ss",
        text("20260315 09"),
        instant("2026-03-14T15:00:09+00:00"),
        **AT,
    ),
    parsed(
        "time of a date",
        "yyyy.MM",
        text("2025.07", None),
        stamp("1970-01-01T00:00:00", None),
        **TIME,
    ),
    parsed(
        "instant of a month and a missing value",
        "yy.MM",
        text("25.07", None),
        instant("2025-06-30T15:00:00+00:00", None),
        **AT,
    ),
    parsed(
        "minutes and seconds",
        "mm:ss",
        text("59:01", None),
        stamp("1970-01-01T00:59:01", None),
        **TIME,
    ),
    parsed(
        "afternoon without an hour is noon",
        "yyyyMMdd a",
        text("20260315 PM", "20260315 AM", None),
        instant("2026-03-15T03:00:00+00:00", "2026-03-14T15:00:00+00:00", None),
        **AT,
    ),
    parsed(
        "an hour to 24 needs no half of the day",
        "HH a",
        text("10 PM", "10 AM"),
        stamp("1970-01-01T10:00:00", "1970-01-01T10:00:00"),
        **TIME,
    ),
    parsed(
        "k is an hour to 24 too",
        "kk a",
        text("10 PM", "24 PM", "13 PM"),
        stamp("1970-01-01T10:00:00", "1970-01-01T00:00:00", "1970-01-01T13:00:00"),
        **TIME,
    ),
    *(
        parsed(
            f"minutes for months: {pattern}",
            pattern,
            text("20260315"),
            refused("nominal_to_date", repr(pattern), "'mm'", "MM"),
        )
        for pattern in ("yyyymmdd", "yyyy-mm-dd", "yyyy-MM-dd mm", "yyyymm")
    ),
    parsed(
        "minutes for months, with a time",
        "yyyy-mm-dd HH:mm",
        text("2025-07-01 09:00"),
        refused("'m' twice", "'MM'"),
        **AT,
    ),
    parsed(
        "offset and a missing value",
        "yyyy-MM-dd'T'HH:mm:ssXXX",
        text("2025-07-01T10:20:30Z", None, "2025-07-01T10:20:30+09:00"),
        instant("2025-07-01T10:20:30+00:00", None, "2025-07-01T01:20:30+00:00"),
        **AT,
    ),
    parsed(
        "offset without a colon and a missing value",
        "yyyy-MM-dd HH:mm:ss Z",
        text(None, "2025-07-01 00:00:00 -0530"),
        instant(None, "2025-07-01T05:30:00+00:00"),
        **AT,
    ),
    parsed(
        "offset, all missing",
        "yyyy-MM-dd'T'HH:mmX",
        text(None, None),
        instant(None, None),
        **AT,
    ),
    parsed(
        "date of an offset and a missing value",
        "yyyy-MM-dd'T'HH:mmX",
        text("2025-06-30T16:00Z", None),
        day("2025-07-01", None),
    ),
    parsed(
        "time of an offset and a missing value",
        "yyyy-MM-dd'T'HH:mmX",
        text("2025-06-30T16:00Z", None),
        stamp("1970-01-01T01:00:00", None),
        **TIME,
    ),
    *unparsable("02-29", "MM-dd"),
    *unparsable("02-29", "MM-dd", **TIME),
    *unparsable("2026031524", "yyyyMMddHH", **AT),
    *unparsable("13 PM", "hh a", **TIME),
    parsed(
        "a pattern of no field", "'x'", text("x"), refused("nominal_to_date", "date_format", "yyyy")
    ),
    parsed("unknown letter", "yyyy-mm-DD b", text("x"), refused("date_format", "'b'")),
    parsed(
        "a letter that only writes",
        "YYYY-MM-dd",
        text("x"),
        refused("date_format", "'YYYY'", "yyyy"),
    ),
    parsed("open quote", "yyyy'년", text("x"), refused("date_format", "quote")),
    parsed("widths that flow together", "yyyyMd", text("x"), refused("date_format", "'M'", "MM")),
    parsed("fraction of a second", "HH:mm:ss.S", text("x"), refused("date_format", "SSS"), **TIME),
    parsed(
        "hours to 12 without a or b", "hh:mm", text("x"), refused("date_format", "HH", "a"), **TIME
    ),
    parsed("strptime instead", "%Y-%m-%d", text("x"), refused("date_format", "yyyy-MM-dd")),
    parsed(
        "unknown type",
        None,
        text("x"),
        refused("date_type", "'datetime'", "date_time"),
        date_type="datetime",
    ),
    parsed(
        "unknown locale", None, text("x"), refused("locale", "'kr_KO'", "ko_KR"), locale="kr_KO"
    ),
    parsed(
        "unknown zone",
        None,
        text("x"),
        refused("time_zone", "Asia/Soul", "Asia/Seoul"),
        time_zone="Asia/Soul",
    ),
    parsed(
        "unknown errors",
        None,
        text("x"),
        refused("errors", "'ignore'", "raise", "null"),
        errors="ignore",
    ),
    parsed(
        "number",
        None,
        i64(20250701),
        refused("nominal_to_date", "'a'", "integer", "numeric_to_date"),
    ),
    parsed("missing column", None, text("x"), refused("'날짜'", "a"), column="날짜"),
    Case(
        "nominal_to_date",
        "name taken",
        {"a": text("2025-07-01"), "a_old": i64(0)},
        {"column": "a", "keep_old_attribute": True},
        refused("'a_old'"),
    ),
    Case(
        "nominal_to_date",
        "place kept",
        {"x": i64(1), "a": text("2025-07-01"), "y": i64(2)},
        {"column": "a"},
        {"x": i64(1), "a": day("2025-07-01"), "y": i64(2)},
    ),
]

# -- 27


def written(name: str, format_: str, given: Column, expect: Any, **params: Any) -> Case:
    made = {"a": expect} if isinstance(expect, Column) else expect
    asked = {"column": "a", "date_format": format_, **params}
    return Case("date_to_nominal", name, {"a": given}, asked, made)


ONE = day("2025-07-01", None)
NIGHT = stamp(
    "2025-07-01T00:05:09.007000", "2025-07-01T12:00:00", "2025-12-31T23:59:59.999999", None
)

DATE_TO_NOMINAL = [
    written("example", "yyyy.MM", ONE, text("2025.07", None)),
    written("example in Korean", "yyyy'년'", ONE, text("2025년", None)),
    written("Korean as it is", "yyyy년 M월 d일", ONE, text("2025년 7월 1일", None)),
    written(
        "ISO",
        "yyyy-MM-dd",
        day("2025-07-01", "1900-12-31", "0001-02-03"),
        text("2025-07-01", "1900-12-31", "0001-02-03"),
    ),
    written("digits alone", "yyyyMMdd", ONE, text("20250701", None)),
    written("two digits of the year", "yy", day("2025-07-01", "2003-01-01"), text("25", "03")),
    written(
        "week year is not year",
        "YYYY|yyyy|ww|w|W",
        day("2025-12-27", "2025-12-28", "2025-01-01"),
        text("2025|2025|52|52|4", "2026|2025|01|1|5", "2025|2025|01|1|1"),
    ),
    written("time", "HH:mm:ss", NIGHT, text("00:05:09", "12:00:00", "23:59:59", None)),
    written("milliseconds are cut", "ss.SSS", NIGHT, text("09.007", "00.000", "59.999", None)),
    written("microseconds", "SSSSSS", NIGHT, text("007000", "000000", "999999", None)),
    written(
        "hours to 12",
        "h hh K k kk a",
        NIGHT,
        text("12 12 0 24 24 AM", "12 12 0 12 12 PM", "11 11 11 23 23 PM", None),
    ),
    written(
        "오전, 오후",
        "a h:mm",
        NIGHT,
        text("오전 12:05", "오후 12:00", "오후 11:59", None),
        **KOREAN,
    ),
    written("a date has no time", "HH:mm:ss.SSS", ONE, text("00:00:00.000", None)),
    written(
        "English names",
        "EEE EEEE MMM MMMM",
        day("2025-07-01", "2025-06-01", None),
        text("Tue Tuesday Jul July", "Sun Sunday Jun June", None),
    ),
    written(
        "Korean names",
        "EEE EEEE MMM MMMM",
        day(
            "2025-06-30",
            "2025-07-01",
            "2025-07-02",
            "2025-07-03",
            "2025-07-04",
            "2025-07-05",
            "2025-07-06",
        ),
        text(
            "월 월요일 6월 6월",
            "화 화요일 7월 7월",
            "수 수요일 7월 7월",
            "목 목요일 7월 7월",
            "금 금요일 7월 7월",
            "토 토요일 7월 7월",
            "일 일요일 7월 7월",
        ),
        **KOREAN,
    ),
    written("number of the weekday", "u", day("2025-06-30", "2025-07-06"), text("1", "7")),
    written("day of the year", "D DDD", day("2025-01-01", "2024-12-31"), text("1 001", "366 366")),
    written("quotes", "''yy''", ONE, text("'25'", None)),
    written("per cent is itself", "yyyy%mm%%", stamp("2025-07-01T00:05:00"), text("2025%05%%")),
    written(
        "instants in Seoul",
        "yyyy-MM-dd HH:mm",
        INSTANTS,
        text("2025-01-01 00:00", "2024-03-01 00:00", "2025-07-01 01:00", None),
    ),
    written(
        "instants in UTC",
        "yyyy-MM-dd HH:mm",
        INSTANTS,
        text("2024-12-31 15:00", "2024-02-29 15:00", "2025-06-30 16:00", None),
        time_zone="UTC",
    ),
    written(
        "kept",
        "yyyy",
        day("2025-07-01"),
        {"a": day("2025-07-01"), "a_nominal": text("2025")},
        keep_old_attribute=True,
    ),
    written("empty", "yyyy", day(), text()),
    written("empty instants", "HH", instant(), text()),
    written("all missing", "yyyy.MM.dd", day(None), text(None)),
    written("words alone", "'날짜'", ONE, refused("date_format")),
    written("unknown letter", "yyyy-bb", ONE, refused("date_format", "'bb'")),
    written("open quote", "yyyy'년", ONE, refused("date_format", "quote")),
    written("strftime instead", "%Y", ONE, refused("date_format", "yyyy")),
    written("unknown locale", "yyyy", ONE, refused("locale", "'ko'", "ko_KR"), locale="ko"),
    written(
        "text",
        "yyyy",
        text("2025-07-01"),
        refused("date_to_nominal", "'a'", "text", "nominal_to_date"),
    ),
    written("missing column", "yyyy", ONE, refused("'b'"), column="b"),
    Case(
        "date_to_nominal",
        "name taken",
        {"a": ONE, "a_nominal": i64(0, 0)},
        {"column": "a", "date_format": "yyyy", "keep_old_attribute": True},
        refused("'a_nominal'"),
    ),
]

CASES: list[Case] = [*NOMINAL_TO_DATE, *DATE_TO_NOMINAL]
