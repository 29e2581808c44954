"""What is refused of an environment's file and of the variables, and in which words.

Here: `resources/settings.py`. Not here: the shipped environments (`tests/sample`).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from resources.errors import PermanentError
from resources.settings import writable


@pytest.mark.parametrize(
    ("folder", "says"),
    [("/proc/lake", "No such file"), ("/dev/null/lake", "Not a directory"), (__file__, "exists")],
)
def test_a_folder_that_cannot_be_used(folder: str, says: str) -> None:
    with pytest.raises(PermanentError, match=rf"cannot write to {folder}: .*{says}.*Set LAKE_HOME"):
        writable(Path(folder))


def test_a_folder_is_made_and_left_empty(tmp_path: Path) -> None:
    assert list(writable(tmp_path / "a" / "b").iterdir()) == []
