"""A process that makes one partition by splits, for a test to kill: folder, source as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.splits.lake import Lake, made

if __name__ == "__main__":
    folder, connections, source = sys.argv[1:]
    made(Lake(Path(folder), json.loads(connections)).work("split", **json.loads(source)))
