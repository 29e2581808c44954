"""The shipped environments and the one tests write: total, alike in keys, without secrets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from resources.settings import CONNECTIONS, SHIPPED, load_settings
from tests.servers.environment import write_pg_environment

NAMES = ("local", "staging", "prod")


def keys(data: Any, depth: int) -> Iterator[tuple[str, ...]]:
    """The paths of keys down to `depth`; below a connection each kind has its own."""
    if depth and isinstance(data, dict):
        for key, value in data.items():
            yield (key,)
            yield from ((key, *rest) for rest in keys(value, depth - 1))


def test_all_have_equal_keys(tmp_path: Path) -> None:
    files = [
        *(SHIPPED / f"{name}.yaml" for name in NAMES),
        write_pg_environment(tmp_path, 1, "d", "u"),
    ]
    assert sorted(path.stem for path in SHIPPED.glob("*.yaml")) == sorted(NAMES)
    found = {}
    for file in files:
        data = yaml.safe_load(file.read_text(encoding="utf-8"))
        # Whether there is generated data differs by nature; that the key is there does not.
        data["sample"] = None
        found[file.stem] = set(keys(data, 2))
    assert found == dict.fromkeys(found, found["local"])
    assert {key[1] for key in found["local"] if key[:1] == ("connections",) and key[1:]} == set(
        CONNECTIONS
    )


@pytest.mark.parametrize(
    ("name", "parquet", "fires", "days"),
    [
        ("local", "modern", "nobody", 730),
        ("staging", "hive1", "dagster", None),
        ("prod", "hive1", "airflow", None),
    ],
)
def test_what_each_says(
    name: str, parquet: str, fires: str, days: int | None, tmp_path: Path
) -> None:
    settings = load_settings(name, {"LAKE_HOME": str(tmp_path)})
    assert settings.store.parquet == parquet
    assert settings.fires.by("bw_sales_result_daily") == fires
    assert (settings.sample.days if settings.sample else None) == days
    assert (settings.connection("hana_bw").kind == "duckdb") == (name == "local")


def test_local_stays_on_this_machine(tmp_path: Path) -> None:
    settings = load_settings("local", {"LAKE_HOME": str(tmp_path)})
    assert settings.store_root == f"{tmp_path}/lake"
    for name in CONNECTIONS:
        found = settings.connection(name)
        where = found.path or found.host or found.url or ""
        assert where.startswith((f"{tmp_path}/sources/", "127.0.0.1", "http://127.0.0.1:")), name


def test_pg_maps_the_hana_connections_to_postgres(tmp_path: Path) -> None:
    file = write_pg_environment(tmp_path / "envs", 5433, "lake", "reader", "PG_PASSWORD")
    settings = load_settings(
        "pg", {"LAKE_HOME": str(tmp_path), "LAKE_ENVIRONMENTS": str(file.parent)}
    )
    for name in ("hana_db", "hana_bw"):
        found = settings.connection(name)
        assert (found.kind, found.host, found.port, found.database, found.user, found.password) == (
            "postgres",
            "127.0.0.1",
            5433,
            "lake",
            "reader",
            "env:PG_PASSWORD",
        )
    assert settings.sample is None
