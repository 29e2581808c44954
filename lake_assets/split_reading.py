"""One partition of a source read in parts, over several connections at once, and on after a cut.

Here: who reads which part, when all are there, and whether they add up to what the source counts.
Not here: where a partition is cut (`resources/splits.py`), what is kept of parts
(`resources/staged.py`) and the partition itself, which is published as any other.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa

from lake_assets.materialise import Work
from lake_assets.publish import Markdown
from lake_assets.spec.sources import SourceSpec, SplitSpec
from resources import splits
from resources.errors import LakeError, NotYetError, PermanentError, TransientError
from resources.settings import Settings
from resources.source import (
    Reading,
    Source,
    Span,
    Split,
    Splittable,
    Survey,
    Table,
    Totals,
    open_source,
)
from resources.staged import Staged, Staging, question, staging
from resources.table_reader import add, arrow_schema, differing

#: Connections at once where the source has no `limits: connections`: what a server of some age
#: serves besides its own work.
AT_ONCE = 4

#: Seconds after which a wait looks around: whether somebody wants the run to end, what to tell.
_LOOK = 0.5


@dataclass(frozen=True)
class SplitReading:
    """A reading whose rows come part after part, and what is to be told of the parts."""

    reading: Reading
    told: Callable[[], Mapping[str, str]]


def rule_of(spec: SourceSpec, declared: SplitSpec) -> splits.Rule:
    """The section of the pipeline file in the words of `resources`."""
    kind = spec.columns[declared.column].parsed
    bounds = tuple(splits.value_of(kind, one) for one in declared.bounds or ())
    return splits.Rule(declared.column, declared.count, bounds)


@contextmanager
def reading(
    work: Work, spec: SourceSpec, source: Source, table: Table, span: Span | None, key: str
) -> Iterator[SplitReading]:
    """The rows of the partition `key` as `spec.splits` says.

    Parts that are complete survive what ends the block: an error that may pass, or the process. An
    error that somebody has to mend, and the block's own end, throw them away.
    """
    assert spec.splits is not None
    asset, settings = work.asset.key, work.settings

    def say(text: str) -> None:
        work.say(" ".join(filter(None, (asset, key))) + f": {text}")

    if not isinstance(source, Splittable):
        raise PermanentError(f"{asset}: the connection {spec.connection!r} cannot be split.")
    rule = rule_of(spec, spec.splits)
    address = settings.connection(spec.connection).model_dump_json(exclude={"limits"})
    asked = question(address, table, span, rule)
    folder = Path(settings.home, "splits", settings.env, quote(f"{asset}.{key}", safe=""))
    with staging(folder, asked, table) as kept, source.shared(table) as state:
        table = replace(table, state=state)
        try:
            with ExitStack() as stack:
                before = source.survey(table, span, rule.column, ends=rule.count is not None)
                parts = _parts(kept, rule, table, before)
                crew = Crew(table, span, kept, parts)
                extra = _extra(settings, spec.connection, len(crew.todo))
                if crew.before:
                    say(f"{len(crew.before)} of {len(parts)} splits are there from before")
                stack.callback(crew.leave)
                crew.start(
                    source, lambda: open_source(settings, spec.connection, wait=False), extra
                )
                check = _Check(source, table, span, rule, before, crew)
                batches = stack.enter_context(closing(_batches(crew, say, check)))
                yield SplitReading(
                    Reading(
                        schema=arrow_schema(table.columns),
                        batches=batches,
                        totals={key: before.totals},
                        route=f"{before.route}, {len(parts)} splits by {rule.column}",
                        reconciled=check.words,
                    ),
                    lambda: {"splits": _table(crew, spec)},
                )
        except LakeError as error:
            if isinstance(error, PermanentError):
                kept.discard()
            raise
        kept.discard()


def _parts(kept: Staging, rule: splits.Rule, table: Table, found: Survey) -> list[Split]:
    """The parts as an earlier attempt fixed them, else as they are cut now."""
    known = kept.cuts(rule.column)
    if known is None:
        kind = next(column.type for column in table.columns if column.name == rule.column)
        known = splits.cuts(rule, kind, found.low, found.high), found.nullable
        kept.fix(known[0], nullable=known[1])
    return splits.ranges(rule.column, known[0], nullable=known[1])


def _extra(settings: Settings, connection: str, parts: int) -> int:
    """How many connections are of use besides the one that is open."""
    allowed = settings.connection(connection).limits.connections or AT_ONCE
    return max(0, min(allowed, parts) - 1)


class _StoppedError(Exception):
    """Nobody wants the rest of a part."""


@dataclass
class Crew:
    """Connections that take part after part until none is left, each in a thread of its own.

    Where one fails the others complete what they are at, so that it need not be read again, and
    take nothing new; a mistake that somebody has to mend ends them all.
    """

    table: Table
    span: Span | None
    kept: Staging
    parts: Sequence[Split]
    done: dict[int, Staged] = field(init=False)
    before: frozenset[int] = field(init=False)
    todo: deque[int] = field(init=False)
    connections: int = 1
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _threads: list[threading.Thread] = field(default_factory=list)
    _errors: list[BaseException] = field(default_factory=list)
    _stopped: bool = False

    def __post_init__(self) -> None:
        found = ((number, self.kept.found(number)) for number in range(len(self.parts)))
        self.done = {number: one for number, one in found if one is not None}
        self.todo = deque(one for one in range(len(self.parts)) if one not in self.done)
        self.before = frozenset(self.done)

    def start(self, source: Source, more: Callable[[], Source], extra: int) -> None:
        """Begin to read, over `source` and over up to `extra` connections more."""

        def another() -> None:
            with ExitStack() as stack:
                try:
                    opened = stack.enter_context(more())
                except LakeError:  # none is free; what there is reads it all
                    return
                with self._changed:
                    self.connections += 1
                self._read(opened)

        self._threads = [threading.Thread(target=self._read, args=(source,))]
        self._threads += [threading.Thread(target=another) for _ in range(extra)]
        for thread in self._threads:
            thread.start()

    def take(self, number: int, look: Callable[[], None]) -> Staged:
        """A part, as soon as it is there; else the error for which it will not be."""
        while True:
            look()
            with self._changed:
                if number in self.done:
                    return self.done[number]
                if self._errors and not any(thread.is_alive() for thread in self._threads):
                    raise self._errors[0]
                self._changed.wait(_LOOK)

    def join(self) -> None:
        for thread in self._threads:
            thread.join()

    def leave(self) -> None:
        """End whatever is still being read."""
        self._stopped = True
        self.join()

    def _read(self, source: Source) -> None:
        try:
            while (number := self._next()) is not None:
                part = replace(self.table, split=self.parts[number])
                with source.read(part, self.span) as found:
                    totals = _sum(list((found.totals or {}).values()), self.table)
                    batches = self._wanted(found.batches)
                    staged = self.kept.keep(number, found.schema, batches, totals)
                with self._changed:
                    self.done[number] = staged
                    self._changed.notify_all()
        except _StoppedError:
            pass
        except BaseException as error:
            with self._changed:
                self._errors.append(error)
                self._stopped |= not isinstance(error, TransientError | NotYetError)
                self._changed.notify_all()

    def _next(self) -> int | None:
        with self._changed:
            if self._stopped or self._errors or not self.todo:
                return None
            return self.todo.popleft()

    def _wanted(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            if self._stopped:
                raise _StoppedError
            yield batch


@dataclass(frozen=True)
class _Check:
    """Whether the parts are together what the source counts of the whole partition."""

    source: Splittable
    table: Table
    span: Span | None
    rule: splits.Rule
    before: Survey
    crew: Crew

    @property
    def words(self) -> str:
        seen = "same snapshot" if self.table.state is not None else "before and after"
        if not self.crew.before:
            return seen
        return "before and after; some splits were read by an earlier attempt"

    def __call__(self) -> None:
        crew, before = self.crew, {"": self.before.totals}
        crew.join()
        if self.table.state is None:
            after = self.source.survey(self.table, self.span, self.rule.column, ends=False)
            if differing(before, {"": after.totals}):
                self._refuse("changed while its splits were read: its count or sums before and "
                             "after differ")  # fmt: skip
        together = _sum([one.totals for one in crew.done.values()], self.table)
        if not differing(before, {"": together}):
            return
        told = (
            f"its splits have {together.rows} rows together, and all of it has "
            f"{self.before.totals.rows}, or their sums differ"
        )
        if any(isinstance(bound, str) for bound in self.rule.bounds):
            told += (
                " (bounds that are text must ascend in the order of the database, its collation)"
            )
        if self.table.state is not None and not crew.before:
            raise PermanentError(f"{self.table.shown}: {told}, although nothing can have changed.")
        self._refuse(told)

    def _refuse(self, what: str) -> None:
        self.crew.kept.discard()
        raise TransientError(
            f"{self.table.shown}: {what}. All its splits are thrown away and will be read again."
        )


def _batches(
    crew: Crew, say: Callable[[str], None], check: Callable[[], None]
) -> Generator[pa.RecordBatch, None, None]:
    """The rows of the parts in their order, whichever is there first."""
    told = set(crew.before)

    def look() -> None:
        for number in sorted(crew.done.keys() - told):
            told.add(number)
            rows = crew.done[number].totals.rows
            say(f"split {number + 1}: {rows:,} rows; {len(told)} of {len(crew.parts)} are there")

    for number in range(len(crew.parts)):
        for batch in crew.take(number, look).batches():
            look()
            yield batch
    look()
    check()


def _sum(parts: Sequence[Totals], table: Table) -> Totals:
    return add([Totals(0, dict.fromkeys(table.sums, 0)), *parts])


def _table(crew: Crew, spec: SourceSpec) -> Markdown:
    """The parts for the history; bounds are values, so those of a personal column are not told."""
    hidden = spec.columns[crew.parts[0].column].pii != "none"
    lines = ["| split | rows | seconds | |", "| --- | --- | --- | --- |"]
    for number, part in enumerate(crew.parts):
        one = crew.done[number]
        name = f"{number + 1}" if hidden else splits.shown(part)
        note = "read before" if one.before else ""
        lines.append(f"| {name} | {one.totals.rows:,} | {one.seconds:.2f} | {note} |")
    return Markdown("\n".join([*lines, "", f"{crew.connections} connections"]))
