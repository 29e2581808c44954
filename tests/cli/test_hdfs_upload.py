"""`lake hdfs-upload`: its words, what it tells, how it ends; on a real HDFS."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from lake_assets.cli.hdfs_upload import _Size, size
from lake_assets.cli.main import cli
from resources.settings import SHIPPED
from tests.resources.stores import OnHdfs, hdfs_of, new_folder
from tests.servers.hdfs import HdfsServer

CODE = "from lake_assets.cli.main import main; main()"
#: What a shell started in the background ignores SIGINT, and so would its children.
HEARS = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "


@pytest.mark.parametrize(
    ("text", "expect"),
    [
        ("256MB", 256 << 20),
        ("1GB", 1 << 30),
        ("4 kb", 4096),
        ("10", 10),
        ("10B", 10),
        ("0", None),
        ("1.5GB", None),
        ("-1", None),
        ("1TB", None),
        ("", None),
    ],
)
def test_sizes(text: str, expect: int | None) -> None:
    if expect is None:
        with pytest.raises(Exception, match="is no size; write 256MB"):
            _Size().convert(text, None, None)
    else:
        assert _Size().convert(text, None, None) == expect
        assert size(expect).split()[0] in ("256.0", "1.0", "4.0", "10")


@pytest.fixture
def place(hdfs_server: HdfsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OnHdfs:
    """A folder of a real HDFS, which the environment `up` has as its connection `hdfs`."""
    environment(tmp_path, hdfs_server.url, monkeypatch)
    return new_folder(hdfs_server)


def environment(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    words = yaml.safe_load((SHIPPED / "local.yaml").read_text(encoding="utf-8"))
    words["connections"]["hdfs"] = {"kind": "hdfs", "url": url, "user": "lake"}
    (tmp_path / "up.yaml").write_text(yaml.safe_dump(words), encoding="utf-8")
    monkeypatch.setenv("LAKE_ENVIRONMENTS", str(tmp_path))
    monkeypatch.setenv("LAKE_ENV", "up")
    monkeypatch.setenv("LAKE_HOME", str(tmp_path / "home"))


def lake(*words: Any) -> Result:
    return CliRunner().invoke(cli, ["hdfs-upload", *map(str, words)])


@pytest.mark.server
def test_from_nothing_to_nothing_to_do(place: OnHdfs, tmp_path: Path) -> None:
    src = tmp_path / "매출.csv"
    src.write_text("가나\n다\n라마\n", encoding="utf-8")
    dst = f"{place.root}/out"
    words = (src, dst, "--chunk-size", "10B", "--mode", "lines")
    planned = lake(*words, "--dry-run")
    assert planned.exit_code == 0
    assert [line.split() for line in planned.output.splitlines()[:3]] == [
        ["part-00000", "7", "B", "to", "send"],
        ["part-00001", "4", "B", "to", "send"],
        ["part-00002", "7", "B", "to", "send"],
    ]
    assert "3 parts of 3 to send; nothing was sent" in planned.output
    assert hdfs_of(place.url).status(place.root) is None
    done = lake(*words)
    assert done.exit_code == 0, done.output
    assert "part-00001         4 B  sent" in done.output
    assert f"{dst}: 3 parts sent, 0 there already; 18 B in" in done.output
    assert place.read("out/part-00002").decode() == "라마\n"
    again = lake(*words, "--json")
    told = json.loads(again.output)
    assert (told["ok"], told["sent"], told["folder"]) == (True, [], dst)
    assert told["kept"] == ["part-00000", "part-00001", "part-00002"]
    assert (told["bytes"], told["chunk_size"], told["mode"]) == (18, 10, "lines")
    assert "there\n" in lake(*words, "--dry-run").output


@pytest.mark.server
def test_a_source_that_changed(place: OnHdfs, tmp_path: Path) -> None:
    src = tmp_path / "a.csv"
    src.write_bytes(b"0123456789")
    assert lake(src, f"{place.root}/out").exit_code == 0
    src.write_bytes(b"0123456788")
    found = lake(src, f"{place.root}/out")
    assert found.exit_code == 65
    assert "Traceback" not in found.output
    assert "parts of another file" in found.output
    told = json.loads(lake(src, f"{place.root}/out", "--json").output)
    assert (told["ok"], told["exit_code"]) == (False, 65)


@pytest.mark.server
def test_stopped_by_hand_and_resumed(place: OnHdfs, tmp_path: Path) -> None:
    src = tmp_path / "large"
    with src.open("wb") as file:
        file.truncate(128 << 20)  # the last part is far off when the first one is told
    words = ["hdfs-upload", str(src), f"{place.root}/out", "--chunk-size", "8MB"]
    process = subprocess.Popen(
        [sys.executable, "-c", f"{HEARS}{CODE}", *words], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert "part-00000" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert process.wait(120) == 130
    there = [name for name in place.names("out") if name[0] == "p"]
    assert 1 <= len(there) < 16
    assert not [name for name in place.names("out") if name[0] == "."]
    told = json.loads(lake(*words[1:], "--json").output)
    assert told["kept"] == there
    assert len(told["sent"]) == 16 - len(there)


@pytest.mark.parametrize(
    ("words", "exit_code", "told"),
    [
        (("{src}", "/data/x", "--mode", "line"), 2, "'bytes', 'lines'"),
        (("{src}", "/data/x", "--chunk-size", "big"), 2, "write 256MB"),
        (("{src}",), 2, "DST"),
        (("{src}.no", "/data/x"), 65, "there is no such file"),
        (("{src}", "data/x"), 65, "from /"),
        (("{src}", "/data/../x"), 65, "'..'"),
        (("{src}", "/data/x"), 1, "refused the connection"),
    ],
)
def test_mistakes(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    exit_code: int,
    told: str,
) -> None:
    monkeypatch.setattr("resources.hdfs._PAUSES", (0.0,))
    environment(tmp_path, "http://127.0.0.1:9", monkeypatch)
    src = tmp_path / "a.csv"
    src.write_bytes(b"x")
    found = lake(*(word.format(src=src) for word in words))
    assert found.exit_code == exit_code, found.output
    assert told in found.output
    assert "Traceback" not in found.output
    assert "hdfs_split_upload" not in found.output
