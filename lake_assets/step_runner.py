"""Steps run over the rows of a dataset: batch by batch as far as each row stands for itself.

Here: from a stream of Arrow batches to one in the declared columns, with the rows before and after
each step counted, and what it warns of. Not here: where rows come from and go to
(`materialise.py`), what steps may be (`steps.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from warnings import catch_warnings, simplefilter

import polars as pl
import pyarrow as pa

from lake_assets import step_columns, steps, transform
from lake_assets.pipeline import Asset
from lake_assets.preps import Step
from lake_assets.publish import Markdown
from lake_assets.sql_engine import BATCH_ROWS
from lake_assets.step_params import in_yaml
from resources.errors import PermanentError
from resources.frames import to_table

#: Warnings that the history keeps of a partition.
MOST_WARNINGS = 20


@dataclass
class Run:
    """The steps of one partition. `personal`: no value may be in the words of an error.

    `rows` are those before the first step and after each; `warned` is what steps warned of, once
    each (a dict for its order). Both are complete when the stream has ended.
    """

    asset: Asset
    steps: Sequence[Step]
    personal: bool
    rows: list[int] = field(init=False)
    warned: dict[str, None] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.rows = [0] * (len(self.steps) + 1)

    def batches(
        self, reader: pa.RecordBatchReader, declared: pa.Schema
    ) -> Iterator[pa.RecordBatch]:
        """The rows after the last step, fitted to the declared columns.

        Up to the first step that needs all rows they come and go batch by batch; from there on the
        partition is in memory.
        """
        wrong = list(step_columns.check(self.asset, self.steps, reader.schema))
        if wrong:
            raise PermanentError("\n".join(map(str, wrong)))
        alone = [steps.rowwise(step) for step in self.steps]
        cut = alone.index(False) if False in alone else len(alone)
        frames = (self._applied(pl.DataFrame(batch), 0, cut) for batch in reader)
        if cut < len(alone):
            none = self._applied(pl.DataFrame(reader.schema.empty_table()), 0, cut)
            whole = pl.concat([none, *frames])
            frames = (self._applied(one, cut, len(alone)) for one in [whole])
        name = f"{self.asset.key}: what the steps give"
        for frame in frames:
            self.rows[-1] += frame.height
            table = transform.fitted(to_table(frame), declared, name)
            yield from table.to_batches(BATCH_ROWS)

    def _applied(self, frame: Any, start: int, end: int) -> Any:
        """The frame after the steps from `start` to before `end`."""
        for index in range(start, end):
            step = self.steps[index]
            self.rows[index] += frame.height
            try:
                with catch_warnings(record=True) as caught:
                    simplefilter("always")
                    frame = steps.applied(index + 1, step, frame, personal=self.personal)
            except steps.StepError as error:
                raise PermanentError(str(self.asset.mistake(error.place, error.what))) from (
                    None if self.personal else error
                )
            words = (str(one.message) for one in caught)
            own = (f"step {index + 1}, {one}" for one in words if one.startswith(f"{step.name}: "))
            self.warned.update(dict.fromkeys(own))
        return frame

    def told(self) -> Markdown:
        """The rows before and after each step and what was warned of, as the history shows them."""
        lines = ["| step | | rows before | rows after |", "| --- | --- | ---: | ---: |"]
        for number, step in enumerate(self.steps, 1):
            params = in_yaml(step.params) if step.params else ""
            shown = f"{step.name} {params[:80]}{'…' if len(params) > 80 else ''}".replace("|", "¦")
            before, after = self.rows[number - 1 : number + 1]
            lines.append(f"| {number} | {shown} | {before:,} | {after:,} |")
        warned = [f"\n{one}" for one in list(self.warned)[:MOST_WARNINGS]]
        return Markdown("\n".join([*lines, *warned]))
