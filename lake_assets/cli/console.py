"""How commands speak: tables, JSON, durations, and a terminal kept for progress while runs write.

Here: the few helpers that commands share. Not here: what they say.
"""

from __future__ import annotations

import io
import json
import os
import shlex
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, Literal

import click
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

#: No line that goes into a pipe or file is as long, so none is folded there.
_WIDE = 1_000_000

#: Columns between those of a table.
_GAP = 2


class _Console(Console):
    """Goes quiet where nobody reads any more (`| head`); rich would end the command with 1."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        # What is still in the buffer would fail again when the file is closed.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.file.fileno())
        os.close(nowhere)


def console(file: Any = None) -> Console:
    """A console on standard output (or `file`); rich knows that Korean is two columns wide."""
    target = file or sys.stdout
    width = None if target.isatty() else _WIDE
    return _Console(file=target, width=width, highlight=False, soft_wrap=False)


def show_table(
    screen: Console,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    right: Sequence[str] = (),
) -> None:
    """Print a borderless table; the columns in `right` are aligned right.

    On a terminal long cells fold between words. A word (a key, a number) is never cut: a table of
    too many columns is wider than the terminal instead.
    """
    cells = [[Text("" if cell is None else str(cell)) for cell in row] for row in rows]
    unlimited = screen.options.update(width=_WIDE)
    measured = [
        [Measurement.get(screen, unlimited, cell) for cell in (Text(name), *column)]
        for name, *column in zip(columns, *cells, strict=True)
    ]
    widths = _fitting(
        [max(cell.maximum for cell in column) for column in measured],
        [max(cell.minimum for cell in column) for column in measured],
        screen.width - _GAP * (len(columns) - 1),
    )
    total = sum(widths) + _GAP * (len(columns) - 1)
    made = Table(box=None, pad_edge=False, header_style="bold", show_edge=False, width=total)
    for name, width in zip(columns, widths, strict=True):
        side: Literal["right", "left"] = "right" if name in right else "left"
        made.add_column(name, justify=side, overflow="fold", width=width)
    for row in cells:
        made.add_row(*row)
    screen.print(made, crop=False)


def _fitting(widths: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """`widths` made narrower, the widest first and none under its least, until they fit.

    >>> _fitting([33, 40, 10], [33, 8, 10], 70)
    [33, 27, 10]
    >>> _fitting([33, 40, 10], [33, 8, 10], 20)
    [33, 8, 10]
    """
    found = list(widths)
    while sum(found) > room:
        foldable = [place for place, width in enumerate(found) if width > least[place]]
        if not foldable:
            break
        found[max(foldable, key=found.__getitem__)] -= 1
    return found


def lake_word() -> str:
    """How this command is called from here: `lake` where the PATH finds it, else its path.

    `make demo` runs it from an environment that nobody has activated.
    """
    own = Path(sys.executable).with_name("lake")
    found = shutil.which("lake")
    # There are other programs of this name.
    if not own.exists() or (found and Path(found).samefile(own)):
        return "lake"
    here = Path.cwd()
    return shlex.quote(str(own.relative_to(here) if own.is_relative_to(here) else own))


def say_json(value: Any) -> None:
    """One document on standard output."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def seconds(value: float | None) -> str:
    """`0.4`, `12.3`, `3:05`."""
    if value is None:
        return ""
    return f"{value:.1f}" if value < 100 else f"{int(value) // 60}:{int(value) % 60:02d}"


@contextmanager
def own_terminal(verbose: bool) -> Iterator[Console]:
    """A console for progress, while what runs write goes only where Dagster keeps it.

    Dagster copies a run's standard output and error into its log and shows them, DEBUG lines and
    all. Here the process' own two go nowhere for that time and progress has a copy of the real one.
    """
    if verbose:
        yield console()
        return
    fds = _descriptors()
    if fds is None:
        screen = console()
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            yield screen
        return
    kept = [os.dup(fd) for fd in fds]
    with os.fdopen(os.dup(fds[0]), "w", encoding="utf-8", buffering=1) as progress:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            sys.stdout.flush()
            sys.stderr.flush()
            for fd in fds:
                os.dup2(nowhere, fd)
            yield console(progress)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for copy, fd in zip(kept, fds, strict=True):
                os.dup2(copy, fd)
                os.close(copy)
            os.close(nowhere)


def _descriptors() -> tuple[int, int] | None:
    """Standard output and error, None where they are not the process' own (as in a test)."""
    try:
        return sys.stdout.fileno(), sys.stderr.fileno()
    except (io.UnsupportedOperation, AttributeError, ValueError):
        return None
