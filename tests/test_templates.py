"""Dates in texts of pipeline files: what they become, and what is told of mistakes."""

from __future__ import annotations

import datetime as dt

import pytest

from lake_assets.templates import TemplateError, mistakes_in, rendered

BASE = dt.date(2025, 1, 9)

#: Text → rendered for 2025-01-09, a Thursday, the second week's.
EXAMPLES = {
    "no template": "no template",
    "": "",
    "{today}": "2025-01-09",
    "{last_day}": "2025-01-31",
    "{last_day:%Y%m%d}": "20250131",
    "{before_last_day:%Y-%m-%d}": "2024-12-31",
    "{this_year}": "2025",
    "{this_month}": "1",
    "{this_month:02}": "01",
    "{this_month:%m}": "01",
    "{before_year}": "2024",
    "{before_month}": "12",
    "{before_month:%Y년 %m월}": "2024년 12월",
    "{day}": "9",
    "{day:02}": "09",
    "{day:%j}": "009",
    "{before_year_month}": "202412",
    "{this_year_month}": "202501",
    "{this_year_month:%y%m}": "2501",
    "{week_of_month}": "2",
    "{week_of_month:02}": "02",
    "{week_of_month:%Y-%m}-{week_of_month}": "2025-01-2",
    "/매출/{this_year}/매출_{last_day:%Y%m%d}.xlsx": "/매출/2025/매출_20250131.xlsx",
    "{today:%Y/%m/%d}": "2025/01/09",
    "{{today}}": "{today}",
    "{{{today}}}": "{2025-01-09}",
    "{today:%d%%}": "09%",
    # Counts of regular expressions are no templates.
    r"\d{4}-\d{1,2}-{,3}x{2,}": r"\d{4}-\d{1,2}-{,3}x{2,}",
}


@pytest.mark.parametrize(("text", "value"), EXAMPLES.items())
def test_rendered(text: str, value: str) -> None:
    assert mistakes_in(text) == []
    assert rendered(text, BASE) == value


def test_the_week_of_another_month_has_that_month_s_name() -> None:
    text = "{week_of_month:%Y-%m}-{week_of_month}주"
    assert rendered(text, dt.date(2025, 6, 1)) == "2025-05-5주"
    assert rendered(text, dt.date(2025, 12, 29)) == "2026-01-1주"


def test_the_clock_is_read_where_a_text_asks_for_it_alone() -> None:
    def clock() -> dt.datetime:
        return dt.datetime(2025, 6, 30, 16, tzinfo=dt.timezone.utc)

    def broken() -> dt.datetime:
        raise AssertionError("the clock was read")

    text = "{clock.today:%Y%m%d}_{clock.before_year_month}_{today}"
    assert mistakes_in(text) == []
    assert rendered(text, BASE, clock) == "20250701_202506_2025-01-09"
    assert rendered("{today} {{clock.today}}", BASE, broken) == "2025-01-09 {clock.today}"


#: Text → parts of its one mistake.
MISTAKES = {
    "{lastday}": ("'lastday'", "did you mean 'last_day'", "before_last_day", "week_of_month"),
    "{LAST_DAY}": ("'LAST_DAY'", "did you mean 'last_day'"),
    "{}": ("{}", "{{"),
    "{ today }": ("' today '", "did you mean 'today'"),
    "{clock.todya}": ("'clock.todya'", "did you mean 'clock.today'"),
    "{clok.today}": ("'clok.today'", "did you mean 'clock.today'"),
    "{hive_partitioning}": ("'hive_partitioning'",),
    "{today:yyyyMMdd}": ("'yyyyMMdd'", "%Y%m%d"),
    "{today:}": ("{today:}", "%Y%m%d"),
    "{today:02}": ("'02'", "today", "%Y%m%d"),
    "{this_month:2}": ("'2'", "02"),
    "{today:%D}": ("'%D'", "%Y", "%d"),
    "{today:%H}": ("'%H'", "%Y", "%d"),
    "{today:%Y%}": ("'%'", "%%"),
    "{today": ("{", "{{"),
    "today}": ("}", "}}"),
    r"\p{L}": ("'L'", "{{"),
    "{today!r}": ("'today!r'", "did you mean 'today'"),
}


@pytest.mark.parametrize(("text", "parts"), MISTAKES.items())
def test_mistake(text: str, parts: tuple[str, ...]) -> None:
    (told,) = mistakes_in(text)
    for part in parts:
        assert part in told
    with pytest.raises(TemplateError) as caught:
        rendered(text, BASE)
    assert told in str(caught.value)


def test_all_mistakes_are_told_at_once() -> None:
    assert len(mistakes_in("{lastday} {today} {tody:%D} }")) == 3


def test_a_name_has_no_slash_that_the_text_had_not() -> None:
    """So a file name stays one: no directive that may be checked in writes `/`."""
    every = [chr(code) for code in range(33, 127)]
    allowed = [one for one in every if not mistakes_in(f"{{today:%{one}}}") and one != "%"]
    assert allowed == ["G", "V", "Y", "d", "j", "m", "u", "y"]
    for one in allowed:
        assert rendered(f"{{today:%{one}}}", BASE).isdigit()
