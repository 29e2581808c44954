"""Outcomes as Dagster shows them: metadata, check results, previews with personal data masked.

Here: words and tables for people. Not here: anything that decides.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from lake_assets.edge import KOREAN, ROWS, Origins, shortened
from lake_assets.spec.columns import Columns

if TYPE_CHECKING:
    import pyarrow as pa

    from lake_assets.lineage import Lineage
    from lake_assets.publish import Outcome
    from lake_assets.rules import Verdict

#: One Dagster check for all gates of an asset and one for all its checks: the history stays small
#: (an event is 2 ms of CPU on SQLite) and the table in the metadata names every rule. Drift is the
#: source's, not a partition's: one result a run.
GATES, CHECKS, DRIFT = "gates", "checks", "drift"

#: Metadata of an asset that the lake reads and another location makes: its history counts.
ELSEWHERE = "lake/elsewhere"


@lru_cache(maxsize=1)
def git_commit() -> str:
    """`LAKE_COMMIT`, which an image sets, else that of the checkout this runs from; '' without."""
    if "LAKE_COMMIT" in os.environ:
        return os.environ["LAKE_COMMIT"]
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"],  # noqa: S607
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def column_schema(columns: Columns) -> dg.TableSchema:
    """Declared columns for the UI: type, Korean title, NULLs, personal data."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=name,
                type=column.type,
                description=" – ".join(filter(None, (column.title, column.description))) or None,
                constraints=dg.TableColumnConstraints(nullable=column.nullable),
                tags={} if column.pii == "none" else {"pii": column.pii},
            )
            for name, column in columns.items()
        ]
    )


def masked(value: Any, pii: str) -> str:
    """A value as anybody may see it."""
    if pii == "secret":
        return "(secret)"
    if value is None:
        return "NULL"
    return "***" if pii == "masked" else str(value)


def preview(rows: pa.RecordBatch, columns: Columns) -> str:
    """The first rows as a Markdown table, personal data masked."""

    def cell(value: Any, name: str) -> str:
        pii = columns[name].pii if name in columns else "none"
        text = masked(value, pii).replace("\n", "⏎").replace("|", "¦")
        return text if len(text) <= 60 else text[:59] + "…"

    names = rows.schema.names
    lines = ["| " + " | ".join(names) + " |", "|" + " --- |" * len(names)]
    for row in rows.to_pylist():
        lines.append("| " + " | ".join(cell(row[name], name) for name in names) + " |")
    return "\n".join(lines)


def materialisation_metadata(
    outcome: Outcome, columns: Columns, route: str, inputs: Mapping[str, str]
) -> dict[str, Any]:
    """What the history keeps of a published partition.

    `lake/data_version` is the SHA-256 of its file, `lake/input_versions` says which versions of
    its inputs it was made from (`versions.input_digest`); by both `lake run` knows what is stale.
    """
    published = outcome.published
    assert published is not None
    metadata: dict[str, Any] = {
        "dagster/row_count": outcome.rows,
        "lake/bytes": published.bytes,
        "lake/seconds": round(outcome.seconds, 3),
        "lake/path": dg.MetadataValue.path(published.path),
        "lake/route": route,
        "lake/data_version": published.sha256,
        "lake/git_commit": git_commit(),
    }
    if inputs:
        metadata["lake/input_versions"] = dg.MetadataValue.text(json.dumps(dict(inputs)))
    metadata |= {f"lake/{name}": _shown(value) for name, value in outcome.more.items()}
    if outcome.preview is not None:
        metadata["lake/preview"] = dg.MetadataValue.md(preview(outcome.preview, columns))
    return metadata


def column_lineage(lineage: Lineage, columns: Columns) -> dict[str, Any]:
    """What columns come of, for Dagster's own view and as a table to read.

    The open-source UI keeps the first to itself and shows nothing of it (1.13).
    """
    deps = {
        name: [
            dg.TableColumnDep(dg.AssetKey(asset.split("/")), column)
            for asset, column in sorted({(one.asset, one.column) for one in made.origins})
            if column != ROWS
        ]
        for name, made in lineage.columns.items()
        if name in columns
    }
    lines = ["| 컬럼 | 제목 | 유래 | 식 |", "|" + " --- |" * 4]
    for name, made in lineage.columns.items():
        title = (columns[name].title or "") if name in columns else ""
        text = shortened(made.expression, 60).replace("|", "¦").replace("`", "'")
        origins = _origins(made.origins, f"({KOREAN[made.confidence]})")
        lines.append(f"| {name} | {title} | {origins} | {f'`{text}`' if text else ''} |")
    if lineage.rows:
        lines += ["", f"행을 정하는 컬럼: {_origins(lineage.rows)}"]
    return {
        "dagster/column_lineage": dg.TableColumnLineage(deps_by_column=deps),
        "lake/column_lineage": dg.MetadataValue.md("\n".join(lines)),
    }


def _origins(origins: Origins, known: str = "") -> str:
    """Links with their kind and what it is known by; – where a column comes of none."""
    links = [f"[{one}](/assets/{one.asset}) {KOREAN[one.kind]}{known}" for one in sorted(origins)]
    return ", ".join(links) or f"–{known}"


def _shown(value: str | int | float) -> dg.MetadataValue | str | int | float:
    from lake_assets.publish import Link, Markdown

    if isinstance(value, Link):
        return dg.MetadataValue.url(str(value))
    return dg.MetadataValue.md(str(value)) if isinstance(value, Markdown) else value


def verdict_table(verdicts: Sequence[Verdict]) -> dg.MetadataValue:
    """The rules of one side, those that failed first."""
    rows = sorted(verdicts, key=lambda verdict: verdict.passed)
    return dg.MetadataValue.md(
        "\n".join(
            ["| rule | passed | found | allowed | example |", "|" + " --- |" * 5]
            + [
                f"| {v.rule} | {'✔' if v.passed else '✘'} | {v.found} | {v.allowed} | {v.example} |"
                for v in rows
            ]
        )
    )


def drift_fields(drift: Verdict) -> dict[str, Any]:
    """Fields of the check result that warns of drift."""
    return {
        "passed": drift.passed,
        "severity": dg.AssetCheckSeverity.WARN,
        "description": None if drift.passed else str(drift),
        "metadata": {"rules": verdict_table([drift])},
    }


def check_fields(side: str, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Fields of a check result over some partitions: passed, severity, words, the rules' table."""
    verdicts = [v for outcome in outcomes for v in getattr(outcome, side)]
    failed = [
        f"{outcome.key + ': ' if outcome.key else ''}{verdict}"
        for outcome in outcomes
        for verdict in getattr(outcome, side)
        if not verdict.passed
    ]
    metadata: dict[str, Any] = {}
    if len(outcomes) == 1:
        metadata["rules"] = verdict_table(verdicts)
    else:
        red = sum(any(not v.passed for v in getattr(o, side)) for o in outcomes)
        # Text: numbers would be plotted.
        metadata["partitions"] = dg.MetadataValue.text(f"{len(outcomes)}, {red} failed")
    return {
        "passed": not failed,
        "severity": dg.AssetCheckSeverity.ERROR if side == GATES else dg.AssetCheckSeverity.WARN,
        "description": "\n".join(failed[:20]) or None,
        "metadata": metadata,
    }
