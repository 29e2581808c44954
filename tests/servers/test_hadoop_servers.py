"""The Hadoop servers that other tests lean on: what they keep, refuse, and how they fail."""

from __future__ import annotations

import contextlib
import random
import time

import pytest
import requests
from pyhive import hive

from tests.servers.hdfs import HdfsServer, running_hdfs
from tests.servers.hive import HiveServer, running_hive
from tests.servers.webhdfs_front import fronted_namenode

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


def test_over_a_slow_wire() -> None:
    content = random.Random(1).randbytes(10_000_000)
    with running_hdfs(bytes_per_second=10e6) as hdfs:
        began = time.monotonic()
        assert put(hdfs, "/data/lake/slow", content).status_code == 201
        written = time.monotonic() - began
        began = time.monotonic()
        assert get(hdfs, "/data/lake/slow") == content
        read = time.monotonic() - began
    assert written > 0.95
    assert read > 0.95


def test_of_a_pair_one_answers(hdfs_pair: HdfsServer) -> None:
    def at(url: str, op: str) -> str:
        return f"{url}/webhdfs/v1/data/lake/pair?user.name=lake&op={op}"

    active, standby = hdfs_pair.url, hdfs_pair.standby_url
    assert requests.put(at(active, "CREATE"), b"old").status_code == 201
    assert exception(requests.get(at(standby, "OPEN"))) == "StandbyException"
    # Nothing is asked of it for this: it names a DataNode, which finds the active one itself.
    assert requests.put(at(standby, "CREATE&overwrite=true"), b"new").status_code == 201
    assert requests.get(at(active, "OPEN")).content == b"new"
    hdfs_pair.fail_over()
    assert exception(requests.get(at(active, "OPEN"))) == "StandbyException"
    assert requests.get(at(standby, "OPEN")).content == b"new"
    hdfs_pair.repair()
    hdfs_pair.kill_namenode()
    hdfs_pair.fail_over()
    assert requests.get(at(standby, "OPEN")).content == b"new"


def test_an_answer_gets_lost(hdfs_server: HdfsServer) -> None:
    with fronted_namenode(hdfs_server) as front:
        make = f"{front.url}/webhdfs/v1/data/lake/front?user.name=lake&op=MKDIRS"
        look = f"{front.url}/webhdfs/v1/data/lake?user.name=lake&op=LISTSTATUS"
        front.lose_answer("MKDIRS")
        with pytest.raises(requests.ConnectionError):
            requests.put(make)
        assert '"pathSuffix":"front"' in requests.get(look).text  # done all the same
        assert requests.put(make).json() == {"boolean": True}
        assert front.asked == ["MKDIRS", "LISTSTATUS", "MKDIRS"]


def test_hive_reads_what_lake_wrote_in_seoul_time(hive_server: HiveServer) -> None:
    hive_server.hdfs.make_folder("/data/lake/raw/probe/dt=2025-07-01", "lake")
    text = "1\t서울\n2\t부산\n".encode()
    put(hive_server.hdfs, "/data/lake/raw/probe/dt=2025-07-01/part-0", text)
    found = answers(
        hive_server,
        "CREATE EXTERNAL TABLE probe (x INT, name STRING) PARTITIONED BY (dt DATE) "
        "ROW FORMAT DELIMITED FIELDS TERMINATED BY '\\t' LOCATION '/data/lake/raw/probe'",
        "ALTER TABLE probe ADD PARTITION (dt='2025-07-01')",
        "SELECT * FROM probe",
        "SELECT max(name), count(*) FROM probe WHERE dt = '2025-07-01'",  # MapReduce
        "SELECT from_unixtime(0)",
        "DROP TABLE probe",
    )
    assert found[2] == [(1, "서울", "2025-07-01"), (2, "부산", "2025-07-01")]
    assert found[3] == [("서울", 2)]
    assert found[4] == [("1970-01-01 09:00:00",)]
    assert get(hive_server.hdfs, "/data/lake/raw/probe/dt=2025-07-01/part-0") == text


def test_hive_elsewhere_with_an_environment(hdfs_server: HdfsServer) -> None:
    with running_hive(hdfs_server, time_zone="UTC", environment={"PROBE": "seen"}) as server:
        (found,) = answers(server, "SELECT from_unixtime(0), '${env:PROBE}'")
    assert found == [("1970-01-01 00:00:00", "seen")]


def answers(server: HiveServer, *statements: str) -> list[list[tuple[object, ...]]]:
    """What each statement returned (nothing, for one that returns no rows)."""
    found = []
    with contextlib.closing(hive.connect(server.host, server.port, username="probe")) as connection:
        cursor = connection.cursor()
        for statement in statements:
            cursor.execute(statement)
            found.append(cursor.fetchall() if cursor.description else [])
    return found


def exception(answer: requests.Response) -> str:
    name: str = answer.json()["RemoteException"]["exception"]
    return name
