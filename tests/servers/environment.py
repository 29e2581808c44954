"""The test environment `pg`: the shipped `local`, its two HANA connections on a PostgreSQL server.

Here: writing its file into a folder, to be named in `LAKE_ENVIRONMENTS`. Not here: the server and
its tables. No pipeline file differs between `local` and `pg`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from resources.settings import SHIPPED


def write_pg_environment(
    folder: Path, port: int, database: str, user: str, password_env: str | None = None
) -> Path:
    """Write `<folder>/pg.yaml`; the server listens on 127.0.0.1. Without `password_env`, none."""
    text = (SHIPPED / "local.yaml").read_text(encoding="utf-8")
    environment: dict[str, Any] = yaml.safe_load(text)
    address = {
        "kind": "postgres",
        "host": "127.0.0.1",
        "port": port,
        "database": database,
        "user": user,
        **({"password": f"env:{password_env}"} if password_env else {}),
    }
    environment["connections"].update(hana_db=address, hana_bw=address)
    environment["sample"] = None
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "pg.yaml"
    file.write_text(yaml.safe_dump(environment, sort_keys=False), encoding="utf-8")
    return file
