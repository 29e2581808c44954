"""The measured process: `python -m tests.bench.meter module:function arguments`.

Here: CPU seconds and peak memory of one side, told as JSON. Not here: anything that a side does not
need itself, for its imports would be memory of the side.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path


class Meter:
    """What a side hands in: CPU seconds by name, taken around the work alone.

    CPU is the process's own, of all its threads, user and system; a server's is not in it.
    """

    def __init__(self) -> None:
        self.cpu: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str = "cpu") -> Iterator[None]:
        before = _cpu()
        yield
        self.cpu[name] = _cpu() - before


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _peak_megabytes() -> float:
    """The process's own high-water mark. `ru_maxrss` would begin at that of its parent."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    peak = next(line for line in lines if line.startswith("VmHWM"))
    return int(peak.split()[1]) / 1024


def _child(function: str, arguments: str) -> None:
    """The measured process. The function imports what it uses before it starts the meter."""
    module, _, name = function.partition(":")
    meter = Meter()
    facts = getattr(import_module(f"tests.bench.{module}"), name)(meter, **json.loads(arguments))
    found = {"cpu": meter.cpu, "megabytes": _peak_megabytes(), "facts": facts}
    print(json.dumps(found), flush=True)
    os._exit(0)  # a run's threads and pools are nobody's concern any more


if __name__ == "__main__":
    _child(*sys.argv[1:])
