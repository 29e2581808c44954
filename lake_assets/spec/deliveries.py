"""A delivery: an asset written to another system.

Not here: the targets (`resources/deliver.py`), and rules over several records
(`lake_assets/delivery.py`).
"""

from __future__ import annotations

from pydantic import (
    Field,
    model_validator,
)

from lake_assets.spec.assets import Named
from lake_assets.spec.columns import Columns
from lake_assets.spec.rules import Checks, Gates
from lake_assets.words import (
    AssetName,
    ColumnName,
    Text,
    either,
)
from resources.deliver import FileTarget, IndexTarget, TableTarget, Target
from resources.settings import CONNECTIONS


class DeliverySpec(Named):
    """Data written out of the lake, out/<connection>/<name>: each partition of an asset for itself.

    It has the partitions of the asset. Nothing of it is kept in the lake but its history.
    """

    model_config = either("table", "file", "index")

    from_: AssetName = Field(alias="from", description="the asset that is delivered: prep/x")
    connection: str = Field(
        description="a connection of the environment, for example postgres",
        json_schema_extra={"enum": list(CONNECTIONS)},
    )
    names: dict[ColumnName, Text] | None = Field(
        None,
        alias="columns",
        min_length=1,
        description="column of the lake: its name there, {customer: 거래처}; by default all "
        "columns, the partition's last, by their own names",
    )
    table: TableTarget | None = Field(None, description="a table that is there")
    file: FileTarget | None = Field(None, description="a file on SFTP, on HDFS, in a folder")
    index: IndexTarget | None = Field(None, description="an index of Elasticsearch")

    @model_validator(mode="after")
    def _one(self) -> DeliverySpec:
        if len([one for one in (self.table, self.file, self.index) if one is not None]) != 1:
            raise ValueError("give either table or file or index")
        return self

    @property
    def target(self) -> Target:
        found = self.table or self.file or self.index
        assert found is not None
        return found

    @property
    def inputs(self) -> list[str]:
        return [self.from_]

    @property
    def named_inputs(self) -> dict[str, str]:
        return {self.from_.split("/")[-1]: self.from_}

    @property
    def offsets(self) -> dict[str, tuple[int, int]]:
        return {}

    @property
    def columns(self) -> Columns:
        """Its own: none. Those that it delivers are the asset's (`pipeline.Delivered`)."""
        return {}

    @property
    def partitions(self) -> None:
        return None

    @property
    def gates(self) -> Gates:
        return Gates()

    @property
    def checks(self) -> Checks:
        return Checks()
