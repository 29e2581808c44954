"""A real OpenSSH sshd of the tests' own: its keys in a folder that goes, a free port, sftp alone.

Here: starting, stopping, the addresses a connection needs. Not here: files (those are the tests')
and the fixture (`tests/conftest.py`).
"""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.postgres import PATIENCE, NoServer, free_port

_CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
PidFile {folder}/sshd.pid
AuthorizedKeysFile {folder}/authorized_keys
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin yes
Subsystem sftp internal-sftp
ForceCommand internal-sftp
"""


@dataclass
class SftpServer:
    """A running server; `files` is a folder of this machine that it shows by its own path."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]
    host: str = "127.0.0.1"

    @property
    def files(self) -> Path:
        return self.folder / "files"

    @property
    def user(self) -> str:
        return getpass.getuser()

    @property
    def options(self) -> dict[str, str | int | bool]:
        return {
            "key_file": str(self.folder / "user"),
            "known_hosts": str(self.folder / "known_hosts"),
        }

    def start(self) -> None:
        self.process = _started(self.folder, self.port)

    def kill(self) -> None:
        """End the server and what it serves."""
        subprocess.run(["pkill", "-KILL", "-P", str(self.process.pid)], check=False)
        self.process.kill()
        self.process.wait()


def _started(folder: Path, port: int) -> subprocess.Popen[bytes]:
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    command = ["setpriv", "--pdeathsig", "KILL", "/usr/sbin/sshd", "-D", "-e", "-f"]
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen([*command, str(folder / "sshd_config")], stderr=log)
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if process.poll() is not None:
            raise NoServer(f"sshd ended: {(folder / 'log').read_text()[-500:]}")
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return process
        time.sleep(0.05)
    raise NoServer(f"sshd did not answer within {PATIENCE} s")


@contextmanager
def running_sftp() -> Iterator[SftpServer]:
    """A server for the duration of the block (a quarter of a second to start)."""
    if not Path("/usr/sbin/sshd").exists():
        raise NoServer("no sshd; `apt-get install openssh-server`")
    folder = Path(tempfile.mkdtemp(prefix="lake-sftp-"))
    server: SftpServer | None = None
    try:
        for name in ("host", "user"):
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
            subprocess.run(command, check=True)
        shutil.copy(folder / "user.pub", folder / "authorized_keys")
        port = free_port()
        key = (folder / "host.pub").read_text()
        (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {key}")
        (folder / "sshd_config").write_text(_CONFIG.format(folder=folder, port=port))
        (folder / "files").mkdir()
        server = SftpServer(folder, port, _started(folder, port))
        yield server
    finally:
        if server is not None:
            server.kill()
        shutil.rmtree(folder, ignore_errors=True)
