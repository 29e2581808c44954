"""Java in this process: started once, drivers out of their jars, results as Arrow batches.

Here: the one virtual machine, its bounds, what a missing Java, jar or class is told as, and the
Arrow JDBC adapter. Not here: databases, their SQL and their errors (`jdbc.py`).

jpype can start one machine a process and none a second time; it is started when the first
connection is opened, never by an import. A driver has a class loader of its own, so connections
with other jars, or other versions of one, share the machine.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import importlib.util
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import pyarrow as pa

from resources.errors import PermanentError
from resources.yamlfile import nearest

#: Java's own memory, and what Arrow may take beside it for the batches under way.
HEAP, OFF_HEAP = "512m", "1g"

#: Rows a batch has at most, at first, and at first where one value may be very large; the rest is
#: by what they weigh.
BATCH_ROWS, FIRST_ROWS, FIRST_LONG_ROWS, BATCH_BYTES = 16_384, 1_024, 4, 32 << 20

_FLAGS = (
    f"-Xmx{HEAP}",
    f"-XX:MaxDirectMemorySize={OFF_HEAP}",
    "-XX:+UseSerialGC",  # two cores: no collector's threads beside the work
    "-Xrs",  # signals are Python's: a run that is ended ends as one
    "-Duser.timezone=UTC",
    "-Djava.awt.headless=true",
    "--add-opens=java.base/java.nio=ALL-UNNAMED",
    "-Darrow.enable_unsafe_memory_access=true",
    "-Darrow.enable_null_check_for_get=false",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
)


@cache
def _started() -> dict[str, int]:
    """The process that Java was started in, once that is known."""
    return {}


def java(where: str) -> Any:
    """jpype, with Java running. PermanentError says what is missing."""
    try:
        jpype = importlib.import_module("jpype")
    except ImportError:
        raise PermanentError(
            f"{where}: JPype and the JDBC route are not installed; pip install 'lake[tibero]'."
        ) from None
    if not jpype.isJVMStarted():
        jar = _arrow_jar()
        config: Any = importlib.import_module("jpype.config")
        config.destroy_jvm = False  # it would wait at the end for threads that a driver leaves
        try:
            jpype.startJVM(*_FLAGS, classpath=[str(jar)] if jar else [], convertStrings=False)
        except (jpype.JVMNotFoundException, jpype.JVMNotSupportedException):
            raise PermanentError(
                f"{where}: no Java was found. Install a runtime, version 11 or newer (Debian: "
                "default-jre-headless), or set JAVA_HOME to one."
            ) from None
        except (OSError, RuntimeError) as error:
            raise PermanentError(
                f"{where}: Java cannot be started ({type(error).__name__}). JAVA_HOME must name a "
                f"runtime of version 11 or newer, and {HEAP} of memory be free for it."
            ) from None
        _started()["pid"] = os.getpid()
        atexit.register(_at_exit)
        os.register_at_fork(after_in_child=_at_fork)
    if _started().get("pid", os.getpid()) != os.getpid():
        raise PermanentError(
            f"{where}: this process was forked off one in which Java runs, and Java does not "
            "survive a fork. Start processes by 'spawn' (Dagster's executors do), or fork before "
            "the first JDBC connection is opened."
        )
    return jpype


def _at_exit() -> None:
    """End the thread that calls Python back from Java.

    Left alone it may ask for Python while that is being taken down, and then the whole process is
    aborted after its work was done (one in three of short reads, Python 3.11, JPype 1.7.1).
    """
    jpype = importlib.import_module("jpype")
    if _started().get("pid") == os.getpid():
        jpype.JClass("org.jpype.ref.JPypeReferenceQueue").getInstance().stop()


def _at_fork() -> None:
    """Let Python's garbage collector alone in a child, which has none of Java's threads.

    JPype has it collect Java's garbage too once the process has grown: the child would wait for
    ever, whatever it does.
    """
    collect = importlib.import_module("_jpype")._collect
    gc.callbacks[:] = [one for one in gc.callbacks if one != collect]


def _arrow_jar() -> Path | None:
    """The jar with Arrow's JDBC adapter, which the wheel `jaydebeapiarrow` brings."""
    found = importlib.util.find_spec("jaydebeapiarrow")
    if found is None or found.origin is None:
        return None
    return next(iter(sorted(Path(found.origin).parent.glob("lib/arrow-jdbc-extension*.jar"))), None)


def has_arrow() -> bool:
    """Whether the running Java has the adapter: it may have been started by somebody else."""
    jpype = importlib.import_module("jpype")
    try:
        jpype.JClass("org.apache.arrow.adapter.jdbc.JdbcToArrow")
    except TypeError:
        return False
    return True


def driver(where: str, jar: str | None, name: str) -> Any:
    """An instance of the driver class `name` out of `jar`."""
    if not jar:
        raise PermanentError(
            f"{where}: the JDBC driver's jar is not named. Copy it onto this machine (Tibero's is "
            "$TB_HOME/client/lib/jar/tibero*-jdbc.jar on the server) and name it in the "
            "environment: options: {jar: /opt/lake/tibero-jdbc.jar}."
        )
    path = Path(jar).expanduser()
    if not path.is_file():
        raise PermanentError(
            f"{where}: options.jar names {jar}, and there is no such file here. Copy the JDBC "
            "driver's jar to it (Tibero's is $TB_HOME/client/lib/jar/tibero*-jdbc.jar on the "
            "server), readable to the user who runs the lake."
        )
    jpype = java(where)
    try:
        made = _driver(str(path), name)
        if isinstance(made, jpype.JClass("java.sql.Driver")):
            return made
    except jpype.JException as error:
        kind = type(error).__name__.rpartition(".")[2]
        if kind == "ClassNotFoundException":
            said = f"{where}: {jar} has no class {name}; {_drivers(path, name)}"
            raise PermanentError(said) from None
        newer = " It was made for a newer Java." if kind == "UnsupportedClassVersionError" else ""
        raise PermanentError(
            f"{where}: the driver {name} of {jar} cannot be loaded ({kind}).{newer}"
        ) from None
    raise PermanentError(f"{where}: {name} of {jar} is no JDBC driver; {_drivers(path, name)}")


@cache
def _driver(path: str, name: str) -> Any:
    jpype = importlib.import_module("jpype")
    of = jpype.JClass
    url = of("java.io.File")(path).toURI().toURL()
    # Beside Arrow's classes, not below them: its jar has common libraries that drivers have, too.
    above = of("java.lang.ClassLoader").getPlatformClassLoader()
    loader = of("java.net.URLClassLoader")(jpype.JArray(of("java.net.URL"))([url]), above)
    return of("java.lang.Class").forName(name, True, loader).getDeclaredConstructor().newInstance()


def _drivers(path: Path, name: str) -> str:
    """What drivers the jar says it has."""
    try:
        with ZipFile(path) as jar:
            text = jar.read("META-INF/services/java.sql.Driver").decode("utf-8", "replace")
    except (KeyError, BadZipFile):
        return "options.driver names the class, and options.jar the vendor's jar with it."
    named = [line.partition("#")[0].strip() for line in text.splitlines()]
    return f"{nearest(name, [one for one in named if one])} (options.driver)."


@cache
def _allocator() -> Any:
    # One for the process, never closed: batches that Python still holds are in its memory.
    jpype = importlib.import_module("jpype")
    return jpype.JClass("org.apache.arrow.memory.RootAllocator")(1 << 30)


def batches(result: Any, kinds: list[int], long: bool) -> Iterator[list[pa.Array]]:
    """The columns of a `java.sql.ResultSet`, batch after batch; `kinds` are `java.sql.Types`.

    A batch has as many rows as `BATCH_BYTES` have room for, by what the one before weighed.
    """
    of = importlib.import_module("jpype").JClass
    adapter, data = of("org.apache.arrow.adapter.jdbc.JdbcToArrow"), of("org.apache.arrow.c.Data")
    array_of, schema_of = of("org.apache.arrow.c.ArrowArray"), of("org.apache.arrow.c.ArrowSchema")
    config_of = of("org.apache.arrow.adapter.jdbc.JdbcToArrowConfigBuilder")
    types = of("java.util.HashMap")()
    for place, kind in enumerate(kinds, 1):
        field = of("org.apache.arrow.adapter.jdbc.JdbcFieldInfo")(kind)
        types.put(of("java.lang.Integer")(place), field)
    allocator, rows, made, iterator = _allocator(), 0, 0, None
    wanted = FIRST_LONG_ROWS if long else FIRST_ROWS
    try:
        while True:
            if iterator is None or wanted != made:
                if iterator is not None:
                    iterator.close()
                config = config_of(allocator, None)
                config.setTargetBatchSize(wanted).setReuseVectorSchemaRoot(False)
                config.setExplicitTypesByColumnIndex(types)
                iterator, made = adapter.sqlToArrowVectorIterator(result, config.build()), wanted
            if not iterator.hasNext():
                return
            root = iterator.next()
            array, schema = array_of.allocateNew(allocator), schema_of.allocateNew(allocator)
            try:
                data.exportVectorSchemaRoot(allocator, root, None, array, schema)
                batch = pa.RecordBatch._import_from_c(array.memoryAddress(), schema.memoryAddress())
            finally:
                root.close()
                array.close()
                schema.close()
            rows = batch.num_rows
            if not rows:
                return
            yield batch.columns
            weight = max(1, batch.nbytes // rows)
            wanted = max(1, min(BATCH_ROWS, 8 * made, BATCH_BYTES // weight))
            if made // 2 < wanted <= made:
                wanted = made  # another iterator for so little is not worth it
    finally:
        if iterator is not None:
            iterator.close()
