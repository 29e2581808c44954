"""Dagster's example `quickstart_etl`: top stories of Hacker News, and the words in their titles.

Rebuilt after https://github.com/dagster-io/dagster (Apache-2.0), examples/quickstart_etl:
three assets in a row, a graph-backed one, and a schedule of all of them at midnight.
"""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import dagster as dg

DATA = dg.EnvVar("QUICKSTART_DATA")

STORIES = {1: "Show HN: A lake in a box", 2: "The lake, explained", 3: "Ask HN: Which lake?"}


def _path(name: str) -> Path:
    return Path(DATA.get_value() or "data", name)


@dg.asset(group_name="hackernews", compute_kind="HackerNews API")
def topstory_ids() -> None:
    """Get up to 100 top stories from the HackerNews topstories endpoint.

    API Docs: https://github.com/HackerNews/API#new-top-and-best-stories
    """
    _path("topstory_ids.json").write_text(json.dumps(list(STORIES)))


@dg.asset(deps=[topstory_ids], group_name="hackernews", compute_kind="HackerNews API")
def topstories(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
    """Get items based on story ids from the HackerNews items endpoint. It may take 30 seconds.

    API Docs: https://github.com/HackerNews/API#items
    """
    found = {
        number: STORIES[number] for number in json.loads(_path("topstory_ids.json").read_text())
    }
    context.log.info(f"Got {len(found)} items so far.")
    _path("topstories.json").write_text(json.dumps(found))
    preview = "\n".join(f"- {title}" for title in found.values())
    return dg.MaterializeResult(
        metadata={"num_records": len(found), "preview": dg.MetadataValue.md(preview)}
    )


@dg.asset(deps=[topstories], group_name="hackernews", compute_kind="Plot")
def most_frequent_words() -> dg.MaterializeResult[Any]:
    """Get the top 25 most frequent words in the titles of the top 100 HackerNews stories."""
    titles = json.loads(_path("topstories.json").read_text()).values()
    words = Counter(word.strip(":,?").lower() for title in titles for word in title.split())
    return dg.MaterializeResult(metadata={"words": dict(words.most_common(25))})


@dg.op
def foo_op() -> int:
    return 5


@dg.graph_asset
def my_asset() -> Any:
    return foo_op()


daily_refresh_schedule = dg.ScheduleDefinition(
    job=dg.define_asset_job(name="all_assets_job"), cron_schedule="0 0 * * *"
)

defs = dg.Definitions(
    assets=[topstory_ids, topstories, most_frequent_words, my_asset],
    schedules=[daily_refresh_schedule],
)
