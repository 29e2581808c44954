"""The prep functions against the same written natively, in CPU seconds on 5M rows; a call's cost.

Here: rounds and ratios. Not here: the functions and the native ways (`preps_sides.py`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.bench import preps_sides
from tests.bench.runner import Bench, DiffersError, Ratio, Rounds, Side, alternate, cpu

#: Of CPU, for each function.
LIMITS = {"polars": 1.3, "pandas_arrow": 1.1}
#: Milliseconds that a call may add.
OVERHEAD = 1.0

NAMES = list(preps_sides.CALLS)


def run(bench: Bench) -> list[Ratio]:
    file = str(bench.folder / "preps.parquet")
    rows = preps_sides.ROWS // (10 if bench.quick else 1)
    preps_sides.write_rows(file, rows)
    found = []
    for engine in preps_sides.ENGINES:
        words = {"file": file, "engine": engine, "names": NAMES}
        differs = Side(engine, "preps_sides:compared", words).run()["facts"]
        if differs:
            raise DiffersError(f"{engine}: not the native result: {differs}")
        sides = [
            Side(f"{engine} {side}", "preps_sides:measured", {**words, "side": side})
            for side in ("ours", "native")
        ]
        if engine in LIMITS:
            limit, rounds = LIMITS[engine], alternate("preps", *sides, bench.rounds(7))
            found += [rounds.ratio(f"{engine} {name}", "s", cpu(name), limit) for name in NAMES]
        else:
            found[-1] = replace(found[-1], notes=_stated(alternate("preps", *sides, 1)))
    return found + [_overhead(file, engine) for engine in LIMITS]


def _stated(rounds: Rounds) -> dict[str, str]:
    """NumPy-backed pandas has no limit, as our frames go to Arrow and back: one round, told."""
    ((ours,), (peer,)) = (rounds.ours, rounds.peer)
    ratios = (f"{name} {cpu(name)(ours) / cpu(name)(peer):.2f}" for name in NAMES)
    return {"NumPy-backed": "; ".join(ratios)}


def _overhead(file: str, engine: str) -> Ratio:
    """The function that adds most to a native call of three rows."""
    calls: dict[str, Any] = Side(
        engine, "preps_sides:calling", {"file": file, "engine": engine}
    ).run()["facts"]
    added = {name: one["ours"] - one["native"] for name, one in calls.items()}
    worst = max(added, key=added.__getitem__)
    notes = {"most": worst, **{name: round(ms, 2) for name, ms in added.items()}}
    what, rounds = f"{engine} added to a call", [added[worst] / OVERHEAD]
    return Ratio("preps", what, "ms", added[worst], OVERHEAD, rounds, 1.0, False, notes)
