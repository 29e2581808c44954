"""A prepared lake with a model, once a test process; each test gets a copy of its own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from lake_assets.models.registry import Registry
from tests.models.lake import Lake, fill, opened


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Payments, features and outcomes of a year; no model yet."""
    folder = tmp_path_factory.mktemp("model_lake")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAKE_HOME", str(folder / "home"))
        fill(folder / "home")
        with opened(folder) as lake:
            lake.prepare()
            # MLflow makes its tables on first use, 1.4 CPU s; `test_registry.py` does it by itself.
            Registry(lake.settings).champion("late")
    return folder


@pytest.fixture
def folder(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it; LAKE_HOME and the working directory are in there."""
    own = tmp_path / "lake"
    shutil.copytree(prepared, own)
    monkeypatch.setenv("LAKE_HOME", str(own / "home"))
    monkeypatch.setenv("LAKE_ENV", "local")
    monkeypatch.chdir(own)
    return own


@pytest.fixture
def lake(folder: Path) -> Iterator[Lake]:
    with opened(folder) as found:
        yield found
