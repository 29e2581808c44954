"""A graph of 1,000 assets in 100 pipeline folders, against the same graph written by hand.

Here: generating the folders, loading either graph as a code server does, the proof that both are
the same. Not here: printing the module by hand (`by_hand.py`).
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.bench.meter import Meter
from tests.bench.runner import Bench, DiffersError, Ratio, Side, alternate, cpu

PIPELINES, SOURCES, DATASETS = 100, 5, 5
_TYPES = ("string", "int64", "date", "timestamp", "decimal(18,2)", "int32", "string", "float64")


def run(bench: Bench) -> list[Ratio]:
    folder, by_hand = bench.folder / "pipelines", bench.folder / "by_hand"
    for number in range(PIPELINES):
        _write(folder / f"p{number:03}", number)
    by_hand.mkdir()
    environment = {"LAKE_HOME": str(bench.folder / "home")}
    arguments = {"folder": str(folder), "to": str(by_hand)}
    Side("print", "graph:printed", arguments, environment).run()
    ours = Side("ours", "graph:ours", {"folder": str(folder)}, environment)
    peer = Side("by hand", "graph:peer", {"folder": str(by_hand.parent)}, environment)
    peer.run()  # compiles the module's byte code
    found = alternate("graph", ours, peer, bench.rounds(7))
    if found.ours[0]["facts"] != found.peer[0]["facts"]:
        raise DiffersError(f"{found.ours[0]['facts']} differs from {found.peer[0]['facts']}")
    facts = {k: v for k, v in found.ours[0]["facts"].items() if isinstance(v, int)}

    def total(one: Mapping[str, Any]) -> float:
        return float(sum(one["cpu"].values()))

    return [
        found.ratio("repository over import dagster", "s", cpu("load"), 1.4, notes=facts),
        found.ratio("… and snapshot, all jobs", "s", total, 1.2),
    ]


def ours(meter: Meter, folder: str) -> dict[str, Any]:
    import dagster  # noqa: F401

    with meter("load"):
        from lake_assets import loader

        loader.SHIPPED = Path(folder)  # the same graph as the peer's: without the shipped ones
        from lake_assets.definitions import defs

        repository = defs.get_repository_def()
    return _loaded(meter, repository)


def peer(meter: Meter, folder: str) -> dict[str, Any]:
    import dagster  # noqa: F401

    sys.path.insert(0, folder)
    with meter("load"):
        from by_hand import defs

        repository = defs.get_repository_def()
    return _loaded(meter, repository)


def printed(meter: Meter, folder: str, to: str) -> None:
    from lake_assets import loader

    loader.SHIPPED = Path(folder)
    from lake_assets.definitions import defs
    from tests.bench.by_hand import package

    for name, text in package(defs).items():
        (Path(to) / name).write_text(text, encoding="utf-8")


def _loaded(meter: Meter, repository: Any) -> dict[str, Any]:
    """What a code server makes of it, and a digest of what must be the same on both sides."""
    from dagster._core.remote_representation.external_data import RepositorySnap

    with meter("snapshot"):
        jobs = repository.get_all_jobs()
        snap = RepositorySnap.from_def(repository)
    graph = repository.asset_graph
    nodes = {
        node.key.to_user_string(): [
            sorted(key.to_user_string() for key in node.parent_keys),
            [node.group_name, node.description, node.code_version, *sorted(node.kinds)],
            [sorted(node.owners), repr(node.partitions_def), repr(node.backfill_policy)],
            [sorted(node.metadata), repr(node.metadata.get("dagster/column_schema"))],
            repr(node.freshness_policy),
        ]
        for node in graph.asset_nodes
    }
    checks = {str(key): graph.get_check_spec(key).description for key in graph.asset_check_keys}
    ops = {
        node.key.to_user_string(): [
            repr(node.assets_def.op.retry_policy),
            [node.assets_def.op.pool, sorted(_config(node.assets_def.op))],
        ]
        for node in graph.asset_nodes
        if node.is_executable
    }
    of_jobs = {job.name: [sorted(map(str, job.asset_layer.selected_asset_keys))] for job in jobs}
    schedules = {one.name: one.cron_schedule for one in snap.schedules}
    assert len(snap.asset_nodes) == len(nodes)
    same = [nodes, ops, checks, of_jobs, schedules, [job.description for job in jobs]]
    text = json.dumps(same, sort_keys=True, default=str)
    return {
        "assets": len(ops),
        "external": len(nodes) - len(ops),
        "checks": len(checks),
        "jobs": len(jobs),
        "schedules": len(schedules),
        "digest": hashlib.sha256(text.encode()).hexdigest(),
    }


def _config(op: Any) -> list[str]:
    return list(getattr(op.config_schema.config_type, "fields", None) or ())


def _write(folder: Path, number: int) -> None:
    """One pipeline: two in three daily, the rest monthly or without partitions."""
    cadence = ("daily", "daily", "daily", "monthly", "none")[number % 5]
    start = f"2024-{1 + number % 3:02}-01"
    lines = [
        "version: 1",
        f"title: 매출 {number}",
        f"description: 원천 {number}의 표를 받아 집계합니다.",
        f"owner: {'team:sales-data' if number % 2 else 'kim@example.com'}",
        f'tags: ["0.ETL", "1.Start:SAP", "2.End:HDFS", "매출 {number}"]',
        *([f'partitions: {{{cadence}: {{start: "{start}"}}}}'] if cadence != "none" else []),
        *([f'schedule: {{cron: "{number % 60} 6 * * *"}}'] if number % 10 else []),
        "params:",
        "  rate: {type: float, default: 0.1, help: 부가가치세율}",
        "sources:",
    ]
    for source in range(SOURCES):
        name = f"t{number:03}_{source}"
        lines += [
            f"  {name}:",
            f"    title: 원천 표 {name}",
            "    description: 하루에 한 번 적재되는 표입니다.",
            f"    connection: {('hana_bw', 'postgres', 'hana_db')[source % 3]}",
            "    schema: SAPBW",
            f"    table: /BIC/{name.upper()}",
            *(["    window: {column: day, kind: date}"] if cadence != "none" else []),
            *_columns(10),
            "    order_by: [id]",
            "    sums: [c4]",
            "    gates: {unique: [id], rows: {min: 1}}",
            *(
                ["    checks:", "      range: {c4: {min: 0}}", "      fresh: 2d"]
                if source < 3
                else []
            ),
        ]
    lines.append("datasets:")
    for dataset in range(DATASETS):
        name = f"d{number:03}_{dataset}"
        inputs = [f"raw/t{number:03}_{dataset}"]
        if dataset:
            inputs.append(f"prep/d{number:03}_{dataset - 1}")
        lines += [
            f"  {name}:",
            f"    title: 집계 {name}",
            f"    inputs: [{', '.join(inputs)}]",
            "    sql: |",
            f"      SELECT * REPLACE (c4 * $rate AS c4) FROM t{number:03}_{dataset}",
            *_columns(10),
            "    gates: {unique: [id]}",
            *(["    checks: {not_null: [c4]}"] if dataset % 2 else []),
        ]
    folder.mkdir(parents=True)
    (folder / "pipeline.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _columns(count: int) -> list[str]:
    rest = [
        f'      c{i}: {{type: "{_TYPES[i % 8]}", source: C_{i}, title: 열 {i}}}'
        for i in range(count - 2)
    ]
    return [
        "    columns:",
        "      id: {type: int64, nullable: false, title: 번호}",
        "      day: {type: date, nullable: false, title: 날짜}",
        *rest,
    ]
