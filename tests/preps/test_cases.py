"""Every case of the prep functions on the engines of this process; Spark's are beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.preps.engines import ENGINES
from tests.preps.running import CASES, name_of, run
from tests.preps.table import Case


@pytest.mark.parametrize("engine", [name for name in ENGINES if name != "pyspark"])
@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_case(case: Case, engine: str) -> None:
    run(case, engine)


def test_readme_says_how_many_there_are() -> None:
    text = (Path(__file__).parents[2] / "README.md").read_text().replace("\n", " ")
    assert f"{len(CASES):,} cases" in text
    assert f"{len(CASES) * len(ENGINES):,} tests" in text
