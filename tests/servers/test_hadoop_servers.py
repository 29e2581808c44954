"""The Hadoop servers that other tests lean on: what they keep, refuse, and how they fail."""

from __future__ import annotations

import pytest
import requests

from tests.servers.hdfs import HdfsServer

pytestmark = pytest.mark.server


def webhdfs(hdfs: HdfsServer, path: str, user: str, **query: str) -> str:
    words = "&".join(f"{name}={value}" for name, value in {"user.name": user, **query}.items())
    return f"{hdfs.url}/webhdfs/v1{path}?{words}"


def put(hdfs: HdfsServer, path: str, content: bytes, user: str = "lake") -> requests.Response:
    return requests.put(webhdfs(hdfs, path, user, op="CREATE", overwrite="true"), content)


def get(hdfs: HdfsServer, path: str) -> bytes:
    return requests.get(webhdfs(hdfs, path, "lake", op="OPEN")).content


def test_it_keeps_korean_for_its_owner_and_refuses_others(hdfs_server: HdfsServer) -> None:
    hdfs_server.make_folder("/data/lake/probe", "lake")
    path, text = "/data/lake/probe/점포=서울 1", "값\n".encode()
    assert put(hdfs_server, path, text).status_code == 201
    assert get(hdfs_server, path) == text
    assert exception(put(hdfs_server, path, b"", "someone")) == "AccessControlException"
    assert get(hdfs_server, path) == text


def test_quotas_and_safe_mode(breakable_hdfs: HdfsServer) -> None:
    hdfs = breakable_hdfs
    hdfs.make_folder("/data/lake/few", "lake")
    hdfs.set_quota("/data/lake/few", names=2)  # the folder and one file
    assert put(hdfs, "/data/lake/few/a", b"1").status_code == 201
    assert exception(put(hdfs, "/data/lake/few/b", b"2")) == "NSQuotaExceededException"
    hdfs.set_quota("/data/lake/few", space=1024)  # a block is 128 MB
    # The DataNode says nothing of it, and the file is there, empty: a 201 proves nothing.
    assert put(hdfs, "/data/lake/few/b", b"2").status_code == 201
    assert get(hdfs, "/data/lake/few/b") == b""
    hdfs.set_quota("/data/lake/few")
    assert put(hdfs, "/data/lake/few/b", b"2").status_code == 201
    hdfs.set_safe_mode(True)
    assert "Name node is in safe mode" in put(hdfs, "/data/lake/few/c", b"3").text
    assert get(hdfs, "/data/lake/few/a") == b"1"


def test_killed_and_restarted_they_keep_what_they_had(breakable_hdfs: HdfsServer) -> None:
    hdfs, path = breakable_hdfs, "/data/lake/kept"
    assert put(hdfs, path, b"kept").status_code == 201
    hdfs.kill_datanode()
    with pytest.raises(requests.ConnectionError):  # sent to the port that nobody has
        put(hdfs, "/data/lake/lost", b"lost")
    hdfs.restart_datanode()
    assert get(hdfs, path) == b"kept"
    hdfs.kill_namenode()
    with pytest.raises(requests.ConnectionError):
        get(hdfs, path)
    hdfs.kill_datanode()
    hdfs.restart_namenode(wait=False)
    refused = put(hdfs, path, b"new")
    assert (refused.status_code, exception(refused)) == (403, "IOException")
    assert "Failed to find datanode" in refused.text
    hdfs.restart_datanode()
    assert get(hdfs, path) == b"kept"


def exception(answer: requests.Response) -> str:
    name: str = answer.json()["RemoteException"]["exception"]
    return name
