"""What is refused of an environment's file and of the variables, and in which words.

Here: `resources/settings.py`. Not here: the shipped environments (`tests/sample`).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from resources.errors import PermanentError, UsageError
from resources.settings import environment_files, load_settings, writable


@pytest.mark.parametrize(
    ("folder", "says"),
    [("/proc/lake", "No such file"), ("/dev/null/lake", "Not a directory"), (__file__, "exists")],
)
def test_a_folder_that_cannot_be_used(folder: str, says: str) -> None:
    with pytest.raises(PermanentError, match=rf"cannot write to {folder}: .*{says}.*Set LAKE_HOME"):
        writable(Path(folder))


def test_a_folder_is_made_and_left_empty(tmp_path: Path) -> None:
    assert list(writable(tmp_path / "a" / "b").iterdir()) == []


def test_environments_of_a_folder_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("", encoding="utf-8")
    assert "mine" in environment_files({"LAKE_ENVIRONMENTS": str(tmp_path)})
    for missing in (tmp_path / "nowhere", tmp_path / "mine.yaml"):
        with pytest.raises(UsageError, match=f"LAKE_ENVIRONMENTS names {missing}, and there is no"):
            load_settings("local", {"LAKE_ENVIRONMENTS": f"{tmp_path}:{missing}"})
