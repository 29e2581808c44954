"""What is asked of HDFS, of the lake's own store and of MLflow.

Here: NameNodes one by one, a probe file that is removed again, free space, versions. Not here:
databases and files (`doctor_checks.py`), sockets (`doctor_network.py`).
"""

from __future__ import annotations

import importlib.metadata
import secrets
import shutil
from collections.abc import Generator, Iterator
from pathlib import Path
from tempfile import TemporaryFile

import requests

from resources.doctor import Check, failed, not_tried, of_error, ok
from resources.doctor_network import of_url, reached
from resources.errors import LakeError
from resources.hdfs import Hdfs
from resources.settings import Settings

_SECONDS = 5
#: Bytes that should be free: a partition of the main job has 1 to 30 MB, DuckDB spills beside it.
_LEAST = 1 << 30


# -- HDFS


def of_hdfs(settings: Settings, name: str) -> Generator[Check, None, bool]:
    """State of each NameNode, and where the lake is kept whether it can write there.

    Gives whether HDFS answers.
    """
    hdfs = Hdfs(name, settings.connection(name))
    for url in hdfs.urls:
        yield _namenode(name, url, hdfs)
    try:
        hdfs.status("/")
    except LakeError as error:
        yield of_error(name, "login", error)
        return False
    if settings.store.connection == name:
        yield _written(name, hdfs, settings.store_root)
    return True


def _namenode(name: str, url: str, hdfs: Hdfs) -> Check:
    check = f"state {of_url(url).shown}"
    try:
        beans = {}
        for bean in ("NameNodeStatus", "NameNodeInfo"):
            asked = {"qry": f"Hadoop:service=NameNode,name={bean}"}
            answer = requests.get(f"{url}/jmx", asked, timeout=_SECONDS, verify=hdfs.trusting)
            found = answer.json()["beans"] if answer.ok else []
            beans[bean] = found[0] if found else {}
        state = beans["NameNodeStatus"].get("State") or _state_by_asking(url, hdfs)
    except (requests.RequestException, ValueError, KeyError) as error:
        # Its words hold the address, which may hold a password.
        return failed(name, check, f"does not answer ({type(error).__name__})", _START)
    info = beans["NameNodeInfo"]
    told = [state]
    if info.get("SoftwareVersion") or info.get("Version"):
        version = str(info.get("SoftwareVersion") or info["Version"]).partition(",")[0]
        told.append(f"Hadoop {version}")
    if "Free" in info and state == "active":
        told.append(f"{_size(int(info['Free']))} free of {_size(int(info['Total']))}")
    if info.get("Safemode"):
        return failed(
            name,
            check,
            f"{', '.join(told)}, in safe mode: nothing can be written",
            "it ends by itself after a start; else the DataNodes are not all back, or the disk of "
            "the NameNode is full (hdfs dfsadmin -safemode get)",
        )
    return ok(name, check, ", ".join(told))


_START = "see that the NameNode runs, and that the port is that of WebHDFS (9870, Hadoop 2: 50070)"


def _state_by_asking(url: str, hdfs: Hdfs) -> str:
    """Where its /jmx is closed: a NameNode in standby refuses to look."""
    asked = {"op": "GETFILESTATUS", **({"user.name": hdfs.user} if hdfs.user else {})}
    answer = requests.get(f"{url}/webhdfs/v1/", asked, timeout=_SECONDS, verify=hdfs.trusting)
    return "standby" if "StandbyException" in answer.text else "active"


def _written(name: str, hdfs: Hdfs, root: str) -> Check:
    """A probe file, by way of a DataNode as any file of the lake; removed again."""
    try:
        folder = root.rstrip("/") or "/"
        while folder != "/" and hdfs.status(folder) is None:
            folder = folder.rpartition("/")[0] or "/"
        probe = f"{folder.rstrip('/')}/.lake-doctor-{secrets.token_hex(8)}"
        try:
            upload = hdfs.upload(probe)
            try:
                upload.write(b"lake doctor")
            finally:
                upload.close()
        finally:
            hdfs.remove(probe)
    except LakeError as error:
        return of_error(name, "write", error)
    there = "" if folder == root.rstrip("/") else f" ({root} is made by the first run)"
    return ok(name, "write", f"a probe file in {folder}, removed again{there}")


# -- the store and MLflow


def of_store(settings: Settings) -> Iterator[Check]:
    """The lake's folder; one on HDFS is looked at with its connection."""
    connection = settings.store.connection
    if connection is not None:
        yield not_tried("store", "write", f"see {connection}: {settings.store_root} is on HDFS")
    else:
        yield from _folder("store", Path(settings.store_root))


def of_mlflow(settings: Settings) -> Iterator[Check]:
    uri = settings.mlflow_uri
    if not uri.startswith(("http://", "https://")):
        scheme, apart, _ = uri.partition("://")
        if apart and scheme != "sqlite":  # its address may hold a password
            yield not_tried("mlflow", "write", f"MLflow keeps its runs by {scheme}://")
            return
        yield from _folder("mlflow", Path(uri.partition(":///")[2] or uri).parent)
        return
    through = True
    for check in reached("mlflow", of_url(uri), many=False):
        through &= check.result != "failed"
        yield check
    if not through:
        yield not_tried("mlflow", "version", "see above")
        return
    try:
        answer = requests.get(f"{uri.rstrip('/')}/version", timeout=_SECONDS)
        answer.raise_for_status()
    except requests.RequestException as error:
        yield failed(
            "mlflow",
            "version",
            f"no answer of an MLflow server ({type(error).__name__})",
            "see that MLflow listens there, and not a proxy's login page",
        )
        return
    yield _versions(importlib.metadata.version("mlflow"), answer.text.strip()[:20])


def _versions(mine: str, theirs: str) -> Check:
    found = f"server {theirs}, client {mine}"
    if theirs.partition(".")[0] == mine.partition(".")[0]:
        return ok("mlflow", "version", found)
    return failed(
        "mlflow",
        "version",
        found,
        "bring both to one major version: an older client lacks what the server needs, an older "
        "server answers 404",
    )


def _folder(subject: str, folder: Path) -> Iterator[Check]:
    there = folder
    cure = "give its user the right, or set LAKE_HOME to a folder that can be written"
    try:
        while not there.exists() and there != there.parent:
            there = there.parent
    except PermissionError as error:  # a folder above may not be looked into
        yield failed(subject, "write", f"{there} cannot be written: {error.strerror}", cure)
        return
    later = "" if there == folder else f" ({folder} is made by the first run)"
    try:
        with TemporaryFile(dir=there):
            pass
        yield ok(subject, "write", f"{there} can be written{later}")
    except OSError as error:
        yield failed(subject, "write", f"{there} cannot be written: {error.strerror}", cure)
    usage = shutil.disk_usage(there)
    free = f"{_size(usage.free)} free of {_size(usage.total)}"
    if usage.free >= _LEAST:
        yield ok(subject, "space", free)
    else:
        yield failed(subject, "space", free, "free space there, or set LAKE_HOME to another disk")


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
