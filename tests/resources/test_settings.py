"""What is refused of an environment's file and of the variables, and in which words.

Here: `resources/settings.py`. Not here: the shipped environments (`tests/sample`).
"""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from resources.errors import PermanentError, UsageError
from resources.options import unknown
from resources.settings import (
    SHIPPED,
    Connection,
    SecretRef,
    environment_files,
    load_settings,
    writable,
)
from resources.yamlfile import Mistakes
from tests.pipeline_files import changed, line_of


@pytest.mark.parametrize(
    ("folder", "says"),
    [("/proc/lake", "No such file"), ("/dev/null/lake", "Not a directory"), (__file__, "exists")],
)
def test_a_folder_that_cannot_be_used(folder: str, says: str) -> None:
    with pytest.raises(PermanentError, match=rf"cannot write to {folder}: .*{says}.*Set LAKE_HOME"):
        writable(Path(folder))


def test_a_folder_is_made_and_left_empty(tmp_path: Path) -> None:
    assert list(writable(tmp_path / "a" / "b").iterdir()) == []


def test_environments_of_a_folder_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("", encoding="utf-8")
    assert "mine" in environment_files({"LAKE_ENVIRONMENTS": str(tmp_path)})
    for missing in (tmp_path / "nowhere", tmp_path / "mine.yaml"):
        with pytest.raises(UsageError, match=f"LAKE_ENVIRONMENTS names {missing}, and there is no"):
            load_settings("local", {"LAKE_ENVIRONMENTS": f"{tmp_path}:{missing}"})


DUCKDB = 'tibero: {kind: duckdb, path: "{home}/sources/tibero.duckdb"}'


@pytest.mark.parametrize(
    ("old", "new", "line", "what"),
    [
        (
            DUCKDB,
            "tibero: {kind: duckdb, path: x, host: h, user: u}",
            "  tibero:",
            "connections.tibero: the kind duckdb does not know host, user; its keys: path",
        ),
        (
            DUCKDB,
            "tibero: {kind: postgres, host: h, url: secret}",
            "  tibero:",
            "connections.tibero: the kind postgres needs database, user and does not know url; its "
            "keys: host, database, user, port, password, options",
        ),
        (
            DUCKDB,
            "tibero: {kind: postgres, host: h, database: d, user: u, options: {ssl_mode: require}}",
            "  tibero:",
            "connections.tibero: postgres has no option 'ssl_mode'; did you mean 'sslmode'? "
            "allowed: application_name, channel_binding, connect_timeout, require_auth, "
            "ssl_min_protocol_version, sslcert, sslcrl, sslkey, sslmode, sslrootcert, "
            "target_session_attrs",
        ),
        (
            DUCKDB,
            "tibero: {kind: duckdb}",
            "  tibero:",
            "connections.tibero: the kind duckdb needs path; its keys: path",
        ),
        (
            'url: "http://127.0.0.1:9870"',
            'url: "http://127.0.0.1:9870;hdfs://lake:secret@127.0.0.1:8020"',
            "  hdfs:",
            "connections.hdfs: url is written http://host:port, or https://; hdfs wants that of "
            "WebHDFS (port 9870, in Hadoop 2 50070)",
        ),
        (
            DUCKDB,
            'tibero: {kind: duckdb, path: "{hme}/{home}/{x}"}',
            "  tibero:",
            "connections.tibero.path: nothing is known of {hme}, {x}; allowed: {home}, LAKE_HOME "
            "(found '{hme}/{home}/{x}')",
        ),
        (
            '"{home}/lake"',
            '"{lake}/lake"',
            "  root:",
            "store.root: nothing is known of {lake}; allowed: {home}, LAKE_HOME (found "
            "'{lake}/lake')",
        ),
        (
            "until: yesterday",
            "until: 2025-13-01",
            "sample: {",
            "sample.until: write a day as YYYY-MM-DD, or yesterday (found '2025-13-01')",
        ),
    ],
)
def test_what_is_refused_of_a_file(
    old: str, new: str, line: str, what: str, tmp_path: Path
) -> None:
    text = changed((old, new), text=(SHIPPED / "local.yaml").read_text(encoding="utf-8"))
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(Mistakes) as caught:
        load_settings("mine", {"LAKE_ENVIRONMENTS": str(tmp_path)})
    (mistake,) = caught.value.mistakes
    assert (mistake.line, mistake.what) == (line_of(text, line), what)


@pytest.mark.parametrize("url", ["http://h:99999", "https://h:port", "http://[::1", "h:80"])
def test_an_address_that_leads_nowhere_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="url is written http://host:port"):
        Connection(kind="http", url=url)


def test_a_secret_that_is_no_text_is_not_repeated(tmp_path: Path) -> None:
    (tmp_path / "word").write_bytes("비밀".encode("cp949"))
    with pytest.raises(PermanentError, match=r"word is no text of UTF-8") as caught:
        SecretRef(f"file:{tmp_path}/word").reveal()
    assert caught.value.__context__ is None


#: An option that connections of the kind have, one that they have not, and what is meant.
OPTIONS = [
    ("mariadb", "ssl_mode", "sslmode", "did you mean 'ssl_mode'?"),
    ("sqlserver", "encrypt", "encypt", "did you mean 'encrypt'?"),
    ("hana", "sslTrustStore", "sslTruststore", "did you mean 'sslTrustStore'?"),
    ("tibero", "jar", "jars", "did you mean 'jar'?"),
    ("sftp", "known_hosts", "colour", "allowed: key_file, known_hosts, timeout"),
    ("hdfs", "ca_certs", "ca_cert", "did you mean 'ca_certs'?"),
    ("elasticsearch", "major", "mayor", "did you mean 'major'?"),
    ("http", "standin", "timeouts", "did you mean 'timeout'?"),
]


@pytest.mark.parametrize(("kind", "right", "wrong", "said"), OPTIONS)
def test_options_of_every_kind(kind: str, right: str, wrong: str, said: str) -> None:
    (told,) = unknown(kind, [right, wrong])
    assert told.startswith(f"{kind} has no option {wrong!r}; ")
    assert said in told


def test_options_that_a_driver_or_server_names_itself() -> None:
    assert unknown("hive", ["mapreduce.job.queuename"]) == []
    assert unknown("storage", ["endpoint_url"]) == []
