"""`lake hdfs-upload`: a large local file into HDFS in parts, with progress.

Here: the words of the command, the connection, what is told. Not here: how it is cut, proved and
resumed (`preps/split_upload.py`).
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lake_assets.cli.console import console, say_json, seconds
from lake_assets.cli.main import env_option, json_option
from resources.errors import UsageError
from resources.settings import Settings, load_settings

if TYPE_CHECKING:
    from rich.console import Console

    from lake_assets.preps.file_cuts import Mode
    from lake_assets.preps.split_upload import SplitPlan, Told
    from resources.hdfs_store import HdfsFiles

_CONNECTION = "hdfs"
_UNITS = {"": 1, "B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30}


class _Size(click.ParamType[int]):
    """`256MB`; units of 1024, as HDFS counts its blocks."""

    name = "size"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"([0-9]{1,15}) ?([KMG]?B|)", str(value).upper())
        if not found or not int(found[1]):
            self.fail(f"{value!r} is no size; write 256MB, 1GB or a number of bytes.", param, ctx)
        return int(found[1]) * _UNITS[found[2]]


@click.command("hdfs-upload")
@click.argument("src", type=click.Path(path_type=Path))
@click.argument("dst")
@click.option(
    "--chunk-size", type=_Size(), default="256MB", show_default=True, help="The most a part has."
)
@click.option(
    "--mode",
    type=click.Choice(["bytes", "lines"]),
    default="bytes",
    show_default=True,
    help="Where it is cut: anywhere, or after newlines alone.",
)
@click.option(
    "--dry-run", is_flag=True, help="What would be sent; HDFS is asked for what is there already."
)
@env_option
@json_option
def hdfs_upload_command(
    src: Path, dst: str, chunk_size: int, mode: Mode, dry_run: bool, as_json: bool
) -> None:
    """Upload the file SRC into the folder DST of HDFS, in parts: part-00000, part-00001, ...

    Each part is written under a hidden name and renamed once HDFS's checksum of it is that of the
    bytes sent. Run again after a failure, it sends what is missing or differs. A file that changed
    since is refused (exit code 65): remove DST, or name another folder. DST is complete when it
    has _SUCCESS. Text whose parts are read one by one wants --mode lines.

    \b
    Examples:
      lake hdfs-upload sales.csv /data/landing/sales/2025-07 --mode lines
      lake hdfs-upload dump.bin /data/landing/dump --chunk-size 1GB --dry-run
    """
    from lake_assets.preps import PrepError
    from lake_assets.preps.split_upload import hdfs_split_upload, split_plan

    started = time.perf_counter()
    files = _files(load_settings())
    screen = console()
    screen.quiet = as_json
    cut = {"chunk_size": chunk_size, "mode": mode}
    try:
        with _progress(screen) as told:
            if dry_run:
                plan = split_plan(src, dst, chunk_size, mode, files=files, told=told)
            else:
                done = hdfs_split_upload(src, dst, chunk_size, mode, files=files, told=told)
    except PrepError as error:  # it speaks as the function, which nobody called
        raise PrepError(str(error).removeprefix("hdfs_split_upload: ")) from None
    if dry_run:
        _tell_plan(screen, plan)
        sent = [part.name for part in plan.missing]
        kept = [part.name for part in plan.parts if part.name in plan.there]
        total, sha256 = plan.bytes, plan.sha256
    else:
        sent, kept, total, sha256 = list(done.sent), list(done.kept), done.bytes, done.sha256
        screen.print(
            f"{dst}: {_parts(len(sent))} sent, {len(kept)} there already; {size(total)} in "
            f"{seconds(time.perf_counter() - started)} s",
            soft_wrap=True,
        )
    if as_json:
        words = {"ok": True, "dry_run": dry_run, "source": str(src), "folder": dst, **cut}
        say_json({**words, "bytes": total, "sha256": sha256, "sent": sent, "kept": kept})


def _files(settings: Settings) -> HdfsFiles:
    from resources.hdfs import Hdfs
    from resources.hdfs_store import HdfsFiles

    connection = settings.connection(_CONNECTION)
    if connection.kind != "hdfs":
        raise UsageError(
            f"The connection {_CONNECTION!r} of the environment {settings.env!r} is of kind "
            f"{connection.kind!r}; choose an environment whose {_CONNECTION!r} is HDFS by --env."
        )
    return HdfsFiles(Hdfs(_CONNECTION, connection))


def _tell_plan(screen: Console, plan: SplitPlan) -> None:
    for part in plan.parts:
        what = "there" if part.name in plan.there else "to send"
        screen.print(f"{part.name}  {size(part.bytes):>10}  {what}")
    screen.print(
        f"{plan.folder}: {_parts(len(plan.missing))} of {len(plan.parts)} to send; nothing was "
        "sent (--dry-run)",
        soft_wrap=True,
    )


@contextmanager
def _progress(screen: Console) -> Iterator[Told]:
    """A bar on a terminal; elsewhere a line for each part that is sent."""
    if screen.quiet or not screen.is_terminal:

        def line(what: str, done: int, of: int) -> None:
            if what and done == of:
                screen.print(f"{what}  {size(of):>10}  sent")

        yield line
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    shown = TextColumn("{task.description}")
    with Progress(
        shown, BarColumn(), DownloadColumn(binary_units=True), TransferSpeedColumn(),
        console=screen, transient=True,
    ) as bars:  # fmt: skip
        tasks = {"": bars.add_task("reading the source", total=None)}

        def bar(what: str, done: int, of: int) -> None:
            if what not in tasks:
                for name, task in tasks.items():
                    bars.update(task, visible=False, description=name)
                tasks[what] = bars.add_task(what, total=of)
            bars.update(tasks[what], completed=done, total=of)

        yield bar


def _parts(count: int) -> str:
    return "1 part" if count == 1 else f"{count} parts"


def size(count: int) -> str:
    """`256.0 MB`, in units of 1024.

    >>> size(10), size(256 << 20)
    ('10 B', '256.0 MB')
    """
    for unit in ("GB", "MB", "KB"):
        if count >= _UNITS[unit]:
            return f"{count / _UNITS[unit]:,.1f} {unit}"
    return f"{count} B"
