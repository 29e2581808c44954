"""What the commands of `lake airflow` share: options, and the bridge's errors as the lake's.

Here: nothing that only one of them needs. Not here: the commands (`airflow.py`,
`airflow_setup.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from airflow_bridge.metadata import GRANULARITIES
from resources.errors import LakeError

MODULE = "lake_assets.definitions"


class _BridgeFailed(LakeError):
    """What the bridge has to say, ended as the lake's commands end."""

    def __init__(self, text: str, exit_code: int) -> None:
        self.exit_code = exit_code
        super().__init__(text)


@contextmanager
def told() -> Iterator[None]:
    from airflow_bridge.errors import BridgeError

    try:
        yield
    except BridgeError as error:
        raise _BridgeFailed(str(error), error.exit_code) from None


module_option = click.option(
    "-m", "--module", default=MODULE, show_default=True, help="The module of the Definitions."
)
attribute_option = click.option(
    "--attribute", default="defs", show_default=True, help="Its variable."
)
location_option = click.option(
    "--location", help="The code location's name in workspace.yaml; else lake, or the module's."
)
all_option = click.option(
    "--all", "everything", is_flag=True, help="Also what Airflow does not fire here."
)
skip_option = click.option(
    "--skip-unmappable", is_flag=True, help="Leave out what Airflow cannot have."
)
granularity_option = click.option(
    "--granularity",
    type=click.Choice(GRANULARITIES),
    default="asset",
    show_default=True,
    help="What a task is, where a job does not say.",
)


def location_name(module: str, location: str | None) -> str:
    return location or ("lake" if module == MODULE else module)
