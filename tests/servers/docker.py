"""A real Docker engine of the tests' own: Debian's dockerd, with a socket and images of its own.

Here: starting it, a base image made by debootstrap from the mirror that apt uses here (no image
registry is needed), a base with one of the machine's other Pythons. Not here: the images of
`deploy/`, which `deploy/build.sh` builds, and what runs in them.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.airflow import find_python
from tests.servers.hadoop import server_folder
from tests.servers.postgres import NoServer

#: What Dockerfiles of `deploy/` begin with.
RELEASE = "bookworm"


@dataclass(frozen=True)
class Docker:
    """A running engine; containers and builds share the host's network."""

    folder: Path

    @property
    def variables(self) -> dict[str, str]:
        """For its command line: this engine, nothing of the user's settings, the older builder."""
        return {
            "DOCKER_HOST": f"unix://{self.folder / 'docker.sock'}",
            "DOCKER_CONFIG": str(self.folder / "config"),
            "DOCKER_BUILDKIT": "0",
        }

    def call(self, *words: str, seconds: float = 900) -> str:
        """A `docker` command; what it printed."""
        done = subprocess.run(
            ["docker", *words],
            env={**os.environ, **self.variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        said = f"{done.stdout[-5000:]}\n{done.stderr[-5000:]}"
        assert done.returncode == 0, f"docker {' '.join(words)}: {said}"
        return done.stdout

    def base(self) -> str:
        """The name of a minimal Debian 12; made where it is not there yet (half a minute)."""
        name = f"lake-test-base:{RELEASE}"
        if not self.call("images", "-q", name):
            with server_folder("debootstrap") as folder:
                root = folder / "root"
                _run("debootstrap", "--variant=minbase", RELEASE, str(root), _mirror())
                with subprocess.Popen(
                    ["tar", "c", "-C", str(root), "."], stdout=subprocess.PIPE
                ) as tar:
                    words = ["docker", "import", "-", name]
                    variables = {**os.environ, **self.variables}
                    subprocess.run(words, stdin=tar.stdout, env=variables, check=True)
        return name

    def base_with(self, python: str) -> str:
        """A base that has this Python too, in /usr/local, as `python:3.8-slim-bookworm` has it.

        Debian 12 has 3.11 alone; the others are interpreters of this machine, copied.
        """
        if python == "3.11":
            return self.base()
        name = f"lake-test-base:{RELEASE}-{python}"
        if not self.call("images", "-q", name):
            base, found = self.base(), find_python(python)
            prefix = Path(_run(found, "-c", "import sys; print(sys.base_prefix)").strip())
            with server_folder("base") as folder:
                (folder / "bin").mkdir()
                shutil.copy(prefix / "bin" / f"python{python}", folder / "bin")
                skipped = shutil.ignore_patterns("site-packages", "test", "__pycache__", "*.a")
                library = Path("lib") / f"python{python}"
                shutil.copytree(prefix / library, folder / library, ignore=skipped, symlinks=True)
                for shared in (prefix / "lib").glob(f"libpython{python}.so.*"):
                    shutil.copy(shared, folder / "lib")
                (folder / "Dockerfile").write_text(
                    f"FROM {base}\nCOPY bin /usr/local/bin\nCOPY lib /usr/local/lib\nRUN ldconfig\n"
                )
                self.call("build", "-q", "-t", name, str(folder))
        return name


@contextmanager
def running_docker() -> Iterator[Docker]:
    """An engine for the duration of the block; `NoServer` if it cannot be had.

    Its images stay in the cache folder, and with them the layers of the last build, so a second
    run builds only what has changed.
    """
    missing = [one for one in ("dockerd", "docker", "debootstrap") if shutil.which(one) is None]
    if missing:
        raise NoServer(f"no {', '.join(missing)}; `apt-get install docker.io debootstrap`")
    if os.getuid() != 0:
        raise NoServer("dockerd of the tests' own is started by root only")
    cache = Path(os.environ.get("LAKE_TEST_CACHE") or Path.home() / ".cache" / "lake-test-servers")
    cache.mkdir(parents=True, exist_ok=True)
    with server_folder("docker") as folder, (cache / ".docker.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        docker = Docker(folder)
        docker.folder.joinpath("config").mkdir()
        words = {
            "--data-root": cache / "docker",
            "--exec-root": folder / "exec",
            "--pidfile": folder / "pid",
            "--config-file": folder / "daemon.json",
            "--host": docker.variables["DOCKER_HOST"],
            # The host's network, untouched: no bridge, no rules, no quarrel with another engine.
            "--bridge": "none",
            "--iptables": "false",
            "--ip-forward": "false",
        }
        (folder / "daemon.json").write_text("{}")
        log = folder / "log"
        # dockerd ends its containers when it is told to end; it must not outlive a killed test.
        dies_with_us = ["setpriv", "--pdeathsig", "TERM"]
        # In a mount namespace of its own, or it would leave a mount behind in its folder.
        alone = ["unshare", "--mount", "--propagation", "slave", "dockerd"]
        process = subprocess.Popen(
            [*dies_with_us, *alone, *(f"{name}={value}" for name, value in words.items())],
            stdout=log.open("wb"),
            stderr=subprocess.STDOUT,
        )
        try:
            _wait(docker, process, log)
            # Layers of builds that are long gone; those of the last week are the builder's cache.
            docker.call("image", "prune", "--force", "--filter", "until=168h")
            yield docker
        finally:
            process.terminate()
            process.wait(60)


def _wait(docker: Docker, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 60
    while True:
        try:
            docker.call("info", seconds=30)
            return
        except (AssertionError, subprocess.TimeoutExpired):
            if process.poll() is not None or time.monotonic() > until:
                said = log.read_text(errors="replace")[-2000:]
                raise NoServer(f"dockerd did not start: {said}") from None
            time.sleep(0.2)


def _mirror() -> str:
    """The mirror of that release which apt uses here."""
    shown = _run("apt-get", "indextargets", "--format", "$(RELEASE) $(REPO_URI)")
    found = [line.split()[1] for line in shown.splitlines() if line.split()[:1] == [RELEASE]]
    if not found:
        raise NoServer(f"apt knows no mirror of Debian {RELEASE} here; `apt-get update`?")
    return found[0]


def _run(*words: str) -> str:
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except OSError as error:
        raise NoServer(f"{words[0]} cannot be run: {error.strerror}") from None
    if done.returncode:
        raise NoServer(f"{words[0]} failed: {(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stdout
