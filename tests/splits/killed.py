"""A process that makes one partition by splits and stops amid the third, for a test to kill.

Its words: folder, connections and source as JSON.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from resources.staged import Staged, Staging
from tests.splits.lake import Lake, made

_keep = Staging.keep


def _stopping(
    self: Staging, number: int, schema: Any, batches: Iterator[Any], totals: Any
) -> Staged:
    def begun() -> Iterator[Any]:
        yield next(batches)
        threading.Event().wait()

    return _keep(self, number, schema, begun() if number == 2 else batches, totals)


if __name__ == "__main__":
    Staging.keep = _stopping  # type: ignore[method-assign]
    folder, connections, source = sys.argv[1:]
    made(Lake(Path(folder), json.loads(connections)).work("split", **json.loads(source)))
