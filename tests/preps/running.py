"""One case on one engine: called, and held against what it must give.

Here: the one assertion that all cases share, and which cases there are. Not here: which engines a
test file runs them on (`test_cases.py`, `test_cases_spark.py`).
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

from lake_assets import preps
from lake_assets.preps.catalogue import CATALOGUE
from tests.preps.engines import ENGINES, arrow, dicts, differs, result
from tests.preps.table import Case, Refused

#: The files of cases, one a family.
FILES = sorted(path.stem for path in Path(__file__).parent.glob("cases_*.py"))
CASES: list[Case] = [
    case for file in FILES for case in importlib.import_module(f"tests.preps.{file}").CASES
]


def name_of(case: Any) -> str | None:
    return f"{case.function}: {case.name}" if isinstance(case, Case) else None


def run(case: Case, engine: str) -> None:
    given = arrow(case.given)
    frame = ENGINES[engine](given)
    function = CATALOGUE[case.function].function
    expect = case.instead.get(engine, case.expect)
    if isinstance(expect, Refused):
        with pytest.raises(preps.PrepError) as caught:
            function(frame, **case.params)
        for part in expect.parts:
            assert part in str(caught.value)
        return
    found = function(frame, **case.params)
    if case.check is not None:
        many = [dicts(result(engine, one)) for one in found] if isinstance(found, list) else None
        case.check(dicts(given), many or dicts(result(engine, found)))
    elif isinstance(found, list):
        assert isinstance(expect, list | tuple)
        assert len(found) == len(expect)
        for one, wanted in zip(found, expect, strict=True):
            told = differs(engine, result(engine, one), arrow(wanted), case.ordered)
            assert not told, told
    else:
        assert isinstance(expect, dict)
        told = differs(engine, result(engine, found), arrow(expect), case.ordered)
        assert not told, told
