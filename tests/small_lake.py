"""A lake of a few assets without rows, for tests of planning, running and the command line.

`raw/sales` (daily) and `raw/customer` (no partitions) make `prep/sales` (daily), which makes
`prep/month` (monthly). The variable SMALL_LAKE steers them, for example
`fail=raw/sales:2025-01-03 slow=prep/sales version=2 code=2`: a partition that fails, an asset that
waits (or, with `stuck=`, computes in C, where no Python signal handler runs), another content of
raw/sales (that of prep/sales does not change), another code version; `warn=prep/sales:2025-01` is
a check that fails for those partitions and stops nothing. With LAKE_HOME, empty files stand in the
store.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from lake_assets.versions import input_digest, latest
from resources.errors import PermanentError
from resources.file_store import FILE
from resources.partition import Cadence, Partition
from resources.settings import load_settings

DAILY = dg.DailyPartitionsDefinition("2025-01-01", end_date="2025-03-04", timezone="Asia/Seoul")
MONTHLY = dg.MonthlyPartitionsDefinition(
    "2025-01", end_date="2025-03", timezone="Asia/Seoul", fmt="%Y-%m"
)


def wish(name: str) -> str:
    return dict(one.split("=") for one in os.environ.get("SMALL_LAKE", "").split()).get(name, "")


def key(text: str) -> dg.AssetKey:
    return dg.AssetKey(text.split("/"))


def make(
    name: str, inputs: Mapping[str, str], partitions: dg.PartitionsDefinition[Any] | None, size: int
) -> dg.AssetsDefinition:
    """`inputs`: asset → how its partitions are read (same, none, days, source)."""
    changing = name == "raw/sales"

    @dg.asset(
        key=name.split("/"),
        deps=[key(one) for one in inputs],
        partitions_def=partitions,
        group_name="customers" if "customer" in name else "sales",
        code_version=(wish("code") or "1") if changing else "1",
        backfill_policy=dg.BackfillPolicy.multi_run(size) if partitions else None,
        retry_policy=dg.RetryPolicy(max_retries=1, delay=300),
    )
    def step(context):  # type: ignore[no-untyped-def]
        print(f"made {name} by hand", flush=True)
        if wish("slow") == name:
            time.sleep(600)
        if wish("stuck") == name:
            hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)
        ones = list(context.partition_keys) if partitions else [""]
        failed = [one for one in ones if wish("fail") == f"{name}:{one}"]
        made = {
            one: {
                "lake/data_version": f"{name}{one}{wish('version') if changing else ''}",
                "lake/input_versions": json.dumps(dict(_read(context.instance, inputs, one))),
                "dagster/partition_row_count": 5,
            }
            for one in ones
            if one not in failed
        }
        for one in made:
            _touch(name, one)
        if failed:
            for one, metadata in made.items():
                tags = {"dagster/code_version": "1"}
                yield dg.AssetMaterialization(key(name), None, metadata, one or None, tags)
            raise _failure(name, failed)
        if partitions:
            for one, metadata in made.items():
                context.add_asset_metadata(metadata, partition_key=one)
        yield dg.MaterializeResult(metadata=None if partitions else made[""])
        yield from _warnings(name, ones)

    return step


def _read(
    instance: dg.DagsterInstance, inputs: Mapping[str, str], one: str
) -> Iterator[tuple[str, str]]:
    for name, how in inputs.items():
        days = [day for day in DAILY.get_partition_keys() if day.startswith(one)]
        read = {"same": [one], "none": [""], "days": days, "source": []}[how]
        if read:
            found = latest(instance, key(name), None if read == [""] else read)
            versions = {one: found[one].data_version if one in found else "" for one in read}
            yield name, input_digest(versions)


def _warnings(name: str, ones: list[str]) -> Iterator[dg.AssetCheckEvaluation]:
    """As the builder reports them: for all partitions together, then for each that failed."""
    warned = [one for one in ones if wish("warn") and f"{name}:{one}".startswith(wish("warn"))]
    lines = [f"{one}: rows: 5, allowed 6" for one in warned]
    told = [("\n".join(lines), None), *zip(lines, warned, strict=True)]
    for description, partition in told if warned else ():
        yield dg.AssetCheckEvaluation(
            asset_key=key(name),
            check_name="checks",
            passed=False,
            severity=dg.AssetCheckSeverity.WARN,
            description=description,
            partition=partition,
        )


def _failure(name: str, failed: list[str]) -> Exception:
    """The ways in which an asset fails: `kind=gate` (by default), transient, plain, bug."""
    kind = wish("kind")
    if kind == "transient":
        return dg.Failure(f"{name}: the host is not reachable", {"lake/exit_code": 1})
    if kind == "plain":
        return PermanentError(f"{name}: a right is missing")
    if kind == "bug":
        return ZeroDivisionError("division by zero")
    shown = ", ".join(failed) or "''"
    said = f"{name}: the gate unique failed for {shown}"
    return dg.Failure(said, {"lake/exit_code": 65}, allow_retries=False)


def _touch(name: str, one: str) -> None:
    if os.environ.get("LAKE_HOME"):
        layer, table = name.split("/")
        cadence: Cadence | None = "monthly" if name == "prep/month" else "daily" if one else None
        path = Path(load_settings().store_root, Partition(layer, table, cadence, one).path, FILE)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def build() -> dg.Definitions:
    return dg.Definitions(
        assets=[
            dg.AssetSpec(["src", "hana_bw", "sales"]),
            make("raw/sales", {"src/hana_bw/sales": "source"}, DAILY, 31),
            make("raw/customer", {}, None, 1),
            make("prep/sales", {"raw/sales": "same", "raw/customer": "none"}, DAILY, 31),
            make("prep/month", {"prep/sales": "days"}, MONTHLY, 12),
        ]
    )


defs = build()
