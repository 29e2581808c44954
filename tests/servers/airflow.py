"""Three real Airflows, each in a virtual environment with its own Python, as its lock file pins it.

Here: finding the Pythons and making the environments once, in a cache folder. Not here: databases,
brokers, schedulers and workers, and the scripts that run inside (`tests/servers/airflow/`).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.servers.postgres import NoServer

#: Airflow → Python; the lock files in deploy/airflow_server are named after both.
VERSIONS: Mapping[str, str] = {"2.2.3": "3.8", "2.11.2": "3.11", "3.3.2": "3.12"}

#: A second Python for an Airflow, of which its lock file is a whole environment too.
OTHER_PYTHON: Mapping[str, str] = {"3.3.2": "3.11"}

FOLDER = Path(__file__).with_suffix("")
LOCKS = Path(__file__).parents[2] / "deploy" / "airflow_server"


@dataclass(frozen=True)
class Airflow:
    """An installed Airflow."""

    version: str
    bin: Path

    def variables(self, home: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """What a process of it needs: nothing of this test process's Airflow, lake or Python."""
        ours = ("AIRFLOW", "LAKE_", "DAGSTER_", "PYTHON", "VIRTUAL_ENV")
        rest = {name: text for name, text in os.environ.items() if not name.startswith(ours)}
        return {
            **rest,
            "PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}",
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            **(more or {}),
        }

    def python(
        self, script: str, home: Path, *words: str, more: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a script of `tests/servers/airflow/` in it."""
        home.mkdir(parents=True, exist_ok=True)
        return subprocess.run(
            [str(self.bin / "python"), str(FOLDER / script), *words],
            env=self.variables(home, more),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )


def install(version: str, python: str = "") -> Airflow:
    """That Airflow, made where it is not there yet (10 to 60 s); `NoServer` where it cannot be.

    In the Python of its lock file, or in one of `OTHER_PYTHON` with the very same packages.
    """
    own = VERSIONS[version]
    lock = LOCKS / f"{version}-py{own.replace('.', '')}.lock"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()[:12]
    cache = Path(os.environ.get("LAKE_TEST_CACHE") or Path.home() / ".cache" / "lake-test-servers")
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / f"airflow-{version}-{digest}{python and f'-py{python}'}"
    ready = folder / "ready"
    with (cache / f".airflow-{version}.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not ready.exists():
            shutil.rmtree(folder, ignore_errors=True)
            _uv("venv", "--quiet", "--python", find_python(python or own), str(folder))
            # The lock is a whole environment; nothing is resolved, so nothing can slip in.
            where = ["--python", str(folder / "bin" / "python"), "--no-deps", "--compile-bytecode"]
            _uv("pip", "install", "--quiet", *where, "-r", str(lock))
            ready.touch()
    return Airflow(version, folder / "bin")


def find_python(version: str) -> str:
    """An interpreter of that version: pyenv's, one on PATH, else what uv fetches."""
    found: Sequence[Path | str | None] = [
        *sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python{version}")),
        shutil.which(f"python{version}"),
    ]
    for one in filter(None, found):
        told = subprocess.run(
            [str(one), "-c", "import sys, venv; print('%d.%d' % sys.version_info[:2])"],
            capture_output=True,
            text=True,
            check=False,
        )
        if told.stdout.strip() == version:
            return str(one)
    _uv("python", "install", "--quiet", version)
    return version


def _uv(*words: str) -> None:
    """uv, of this environment."""
    uv = Path(sys.executable).with_name("uv")
    environment = {**os.environ, "UV_LINK_MODE": "copy"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(
        [str(uv), *words], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise NoServer(f"uv {words[0]} failed: {done.stderr.strip()[-2000:]}")
