"""A large file in parts (46), into a folder of this machine and into a real HDFS.

Sizes are the specification's: 10 bytes by 4 are 4, 4, 2; an empty file is one empty part.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lake_assets.preps import PrepError, hdfs_split_upload
from lake_assets.preps.split_upload import split_plan
from resources.errors import LakeError
from resources.folder_store import FolderFiles
from resources.hdfs_store import HdfsFiles
from tests.resources.stores import Disk, OnHdfs, Place, hdfs_of, new_folder
from tests.servers.hdfs import HdfsServer
from tests.servers.webhdfs_front import fronted_namenode

ROOT = Path(__file__).parents[2]
MANIFEST = "_manifest.json"
DONE = "_SUCCESS"


@pytest.fixture(params=["folder", pytest.param("hdfs", marks=pytest.mark.server)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "folder":
        (tmp_path / "lake").mkdir()
        return Disk(tmp_path / "lake")
    return new_folder(request.getfixturevalue("hdfs_server"))


def files_of(place: Place) -> Any:
    return FolderFiles() if isinstance(place, Disk) else HdfsFiles(hdfs_of(place.url))


def upload(place: Place, src: Path, chunk: int, mode: Any = "bytes", **more: Any) -> Any:
    return hdfs_split_upload(src, f"{place.root}/out", chunk, mode, files=files_of(place), **more)


def source(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "매출 데이터.csv"
    path.write_bytes(data)
    return path


def parts(place: Place) -> list[bytes]:
    names = [name for name in place.names("out") if name[0] not in "._"]
    assert names == [f"part-{n:05d}" for n in range(len(names))]
    return [place.read(f"out/{name}") for name in names]


HAN = "가나다\n라마바\n사".encode()  # 3 bytes a letter: lines of 10 bytes, a last one of 3

CUTS: list[tuple[str, bytes, int, str, list[bytes]]] = [
    ("example", b"0123456789", 4, "bytes", [b"0123", b"4567", b"89"]),
    ("empty", b"", 4, "bytes", [b""]),
    ("empty lines", b"", 4, "lines", [b""]),
    ("even", b"01234567", 4, "bytes", [b"0123", b"4567"]),
    ("one part", b"0123", 4, "bytes", [b"0123"]),
    ("large chunk", b"0123", 1 << 40, "bytes", [b"0123"]),
    (
        "bytes cut letters",
        "가나".encode(),
        4,
        "bytes",
        ["가".encode() + "나".encode()[:1], "나".encode()[1:]],
    ),
    ("lines", b"a\nbb\nccc\n", 5, "lines", [b"a\nbb\n", b"ccc\n"]),
    ("a line ends at the cut", b"abc\ndef\n", 4, "lines", [b"abc\n", b"def\n"]),
    ("korean lines", HAN, 12, "lines", [HAN[:10], HAN[10:20], HAN[20:]]),
    ("no newline at the end", b"a\nb", 2, "lines", [b"a\n", b"b"]),
    (
        "a line longer than a chunk",
        b"a\nbbbbbbbbbb\nc\n",
        4,
        "lines",
        [b"a\n", b"bbbbbbbbbb\n", b"c\n"],
    ),
    ("no newline at all", b"abcdefgh", 3, "lines", [b"abcdefgh"]),
    ("windows lines", b"a\r\nb\r\nc\r\n", 4, "lines", [b"a\r\n", b"b\r\n", b"c\r\n"]),
    (
        "cp949",
        "한글\n또\n".encode("cp949"),
        6,
        "lines",
        ["한글\n".encode("cp949"), "또\n".encode("cp949")],
    ),
    ("blank lines", b"\n\n\n\n", 2, "lines", [b"\n\n", b"\n\n"]),
]


@pytest.mark.parametrize(
    ("name", "data", "chunk", "mode", "expect"), CUTS, ids=lambda v: str(v)[:20]
)
def test_parts(
    place: Place, tmp_path: Path, name: str, data: bytes, chunk: int, mode: str, expect: list[bytes]
) -> None:
    done = upload(place, source(tmp_path, data), chunk, mode)
    assert parts(place) == expect
    assert (len(done.sent), done.kept, done.bytes) == (len(expect), (), len(data))
    assert done.sha256 == hashlib.sha256(data).hexdigest()
    manifest = json.loads(place.read(f"out/{MANIFEST}"))
    assert manifest["source"] == {
        "name": "매출 데이터.csv",
        "bytes": len(data),
        "sha256": done.sha256,
    }
    assert (manifest["chunk_size"], manifest["mode"]) == (chunk, mode)
    assert manifest["parts"] == [
        {"name": f"part-{n:05d}", "bytes": len(one), "sha256": hashlib.sha256(one).hexdigest()}
        for n, one in enumerate(expect)
    ]
    assert sorted(place.names("out"))[:2] == [DONE, MANIFEST]
    assert len(place.names("out")) == len(expect) + 2
    again = upload(place, source(tmp_path, data), chunk, mode)
    assert (again.sent, len(again.kept)) == ((), len(expect))


@given(st.lists(st.text("가a\n", max_size=9)), st.integers(1, 40))
def test_lines_are_cut_at_their_ends(tmp_path_factory: Any, lines: list[str], chunk: int) -> None:
    path = tmp_path_factory.getbasetemp() / "lines.txt"
    path.write_bytes("\n".join(lines).encode())
    plan = split_plan(path, f"{path}.out", chunk, "lines", files=FolderFiles())
    data, at = path.read_bytes(), 0
    for number, part in enumerate(plan.parts):
        piece = data[at : at + part.bytes]
        at += part.bytes
        last = number == len(plan.parts) - 1
        assert last or piece.endswith(b"\n")
        assert len(piece) <= chunk or piece.count(b"\n") == piece.endswith(b"\n")
        piece.decode()
        following = data[at:].split(b"\n", 1)[0]
        assert last or len(piece) + len(following) + 1 > chunk or at + len(following) >= len(data)
    assert at == len(data)


def test_a_corrupted_part_is_found_and_sent_again(place: Place, tmp_path: Path) -> None:
    data = os.urandom(10_000)
    path = source(tmp_path, data)
    upload(place, path, 1000)
    place.put("out/part-00003", data[3000:3999] + bytes([data[3999] ^ 1]))
    place.put("out/part-00005", data[5000:5999])
    done = upload(place, path, 1000)
    assert done.sent == ("part-00003", "part-00005")
    assert b"".join(parts(place)) == data


def test_a_part_that_was_removed_is_sent_again(place: Place, tmp_path: Path) -> None:
    path = source(tmp_path, b"0123456789")
    upload(place, path, 4)
    files_of(place).remove(f"{place.root}/out/part-00001")
    assert upload(place, path, 4).sent == ("part-00001",)
    assert parts(place) == [b"0123", b"4567", b"89"]


REFUSED: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
    ("another source", {"data": b"9876543210"}, ("another", "매출 데이터.csv", "remove")),
    ("a longer source", {"data": b"0123456789a"}, ("another", "remove")),
    ("another chunk", {"chunk": 5}, ("chunk", "4", "5")),
    ("another mode", {"mode": "lines"}, ("mode", "bytes", "lines")),
]


@pytest.mark.parametrize(("name", "given_", "told"), REFUSED, ids=lambda v: str(v)[:20])
def test_no_mixture(
    place: Place, tmp_path: Path, name: str, given_: dict[str, Any], told: tuple[str, ...]
) -> None:
    upload(place, source(tmp_path, b"0123456789"), 4)
    files_of(place).remove(f"{place.root}/out/part-00001")
    before = {one: place.read(f"out/{one}") for one in place.names("out")}
    words = {"data": b"0123456789", "chunk": 4, "mode": "bytes", **given_}
    with pytest.raises(PrepError) as caught:
        upload(place, source(tmp_path, words["data"]), words["chunk"], words["mode"])
    for part in told:
        assert part in str(caught.value)
    assert {one: place.read(f"out/{one}") for one in place.names("out")} == before


def test_a_folder_with_other_files_is_refused(place: Place, tmp_path: Path) -> None:
    place.put("out/2025.csv", b"x")
    with pytest.raises(PrepError, match=r"2025\.csv"):
        upload(place, source(tmp_path, b"0123456789"), 4)
    assert place.names("out") == ["2025.csv"]


def test_a_manifest_that_is_none(place: Place, tmp_path: Path) -> None:
    place.put(f"out/{MANIFEST}", b'{"version": 1, "par')
    with pytest.raises(PrepError, match=r"_manifest\.json"):
        upload(place, source(tmp_path, b"0123456789"), 4)


def test_a_source_that_changes_while_it_is_sent(place: Place, tmp_path: Path) -> None:
    path = source(tmp_path, b"0123456789")

    def told(what: str, done: int, of: int) -> None:
        if what == "part-00001" and done == of:
            path.write_bytes(b"01234567xx")

    with pytest.raises(LakeError, match="changed"):
        upload(place, path, 4, told=told)
    assert parts(place) == [b"0123", b"4567"]
    assert DONE not in place.names("out")
    assert not [name for name in place.names("out") if name[0] == "."]
    with pytest.raises(PrepError, match="another"):
        upload(place, path, 4)


def test_progress(place: Place, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    upload(place, source(tmp_path, b"0123456789"), 4, told=lambda *one: told.append(one))
    assert told == [
        ("", 4, 10),
        ("", 8, 10),
        ("", 10, 10),
        ("part-00000", 4, 4),
        ("part-00001", 4, 4),
        ("part-00002", 2, 2),
    ]


BAD: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({"dst": "relative/x"}, ("relative/x", "/")),
    ({"dst": "/"}, ("folder",)),
    ({"dst": "/data/../etc"}, ("..",)),
    ({"dst": "/data/./x"}, ("'.'",)),
    ({"dst": "/data//x"}, ("''",)),
    ({"dst": "/data/a:b"}, (":",)),
    ({"dst": "/data/100%25"}, ("%",)),
    ({"dst": "/data/a\nb"}, ("\\n",)),
    ({"dst": "/data/#LATEST"}, ("#LATEST",)),
    ({"chunk_size": 0}, ("chunk_size", "0")),
    ({"chunk_size": 1.5}, ("chunk_size", "1.5")),
    ({"mode": "line"}, ("'line'", "lines", "bytes")),
    ({"src": "/nonexistent/file.csv"}, ("/nonexistent/file.csv", "no such")),
    ({"src": "/tmp"}, ("/tmp", "folder")),
    ({"src": "/dev/null"}, ("/dev/null", "regular")),
]


@pytest.mark.parametrize(("given_", "told"), BAD, ids=str)
def test_refused(tmp_path: Path, given_: dict[str, Any], told: tuple[str, ...]) -> None:
    words = {"src": source(tmp_path, b"x"), "dst": "/data/x", "chunk_size": 4, **given_}
    with pytest.raises(PrepError) as caught:
        hdfs_split_upload(**words, files=FolderFiles())
    for part in told:
        assert part in str(caught.value)


def test_too_many_parts(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(100_001)
    with pytest.raises(PrepError, match=r"100,001 parts.*chunk_size"):
        split_plan(path, f"{tmp_path}/out", 1, files=FolderFiles())


def test_utf16_lines_are_refused(tmp_path: Path) -> None:
    path = source(tmp_path, "가\n나\n".encode("utf-16"))
    with pytest.raises(PrepError, match="UTF-16"):
        split_plan(path, f"{tmp_path}/out", 4, "lines", files=FolderFiles())


@pytest.mark.parametrize(
    "name",
    ["한글 폴더", "it's", 'q"q', "a+b", "a&b=c", "a?b", "a#b", "a;b", "x*y", "{N}", "..x", "a "],
)
def test_names(place: Place, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"0123456789")
    dst = f"{place.root}/{name}/out"
    for sent in (3, 0):
        assert len(hdfs_split_upload(path, dst, 4, files=files_of(place)).sent) == sent
    assert name in place.names("")
    asked = quote(name) if isinstance(place, OnHdfs) else name
    assert json.loads(place.read(f"{asked}/out/{MANIFEST}"))["source"]["name"] == name
    assert place.read(f"{asked}/out/part-00002") == b"89"


# Killed in the middle --------------------------------------------------------------------------

KILLED = """
import os, signal, sys
from lake_assets.preps import hdfs_split_upload
from resources.folder_store import FolderFiles
from resources.hdfs_store import HdfsFiles
from tests.resources.stores import hdfs_of
src, dst, url, at = sys.argv[1:]
def told(what, done, of):
    if what == at and done >= of / 2:
        os.kill(os.getpid(), signal.SIGKILL)
files = HdfsFiles(hdfs_of(url)) if url else FolderFiles()
hdfs_split_upload(src, dst, 3 << 20, files=files, told=told)
"""


def killed(place: Place, path: Path, at: str) -> None:
    url = place.url if isinstance(place, OnHdfs) else ""
    words = [str(path), f"{place.root}/out", url, at]
    done = subprocess.run([sys.executable, "-c", KILLED, *words], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL


@pytest.mark.parametrize("at", ["", "part-00000", "part-00002"])
def test_killed_and_resumed(place: Place, tmp_path: Path, at: str) -> None:
    data = os.urandom(10 << 20)
    path = source(tmp_path, data)
    killed(place, path, at)
    finished = int(at[-1]) if at else 0
    there = [n for n in place.names("out") if n.startswith("part-")] if at else []
    assert there == [f"part-{n:05d}" for n in range(finished)]
    done = upload(place, path, 3 << 20)
    assert done.kept == tuple(there)
    assert b"".join(parts(place)) == data
    assert not [name for name in place.names("out") if name[0] == "."]


@pytest.mark.server
def test_finished_parts_are_not_sent_again(hdfs_server: HdfsServer, tmp_path: Path) -> None:
    """By the requests the NameNode gets: two parts are checked, the other two are created."""
    place = new_folder(hdfs_server)
    data = os.urandom(10 << 20)
    path = source(tmp_path, data)
    killed(place, path, "part-00002")
    with fronted_namenode(hdfs_server) as front:
        done = hdfs_split_upload(
            path, f"{place.root}/out", 3 << 20, files=HdfsFiles(hdfs_of(front.url))
        )
        assert len(done.sent) == len(done.kept) == 2
        # Two parts and the mark of the end; the manifest and each part's checksum are read.
        assert front.asked.count("CREATE") == 3
        assert front.asked.count("RENAME") == 2
        assert front.asked.count("GETFILECHECKSUM") == 4
        assert front.asked.count("OPEN") == 1
        front.asked.clear()
        again = hdfs_split_upload(
            path, f"{place.root}/out", 3 << 20, files=HdfsFiles(hdfs_of(front.url))
        )
        assert (again.sent, len(again.kept)) == ((), 4)
        assert not {"CREATE", "RENAME", "MKDIRS", "DELETE"} & set(front.asked)


@pytest.mark.server
def test_a_part_cut_short_is_never_seen(breakable_hdfs: HdfsServer, tmp_path: Path) -> None:
    """The DataNode dies while a part is sent: no part of that name, and a rerun makes it whole."""
    place = new_folder(breakable_hdfs)
    data = os.urandom(10 << 20)
    path = source(tmp_path, data)

    def told(what: str, done: int, of: int) -> None:
        if what == "part-00001" and done >= of / 2:
            breakable_hdfs.kill_datanode()

    with pytest.raises(LakeError):
        upload(place, path, 3 << 20, told=told)
    assert "part-00001" not in place.names("out")
    breakable_hdfs.repair()
    assert upload(place, path, 3 << 20).kept == ("part-00000",)
    assert b"".join(parts(place)) == data


def test_memory_is_flat(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(300 << 20)
    tracemalloc.start()
    try:
        hdfs_split_upload(path, f"{tmp_path}/out", 100 << 20, files=FolderFiles())
        assert tracemalloc.get_traced_memory()[1] < 30 << 20  # of parts of 100 MiB
    finally:
        tracemalloc.stop()


# HDFS's checksum -------------------------------------------------------------------------------

SIZES = (1, 511, 512, 513, *((n << 20) + more for n in range(1, 10) for more in (0, 1)))


@pytest.fixture(scope="module")
def small_blocks() -> Any:
    """An HDFS of 1 MiB blocks, so that small files have several."""
    from tests.conftest import _started
    from tests.servers.hdfs import running_hdfs

    yield from _started("HDFS", running_hdfs(block_size=1 << 20))


@pytest.mark.server
@pytest.mark.parametrize("size", SIZES)
def test_the_checksum_is_hdfs_own(small_blocks: HdfsServer, size: int) -> None:
    place = new_folder(small_blocks)
    data = os.urandom(size)
    place.put("f", data)
    asked: list[str] = []
    files = HdfsFiles(_counting(place.url, asked))
    for given_, expect in ((data, True), (data[:-1] + bytes([data[-1] ^ 1]), False)):
        proof = files.proof()
        for at in range(0, size, 100_003):
            proof.update(given_[at : at + 100_003])
        assert proof.holds(f"{place.root}/f") is expect
    assert asked == []


def _counting(url: str, asked: list[str]) -> Any:
    """A client that notes what is read back."""
    hdfs = hdfs_of(url)
    real: Callable[..., Any] = hdfs.range
    hdfs.range = lambda *words: asked.append("range") or real(*words)  # type: ignore
    return hdfs


@pytest.mark.server
@pytest.mark.parametrize("algorithm", ["MD5-of-0MD5-of-512CRC32", "COMPOSITE-CRC32C"])
def test_another_checksum_reads_back(
    hdfs_server: HdfsServer, monkeypatch: pytest.MonkeyPatch, algorithm: str
) -> None:
    place = new_folder(hdfs_server)
    data = os.urandom(3_000_000)
    place.put("f", data)
    asked: list[str] = []
    hdfs = _counting(place.url, asked)
    monkeypatch.setattr(hdfs, "checksum_by", lambda path: (algorithm, "00"))
    files = HdfsFiles(hdfs)
    for given_, expect in ((data, True), (data[:-1] + bytes([data[-1] ^ 1]), False)):
        proof = files.proof()
        proof.update(given_)
        assert proof.holds(f"{place.root}/f") is expect
    assert asked
