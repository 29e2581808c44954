"""A slow wire: a TCP forwarder that lets so many bytes a second through, each way.

Here: the forwarder, a process of its own so that its work is nobody else's CPU time. Not here: who
is sent through it (`hdfs.py` has its DataNode advertise it).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_CHUNK = 64 << 10
#: Small, or a few megabytes would be "sent" at once into the kernel's own buffers.
_KERNEL_BUFFER = 128 << 10


@contextmanager
def throttled(host: str, port: int, to_port: int, bytes_per_second: float) -> Iterator[None]:
    """Listen on `host:port`, forward to 127.0.0.1:`to_port`; all connections share the rate."""
    words = [host, str(port), str(to_port), str(bytes_per_second)]
    with subprocess.Popen(
        [sys.executable, "-I", str(Path(__file__)), *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        if process.stdout.readline() != b"READY\n":
            raise RuntimeError(f"cannot listen on {host}:{port}")
        try:
            yield
        finally:
            process.stdin.close()  # it ends with that, also when this process is killed


def _pace(bytes_per_second: float) -> Callable[[int], Awaitable[None]]:
    """Waits as long as a wire would be busy with what was sent so far and with this."""
    free_at = 0.0

    async def wait(size: int) -> None:
        nonlocal free_at
        now = asyncio.get_running_loop().time()
        free_at = max(now, free_at) + size / bytes_per_second
        await asyncio.sleep(free_at - now)

    return wait


async def _copy(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    pace: Callable[[int], Awaitable[None]],
) -> None:
    with contextlib.suppress(ConnectionError):
        while chunk := await reader.read(_CHUNK):
            await pace(len(chunk))
            writer.write(chunk)
            await writer.drain()
        writer.write_eof()


async def _serve(host: str, port: int, to_port: int, bytes_per_second: float) -> None:
    up, down = _pace(bytes_per_second), _pace(bytes_per_second)

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            back, forth = await asyncio.open_connection("127.0.0.1", to_port, limit=_CHUNK)
            await asyncio.gather(_copy(reader, forth, up), _copy(back, writer, down))
            forth.close()
        writer.close()

    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _KERNEL_BUFFER)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BUFFER)
    listener.bind((host, port))
    server = await asyncio.start_server(forward, sock=listener, limit=_CHUNK)
    print("READY", flush=True)
    await server.serve_forever()


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, daemon=True).start()
    asyncio.run(_serve(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])))
