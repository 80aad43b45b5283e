"""`publish.py` and `gate.py` alone touch published files,
and they are small enough to be read in one sitting.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
KEEPERS = ("sim/shell/publish/publish.py", "sim/shell/publish/gate.py")
CHANGES = {
    "unlink",
    "rename",
    "renames",
    "rmdir",
    "mkdir",
    "makedirs",
    "remove",
    "rmtree",
    "write_text",
    "write_bytes",
    "touch",
    "chmod",
}
CHANGES |= {
    "symlink_to",
    "hardlink_to",
    "symlink",
    "link",
    "truncate",
    "ftruncate",
    "pwrite",
    "move",
    "copyfile",
    "copytree",
    "copy2",
}
CHANGES |= {
    "write_table",
    "write_parquet",
    "ParquetWriter",
    "mkfifo",
    "utime",
    "chown",
    "write_dataset",
    "sendfile",
    "copy_file_range",
}
ALLOWED = {
    ("sim/backends/cache.py", "rmtree"): "a throw-away cache of this process",
    ("sim/backends/cache.py", "mkdir"): "the compiled kernels' cache, outside any run",
    ("sim/cli/streams.py", "open"): "standard streams, and os.devnull in place of one whose reader went away",
    ("sim/backends/cache.py", "read_bytes"): "the engine's own sources",
    ("sim/backends/compiled.py", "mkdir"): "marks of compiled kernels, in their cache, outside any run",
    ("sim/backends/compiled.py", "remove"): "a name, from a set",
    ("sim/backends/compiled.py", "touch"): "marks of compiled kernels, in their cache, outside any run",
    ("sim/backends/calibration.py", "read_text"): "/proc/cpuinfo, and the user's cache of measurements",
    ("sim/backends/calibration.py", "replace"): "the user's cache of measurements",
    ("sim/backends/calibration.py", "write_bytes"): "the user's cache of measurements",
    ("sim/backends/kernel_contracts.py", "read_text"): "the packaged contracts of kernels",
    ("sim/cli/complete.py", "read_text"): "packaged files, for completion in a shell",
    ("sim/executors/resident.py", "read_text"): "/sys/fs/cgroup",
    ("sim/cli/machine.py", "read_text"): "the package's own lock, /proc/meminfo and /sys/fs/cgroup",
    ("sim/objects/s3.py", "read_bytes"): "reads what is uploaded",
    ("sim/objects/s3.py", "touch"): "notes of multipart uploads, below staging/",
    ("sim/cli/sql.py", "open"): "`sim.world.open`, which opens through the gate",
    ("sim/cli/sql.py", "write_table"): "rows of an answer, to standard output",
    ("sim/cli/duckdb.py", "write_table"): "rows of an answer, to standard output",
    ("sim/cli/diff.py", "open"): "`sim.world.open`, which opens through the gate",
    ("sim/cli/duckdb.py", "open"): "`sim.world.open`, which opens through the gate",
    ("sim/world/transactions.py", "memory_map"): "slices of payments in a temporary folder, outside any run",
    ("sim/world/transactions.py", "unlink"): "slices of payments in a temporary folder, outside any run",
    ("sim/world/transactions.py", "write_table"): "slices of payments in a temporary folder, outside any run",
    ("sim/world/workbench.py", "link"): "the user's own file of views, outside any run",
    ("sim/world/workbench.py", "unlink"): "the user's own file of views, outside any run",
    ("sim/cli/explain.py", "open"): "`sim.world.open`, which opens through the gate",
    ("sim/executors/cluster.py", "rmtree"): "the workers' scratch directory, outside any run",
    ("sim/executors/resident.py", "open"): "/proc/self/status",
    ("sim/executors/resident.py", "write_text"): "/proc/self/clear_refs",
    ("sim/shell/partition/attempts.py", "mkdir"): "below staging/",
    ("sim/shell/partition/attempts.py", "replace"): "below staging/",
    ("sim/shell/partition/attempts.py", "touch"): "below staging/",
    ("sim/objects/generic.py", "fdopen"): "objects of a file:// store, each created once under a free name",
    ("sim/objects/generic.py", "link"): "objects of a file:// store, each created once under a free name",
    ("sim/objects/generic.py", "open"): "reads what is uploaded, and objects of a store",
    ("sim/objects/generic.py", "unlink"): "the temporary name of an object of a file:// store",
    ("sim/objects/mirror.py", "mkdir"): "a reader's private mirror of a store's documents",
    ("sim/objects/mirror.py", "write_bytes"): "a reader's private mirror of a store's documents",
    ("sim/objects/store.py", "open"): "reads an object of a store",
    ("sim/objects/verify.py", "mkdir"): "a verifier's private copies, one object at a time",
    ("sim/objects/verify.py", "unlink"): "a verifier's private copies, one object at a time",
    ("sim/shell/runs/remove.py", "rmdir"): "a run the user had removed, renamed aside first",
    ("sim/shell/runs/remove.py", "rmtree"): "a run the user had removed, renamed aside first",
    ("sim/shell/runs/remove.py", "unlink"): "a run the user had removed, renamed aside first",
    ("sim/objects/s3.py", "open"): "reads what is uploaded",
    ("sim/objects/s3.py", "unlink"): "notes of multipart uploads, below staging/",
    ("sim/objects/s3.py", "write_text"): "notes of multipart uploads, below staging/",
    (
        "sim/objects/upload.py",
        "chmod",
    ): "a fetched file below staging/, before `rename_new` of publish.py takes it in",
    (
        "sim/objects/upload.py",
        "rmdir",
    ): "local copies of data files, which the store has proven to hold, are given up",
    (
        "sim/objects/upload.py",
        "unlink",
    ): "local copies of data files, which the store has proven to hold, are given up",
    ("sim/objects/upload.py", "write_bytes"): "the store's receipt, for comparison, below staging/",
    (
        "sim/shell/runs/grouped.py",
        "ParquetFile",
    ): "reads row groups of a data file whose hash the store has proven",
    ("sim/shell/runs/grouped.py", "OSFile"): "a data file's footer for bounds.py, which the gate let through",
    ("sim/shell/tables/parquet.py", "ParquetWriter"): "encodes rows, in memory or for staging",
    (
        "sim/shell/tables/bounds.py",
        "ParquetFile",
    ): "reads a file's footer, and its dictionaries, for those who had the gate let it through",
    ("sim/shell/events/hub.py", "remove"): "a listener, from a list",
    ("sim/shell/events/run_log.py", "open"): "the log a user asked for, by --log",
    ("sim/ground/identity.py", "fdopen"): "reads to hash; called by the two keepers and by staging",
    ("sim/shell/publish/lock.py", "ftruncate"): "the run's .lock",
    ("sim/shell/publish/lock.py", "open"): "the run's .lock",
    ("sim/shell/publish/lock.py", "pwrite"): "the run's .lock",
    ("sim/shell/contracts/proofs.py", "touch"): "the user's cache of proven contracts, outside any run",
    ("sim/shell/partition/staging.py", "rename"): "a failed state, from staging/ to staging/quarantine/",
    ("sim/shell/partition/staging.py", "replace"): "below staging/",
    ("sim/shell/partition/staging.py", "rmtree"): "below staging/",
    ("sim/shell/partition/staging.py", "unlink"): "below staging/",
    ("sim/shell/runs/check_names.py", "read_text"): "registries of a contracts folder, outside any run",
    ("sim/shell/runs/check_names.py", "replace"): "registries of a contracts folder, outside any run",
    ("sim/shell/runs/check_names.py", "write_text"): "registries of a contracts folder, outside any run",
    ("sim/shell/runs/status.py", "open"): "the run's .lock, for reading",
    (
        "sim/ground/plain_file.py",
        "fdopen",
    ): "the one reader of plain files; what it read is judged by its caller",
    (
        "sim/ground/plain_file.py",
        "open",
    ): "the one reader of plain files; what it read is judged by its caller",
    ("sim/world/__init__.py", "open"): "`sim.world.open`, which opens through the gate",
    (
        "sim/shell/tables/parquet.py",
        "ParquetFile",
    ): "reads a data file for store and verify, which had the gate hash it",
    (
        "sim/shell/tables/parquet.py",
        "OSFile",
    ): "a data file's footer for bounds.py, which the gate let through",
    (
        "sim/shell/tables/parquet.py",
        "write_table",
    ): "into memory; `write_parquet` is for the reference snapshot",
    ("sim/model/inputs/parquet_file.py", "ParquetFile"): "reads the user's own file, from memory",
    ("sim/shell/tables/reference.py", "ParquetFile"): "reads the reference snapshot",
    ("sim/shell/runs/status.py", "ParquetFile"): "reads run reports, which no gate covers",
    ("sim/world/tables.py", "read_schema"): "reads a data file the gate has let through",
}
OPENS = {
    "read_text",
    "read_bytes",
    "open",
    "fdopen",
    "ParquetFile",
    "read_table",
    "read_schema",
    "open_input_file",
    "memory_map",
    "OSFile",
}


def touches(path: Path) -> set[str]:
    """Calls in a module that open files, or change what directories hold."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        name = (
            node.func.attr
            if isinstance(node.func, ast.Attribute)
            else node.func.id
            if isinstance(node.func, ast.Name)
            else ""
        )
        # `Path.replace` takes one argument, `str.replace` two, and dataclasses and times are replaced by
        # keyword.
        renames = name == "replace" and len(node.args) == 1 and not node.keywords
        if renames or name in CHANGES or name in OPENS:
            found.add(name)
    return found


@pytest.mark.promise(
    "P21", "publish.py and gate.py are the only modules that touch published files", cases=220
)
def test_nothing_else_opens_renames_or_removes_published_files() -> None:
    """Every other module's file calls, all of them, with the reason why they do not
    touch a published name.
    """
    modules = [
        path for path in sorted((ROOT / "sim").rglob("*.py")) if str(path.relative_to(ROOT)) not in KEEPERS
    ]
    found = {(str(path.relative_to(ROOT)), name) for path in modules for name in touches(path)}
    assert found == set(ALLOWED)
    assert len(modules) > 150


def test_the_two_are_small() -> None:
    """Whoever trusts published files has these two modules to read: statements,
    so that no line is packed to pass.
    """
    nodes = [node for name in KEEPERS for node in ast.walk(ast.parse((ROOT / name).read_text()))]
    texts = [node for node in nodes if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)]
    assert 0 < sum(isinstance(node, ast.stmt) for node in nodes) - len(texts) <= 240


AUDIT = """
import os, sys, traceback
from pathlib import Path
root = sys.argv[1]
sys.path.insert(0, sys.argv[2])
import miniworld
from sim.shell.publish import gate
from sim.shell.runs import opened
from sim.shell.runs import verify
seen = set()
CALLS = "rename remove rmdir mkdir chmod truncate link symlink".split()
WATCHED = {"open"} | {f"os.{name}" for name in CALLS}
PLACES = ("data", "gates", "run_receipt.json")
def on_behalf(code):
    return "/sim/" not in code.co_filename or code.co_filename.endswith(("/identity.py", "/plain_file.py"))
def hook(event, args):
    if event not in WATCHED:
        return
    path = os.fspath(args[0]) if isinstance(args[0], (str, bytes, os.PathLike)) else ""
    parts = os.fsdecode(path).split("/runs/")[-1].split("/")
    if "/runs/" not in os.fsdecode(path) or len(parts) < 2 or parts[1] not in PLACES:
        return
    frame = sys._getframe(1)
    while frame and on_behalf(frame.f_code):
        frame = frame.f_back
    seen.add(frame.f_code.co_filename.rpartition("/sim/")[2] if frame else "?")
miniworld.write_world(Path(root))
sys.addaudithook(hook)
run = miniworld.build(Path(root), until="1A").run_dir
miniworld.build(Path(root))
miniworld.build(Path(root))
contracts, prepared = miniworld.prepared(Path(root)).contracts, miniworld.prepared(Path(root))
report = verify.verify_run(run, ("1A", "1B"), verify.content_check(run, contracts, prepared.vocabularies))
assert report.problems == (), report.problems
opened.open_run(run, ("1A", "1B"))
print("\\n".join(sorted(seen)))
"""


def test_at_run_time_only_the_two_open_what_is_published(tmp_path: Path) -> None:
    """Building, resuming, verifying and opening a world, watched by an audit hook. (Arrow reads data files
    without telling Python.)
    """
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", AUDIT, str(tmp_path), str(ROOT / "tests/shell")]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert set(done.stdout.split()) == {"shell/publish/publish.py", "shell/publish/gate.py"}
