"""The Hadoop servers that other tests lean on: what they keep, refuse, and how they fail."""

from __future__ import annotations

import pytest
import requests

from tests.servers.hdfs import HdfsServer

pytestmark = pytest.mark.server


def webhdfs(hdfs: HdfsServer, path: str, user: str, **query: str) -> str:
    words = "&".join(f"{name}={value}" for name, value in {"user.name": user, **query}.items())
    return f"{hdfs.url}/webhdfs/v1{path}?{words}"


def test_it_keeps_korean_for_its_owner_and_refuses_others(hdfs_server: HdfsServer) -> None:
    hdfs_server.make_folder("/data/lake/probe", "lake")
    path, text = "/data/lake/probe/점포=서울 1", "값\n".encode()
    assert requests.put(webhdfs(hdfs_server, path, "lake", op="CREATE"), text).status_code == 201
    assert requests.get(webhdfs(hdfs_server, path, "someone", op="OPEN")).content == text
    refused = requests.put(webhdfs(hdfs_server, path, "someone", op="CREATE", overwrite="true"))
    assert refused.json()["RemoteException"]["exception"] == "AccessControlException"
