"""The event log of the local environment: the same events, for whoever opens the files."""

from __future__ import annotations

import shutil
from pathlib import Path

import dagster as dg
import pytest

from resources.history import MOST_OPEN, KeptSqliteEventLogStorage

DEPLOY = Path(__file__).parents[2] / "deploy"


@dg.asset
def thing() -> None:
    pass


def test_the_shipped_instance_keeps_events_that_dagster_itself_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    shutil.copy(DEPLOY / "dagster.yaml", tmp_path)
    with dg.DagsterInstance.get() as instance:
        log = instance.event_log_storage
        assert isinstance(log, KeptSqliteEventLogStorage)
        runs = [dg.materialize([thing], instance=instance).run_id for _ in range(MOST_OPEN + 2)]
        assert len(log._open) == MOST_OPEN
        # The first run's file was closed since; it opens again.
        assert instance.all_logs(runs[0])
        kept = instance.fetch_materializations(thing.key, limit=100).records
        assert [record.run_id for record in kept] == runs[::-1]
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    with dg.DagsterInstance.get() as plain:
        assert not isinstance(plain.event_log_storage, KeptSqliteEventLogStorage)
        theirs = plain.fetch_materializations(thing.key, limit=100).records
        assert [record.run_id for record in theirs] == runs[::-1]
        assert len(plain.all_logs(runs[0])) == len(plain.all_logs(runs[-1]))
