"""The programs of Hadoop 2.7.3 and Hive 1.2.1 on this machine, and starting a Java server of them.

Here: fetching them once into a cache folder (from PyPI's `pyspark` 2.4.8, which carries their jars,
and a few jar packages of Debian), compiling our two small Java mains, server folders that do not
outlive a killed test run, configuration files. Not here: what HDFS (`hdfs.py`) and Hive (`hive.py`)
are told.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from xml.sax.saxutils import escape

from tests.servers.postgres import NoServer

_JAVA_SOURCES = Path(__file__).parent / "hadoop"

#: pip compares the hash before it runs anything of the archive.
_SDIST = (
    "pyspark==2.4.8 --hash=sha256:3a19b71b8dc8dd91ebc943604a05e1ab01bce052456d42937035632d852d78dc"
)
#: What the archive lacks. apt compares each with Debian's signed index.
_PACKAGES = (
    "libandroid-json-java",
    "libcommons-daemon-java",
    "libjersey1-core-java",
    "libjersey1-json-java",
    "libjersey1-server-java",
    "libjersey1-servlet-java",
    "libjsr311-api-java",
)
_HDFS_ONLY = ("jersey1-", "jsr311-api-", "commons-daemon-")
_HIVE_ONLY = ("com.android.json-",)

#: Jars of Spark's that no class of the two servers names: half of the 244 MB. (HiveServer2 is in
#: `spark-hive-thriftserver`, where Spark carries Hive's `service` module in Java, as it was but for
#: Spark's copy of guava and its shutdown hooks: hence `spark-core` and `spark-network-common`.)
_UNUSED = """
    arpack_ arrow- breeze chill flatbuffers- hk2- jersey- json4s- jtransforms- kubernetes-
    machinist_ macro-compat_ mesos- okhttp- orc- py4j- pyrolite- scala-compiler- scala-parser-
    scala-reflect- scala-xml_ shapeless_ spire spark-catalyst spark-graphx spark-hive_ spark-k
    spark-l spark-m spark-network-shuffle spark-r spark-s spark-t spark-u spark-y univocity-
    zjsonpatch- zstd-jni-
"""
#: What HDFS needs of the rest: the fewer jars, the sooner it is up.
_HDFS = """
    apacheds- api-asn1- api-util- activation- commons- curator- gson- guava-
    hadoop-annotations- hadoop-auth- hadoop-common- hadoop-hdfs- htrace-core- httpclient- httpcore-
    jackson-core-asl- jackson-jaxrs- jackson-mapper-asl- jackson-xc- javax.servlet-api- jaxb-api-
    jetty- jsp-api- jsr305- leveldbjni-all- log4j-1.2 netty- protobuf-java- slf4j- xercesImpl-
    zookeeper-
"""

#: What both reach into of `java.`, which Java closed after 8.
_OPENED = "io lang lang.invoke lang.reflect net nio util util.concurrent util.concurrent.atomic"


@dataclass(frozen=True)
class Hadoop:
    """The folder with the jars, and that with our compiled mains and the servers' web roots."""

    jars: Path
    classes: Path

    def hdfs_classpath(self) -> list[str]:
        return self._named((*_HDFS.split(), *_HDFS_ONLY))

    def hive_classpath(self) -> list[str]:
        return [jar for jar in self._named(("",)) if not Path(jar).name.startswith(_HDFS_ONLY)]

    def _named(self, prefixes: tuple[str, ...]) -> list[str]:
        return [
            str(jar) for jar in sorted(self.jars.glob("*.jar")) if jar.name.startswith(prefixes)
        ]


def find_hadoop() -> Hadoop:
    """The programs; fetched when they are not here yet (220 MB once), `NoServer` if impossible."""
    for program, cure in (("java", "a Java 17"), ("javac", "a JDK 17 (`default-jdk-headless`)")):
        if shutil.which(program) is None:
            raise NoServer(f"no `{program}` on the PATH; install {cure}")
    cache = Path(os.environ.get("LAKE_TEST_CACHE") or Path.home() / ".cache" / "lake-test-servers")
    sources = sorted(_JAVA_SOURCES.glob("*.java"))
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:12]
    wanted = hashlib.sha256(repr((_SDIST, _PACKAGES, _UNUSED.split())).encode()).hexdigest()[:12]
    hadoop = Hadoop(cache / f"hadoop-2.7.3-{wanted}", cache / f"hadoop-classes-{digest}")
    if hadoop.jars.is_dir() and hadoop.classes.is_dir():
        return hadoop
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / ".lock").open("w") as lock:  # the other test processes wait, then find it made
        fcntl.flock(lock, fcntl.LOCK_EX)
        for folder, make in ((hadoop.jars, _fetch), (hadoop.classes, _compile)):
            if not folder.is_dir():
                with tempfile.TemporaryDirectory(dir=cache, prefix=".making-") as making:
                    (Path(making) / "made").mkdir()
                    make(hadoop, Path(making) / "made", Path(making))
                    (Path(making) / "made").rename(folder)
    return hadoop


def _fetch(_: Hadoop, jars: Path, scratch: Path) -> None:
    _run("download Debian's jars", ["apt-get", "download", *_PACKAGES], scratch)
    for package in scratch.glob("*.deb"):
        _run("unpack Debian's jars", ["dpkg", "-x", str(package), str(scratch / "debian")], scratch)
    for jar in (scratch / "debian" / "usr" / "share" / "java").glob("*-[0-9]*.jar"):
        if jar.name.startswith((*_HDFS_ONLY, *_HIVE_ONLY)):
            shutil.copy(jar, jars / jar.name)  # its text, where it is a link
    # pip asks an archive for its metadata by running its setup.py, which fails with the build tools
    # that pip would fetch for it (it calls a function that pypandoc no longer has).
    tools = scratch / "tools"
    _run("make a virtual environment", [sys.executable, "-m", "venv", str(tools)], scratch)
    pip = [str(tools / "bin" / "pip"), "-q", "--no-cache-dir", "--retries=1"]
    _run("install setuptools", [*pip, "install", "wheel", "setuptools<81"], scratch)
    (scratch / "pyspark.txt").write_text(_SDIST)
    _run(
        "fetch pyspark 2.4.8 from PyPI",
        [*pip, "download", "--no-deps", "--no-build-isolation", "-r", "pyspark.txt", "-d", "."],
        scratch,
    )
    with tarfile.open(scratch / "pyspark-2.4.8.tar.gz") as archive:
        for member in archive:
            name = Path(member.name)
            if name.parts[-3:-1] != ("deps", "jars") or name.name.startswith(
                tuple(_UNUSED.split())
            ):
                continue
            content = archive.extractfile(member)
            if content is not None and name.suffix == ".jar":
                with (jars / name.name).open("wb") as file:
                    shutil.copyfileobj(content, file)


def _compile(hadoop: Hadoop, classes: Path, scratch: Path) -> None:
    classpath = ":".join(hadoop.hdfs_classpath())
    sources = [str(source) for source in sorted(_JAVA_SOURCES.glob("*.java"))]
    options = ["--release", "11", "-proc:none", "-nowarn", "-cp", classpath, "-d", str(classes)]
    _run("compile the servers' mains", ["javac", *options, *sources], scratch)
    for root in ("hdfs", "datanode"):  # what their web servers serve: nothing but WebHDFS
        folder = classes / "webapps" / root / "WEB-INF"
        folder.mkdir(parents=True)
        (folder / "web.xml").write_text(
            '<web-app version="2.4" xmlns="http://java.sun.com/xml/ns/j2ee"></web-app>'
        )
    (classes / "webapps" / "static").mkdir()
    shutil.copy(_JAVA_SOURCES / "log4j.properties", classes)


def _run(what: str, command: Sequence[str], folder: Path) -> None:
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False, timeout=900
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoServer(f"could not {what}: {error}") from None
    if done.returncode:
        hint = "; try `apt-get update`" if command[0] == "apt-get" else ""
        reason = " ".join(done.stderr.split())[-500:]
        raise NoServer(f"could not {what}: {reason}{hint}")


@contextmanager
def server_folder(kind: str) -> Iterator[Path]:
    """A folder for a server's data, gone afterwards; those of killed test runs go at the next."""
    prefix = f"lake-{kind}-"
    for left in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        with contextlib.suppress(OSError), (left / ".lock").open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # refused while its owner lives
            shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    try:
        with (folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_configuration(file: Path, properties: Mapping[str, object]) -> None:
    """A Hadoop configuration file."""
    lines = [
        f"<property><name>{escape(name)}</name><value>{escape(str(value))}</value></property>"
        for name, value in properties.items()
    ]
    file.write_text("<configuration>\n" + "\n".join(lines) + "\n</configuration>\n", "utf-8")


def start_java(
    main: Sequence[str],
    *,
    classpath: Sequence[str],
    log: Path,
    user: str,
    time_zone: str,
    heap_mb: int,
    options: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a Java program that ends when its standard input closes; it acts as `user`."""
    opens = [f"--add-opens=java.base/java.{name}=ALL-UNNAMED" for name in _OPENED.split()]
    opens += [
        "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
        "--add-opens=java.security.jgss/sun.security.krb5=ALL-UNNAMED",
        "--add-exports=java.security.jgss/sun.security.krb5=ALL-UNNAMED",
    ]
    jvm = [
        f"-Xmx{heap_mb}m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",  # a second less to start than with the optimising compiler
        f"-Duser.timezone={time_zone}",
        "-Dfile.encoding=UTF-8",
        f"-Djava.io.tmpdir={log.parent}",
    ]
    with log.open("ab") as errors:
        return subprocess.Popen(
            ["java", *jvm, *opens, *options, "-cp", ":".join(classpath), *main],
            cwd=log.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={
                **os.environ,
                "HADOOP_USER_NAME": user,
                "LC_ALL": "C.UTF-8",
                **(environment or {}),
            },
        )


def read_line(process: subprocess.Popen[bytes], log: Path, seconds: float) -> str:
    """The next line a server prints; `NoServer` with the end of its log if it died or is silent."""
    output: IO[bytes] | None = process.stdout
    assert output is not None
    watchdog = threading.Timer(seconds, process.kill)
    watchdog.start()
    try:
        line = output.readline().decode("utf-8").strip()
    finally:
        watchdog.cancel()
    if not line:
        process.wait(60)
        raise NoServer(f"the server ended ({process.returncode}): {log_end(log)}")
    return line


def log_end(log: Path) -> str:
    return log.read_text("utf-8", errors="replace")[-2000:]


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a server by closing its standard input; killed if that takes a minute."""
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(60)
