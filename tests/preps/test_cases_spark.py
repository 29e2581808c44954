"""Every case of the prep functions on PySpark: one local JVM, so a file of its own."""

from __future__ import annotations

import pytest

from tests.preps.running import CASES, name_of, run
from tests.preps.table import Case


@pytest.mark.server
@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_case(case: Case) -> None:
    run(case, "pyspark")
