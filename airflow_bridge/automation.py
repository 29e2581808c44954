"""Automation conditions of assets → what begins the runs of a DAG.

Here: which conditions Airflow can have, and in what words the others are refused. Not here: the
DAGs (`graph.py`), and which partitions an update asks for (`updates.py`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import dagster as dg
from dagster._core.definitions.assets.graph.asset_graph import AssetNode

_ON_CRON = re.compile(r"on_cron\((.+), ([^,]+)\)")

#: What can be had, for a message.
POSSIBLE = "AutomationCondition.eager(), AutomationCondition.on_cron(…)"


@dataclass(frozen=True)
class Automation:
    """A DAG of its own: at each tick of `cron` in `zone`, else whenever an input is updated."""

    cron: str | None
    zone: str


def automation(condition: dg.AutomationCondition[dg.AssetKey]) -> Automation | None:
    """What `condition` is in Airflow, or None.

    Conditions are compared whole: `eager()` with a part taken out still has eager's label.
    """
    if condition == _eager():
        return Automation(None, "UTC")
    told = _ON_CRON.fullmatch(condition.get_label() or "")
    if told and condition == dg.AutomationCondition.on_cron(*told.groups()):
        return Automation(told[1], told[2])
    return None


@cache
def _eager() -> dg.AutomationCondition[Any]:
    return dg.AutomationCondition.eager()


def automated(nodes: Sequence[AssetNode]) -> list[tuple[AssetNode, ...]]:
    """The assets with a condition, those together that only run together."""
    found: dict[frozenset[dg.AssetKey], tuple[AssetNode, ...]] = {}
    for node in nodes:
        if node.automation_condition is not None and node.is_executable:
            keys = frozenset(node.execution_set_asset_keys)
            alone = len(keys) == 1
            found[keys] = (node,) if alone else tuple(one for one in nodes if one.key in keys)
    return list(found.values())
