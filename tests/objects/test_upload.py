"""Publishing into a real S3-compatible server: order, resumption, races, refusals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from stores import SECRET

from sim.ground.errors import GateError, LockedError, StorageError, UsageError
from sim.ground.identity import sha256_bytes
from sim.objects.store import require_conditional_put

HERE = Path(__file__).parent
FLAGS = ("gates/1A/_passed.flag", "gates/1B/_passed.flag")


def url(s3, name="w"):
    return f"s3://{s3.bucket}/{name}"


def published(run_dir: Path) -> dict[str, str]:
    """Path -> SHA-256 of everything a run publishes."""
    paths = [path for top in ("data", "gates") for path in (run_dir / top).rglob("*") if path.is_file()]
    return {path.relative_to(run_dir).as_posix(): sha256_bytes(path.read_bytes()) for path in paths}


def stored(objects, run_url: str) -> dict[str, str]:
    store = objects(run_url)
    return {key: store.sha256(key) for key in store.list() if key.startswith(("data/", "gates/"))}


def start(minis, run_url: str, work: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, str(HERE / "mini_upload.py"), str(minis.root), run_url, str(work)]
    )


def test_every_object_is_what_a_local_run_publishes_and_flags_come_last(s3, mini, minis, objects, tmp_path):
    before = len(s3.puts())
    result = minis.run(url(s3), tmp_path / "work")
    run = f"{url(s3)}/{mini.run.name}"
    assert stored(objects, run) == published(mini.run)
    assert minis.verify(run) == []
    done = [
        (path.split("/", 4)[-1], status) for _, path, status in s3.puts()[before:] if mini.run.name in path
    ]
    # does the store honour If-None-Match?
    assert done[:2] == [("run_receipt.json", "200"), ("run_receipt.json", "412")]
    keys = [key for key, status in done if status == "200" and key.startswith(("data/", "gates/"))]
    assert sorted(keys) == sorted(published(mini.run))
    for code, flag in zip(("1A", "1B"), FLAGS, strict=True):
        mine = [number for number, key in enumerate(keys) if f"/{code}/" in key]
        assert mine[-1] == keys.index(flag) and keys[mine[-2]] == f"gates/{code}/index.json"
    assert list(result.run_dir.glob("data/**/*.parquet")) == []
    assert sorted(path.name for path in result.run_dir.iterdir()) == [
        ".lock",
        "gates",
        "reports",
        "run_receipt.json",
        "staging",
    ]


def test_kept_local_copies_are_a_whole_run(s3, mini, minis, tmp_path):
    result = minis.run(url(s3), tmp_path, keep_local=True)
    assert published(result.run_dir) == published(mini.run)


def test_a_second_run_uploads_and_fetches_nothing(s3, minis, tmp_path):
    minis.run(url(s3), tmp_path / "one")
    before = len(s3.puts())
    for work in ("one", "two"):
        result = minis.run(url(s3), tmp_path / work)
        assert [row.status for row in result.rows] == ["PROVEN", "PROVEN"]
        assert list(result.run_dir.glob("data/**/*.parquet")) == []
    data = [path for _, path, status in s3.puts()[before:] if status == "200" and "/reports/" not in path]
    assert data == []


def test_another_machine_goes_on_where_the_first_stopped(s3, mini, minis, objects, tmp_path):
    minis.run(url(s3), tmp_path / "one", until="1A")
    result = minis.run(url(s3), tmp_path / "two")
    assert [row.status for row in result.rows if not row.state.endswith("S0")] == ["PROVEN", "PASS", "PASS"]
    assert stored(objects, f"{url(s3)}/{mini.run.name}") == published(mini.run)


POINTS = [
    ("run_receipt.json", "before"),
    ("part-00002.parquet", "before"),
    ("part-00001.parquet", "after"),
    ("states/1A.S1.json", "after"),
    ("1A/index.json", "after"),
    ("1A/_passed.flag", "before"),
    ("1A/_passed.flag", "after"),
    ("1B/_passed.flag", "before"),
]


@pytest.mark.parametrize(
    ("key", "when"),
    [
        point if number in (1, 5) else pytest.param(*point, marks=pytest.mark.slow)
        for number, point in enumerate(POINTS)
    ],
)
@pytest.mark.promise(
    "P1",
    "killed while uploading to an object store: no flag without its objects; the next run completes",
    faults="SIGKILL at held uploads",
)
def test_killed_while_uploading_no_flag_stands_alone_and_the_next_run_completes(
    s3, mini, minis, objects, tmp_path, key, when
):
    run = f"{url(s3)}/{mini.run.name}"
    s3.hold(key, when)
    process = start(minis, url(s3), tmp_path)
    s3.wait_held(process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    there, whole = stored(objects, run), published(mini.run)
    assert all(whole[name] == digest for name, digest in there.items())
    for code, flag in zip(("1A", "1B"), FLAGS, strict=True):
        assert flag not in there or {name for name in whole if f"/{code}/" in name} <= set(there)
    s3.free()
    minis.run(url(s3), tmp_path)
    assert stored(objects, run) == whole
    assert minis.verify(run) == []


def test_killed_in_a_multipart_upload_the_next_run_aborts_it(s3, objects, tmp_path):
    big = tmp_path / "big"
    big.write_bytes(os.urandom(11 << 20))
    program = f"""
from pathlib import Path
from sim.objects.location import parse_url
from sim.objects.connect import open_store
store = open_store(parse_url("{url(s3)}"))
store._part_bytes = 5 << 20
store.recover(Path("{tmp_path}/notes"))
store.put_new("big", Path("{big}"), "")
"""
    s3.hold("/w/big", "after")
    process = subprocess.Popen([sys.executable, "-c", program], cwd=HERE.parents[1])
    s3.wait_held(process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    s3.free()
    store = objects(url(s3))
    store._part_bytes = 5 << 20
    started = store.fs.call_s3("list_multipart_uploads", Bucket=s3.bucket).get("Uploads", [])
    notes = list((tmp_path / "notes").iterdir())
    assert len(notes) <= len(started) == 1
    store.recover(tmp_path / "notes")
    left = store.fs.call_s3("list_multipart_uploads", Bucket=s3.bucket).get("Uploads", [])
    assert len(left) == len(started) - len(notes)
    assert store.put_new("big", big, "") is True
    assert store.put_new("big", big, "") is False
    assert store.stat("big").size == 11 << 20
    assert store.sha256("big") == sha256_bytes(big.read_bytes())
    assert list((tmp_path / "notes").iterdir()) == []


def test_of_three_who_put_one_name_at_once_exactly_one_creates_it(s3, objects):
    stores = [objects(url(s3)) for _ in range(3)]
    assert all(store.probe() for store in stores)
    for turn in range(20):
        barrier, created = threading.Barrier(3), {}

        def put(number, key=f"k{turn}", barrier=barrier, created=created):
            data = f"{number}".encode()
            barrier.wait()
            created[number] = stores[number].put_new(key, data, sha256_bytes(data))

        threads = [threading.Thread(target=put, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        winner = [number for number, won in created.items() if won]
        assert len(winner) == 1
        assert stores[0].read(f"k{turn}") == f"{winner[0]}".encode()


@pytest.mark.promise(
    "P7", "two machines publishing one run to a store: both end well, nothing is overwritten"
)
@pytest.mark.slow
def test_two_machines_with_one_run_both_succeed(s3, mini, minis, objects, tmp_path):
    processes = [start(minis, url(s3), tmp_path / name) for name in ("one", "two")]
    assert [process.wait(120) for process in processes] == [0, 0]
    run = f"{url(s3)}/{mini.run.name}"
    assert stored(objects, run) == published(mini.run)
    assert minis.verify(run) == []


@pytest.mark.parametrize("key", ["data", "gates/1A/index.json", "gates/1A/_passed.flag"])
def test_other_content_under_a_name_is_refused(s3, mini, minis, objects, tmp_path, key):
    store = objects(f"{url(s3)}/{mini.run.name}")
    name = (
        key
        if key != "data"
        else next(
            name
            for name in published(mini.run)
            if name.endswith("items/part-00001.parquet") or "00001" in name
        )
    )
    store.put_new(name, b"{}", sha256_bytes(b"{}"))
    with pytest.raises((LockedError, GateError)) as refusal:
        minis.run(url(s3), tmp_path)
    assert refusal.value.exit_code == (5 if key.endswith("flag") else 6)
    assert name in refusal.value.where
    if not key.endswith("flag"):
        assert refusal.value.code == "SHELL.OUTPUT_CONFLICT"
        assert refusal.value.where == store.url(name)
        assert not any(flag in store.list() for flag in FLAGS)
    assert store.read(name) == b"{}"


def test_a_receipt_of_another_request_is_refused(s3, mini, minis, objects, tmp_path):
    store = objects(f"{url(s3)}/{mini.run.name}")
    receipt = (mini.run / "run_receipt.json").read_bytes().replace(b'"seed": 42', b'"seed": 43')
    store.put_new("run_receipt.json", receipt, sha256_bytes(receipt))
    with pytest.raises(LockedError) as refusal:
        minis.run(url(s3), tmp_path)
    assert (refusal.value.code, refusal.value.found, refusal.value.expected) == (
        "SHELL.OUTPUT_CONFLICT",
        "seed 43",
        "42",
    )


def test_a_store_that_forgets_if_none_match_is_refused_before_anything_is_computed(
    s3, mini, minis, objects, tmp_path
):
    s3.tell("forget-if-none-match")
    with pytest.raises(StorageError) as refusal:
        minis.run(url(s3), tmp_path)
    assert refusal.value.code == "SHELL.STORE_WITHOUT_CONDITIONAL_PUT"
    assert set(objects(f"{url(s3)}/{mini.run.name}").list()) == {"run_receipt.json"}
    with pytest.raises(StorageError):
        require_conditional_put(objects(f"{url(s3)}/{mini.run.name}"), "run_receipt.json")


def test_a_store_that_keeps_any_checksum_is_read_back(s3, mini, minis, objects, tmp_path):
    s3.tell("no-checksums")
    run = f"{url(s3)}/{mini.run.name}"
    s3.tell("corrupt", "part-00001.parquet")
    with pytest.raises(StorageError) as refusal:
        minis.run(url(s3), tmp_path)
    assert refusal.value.code == "SHELL.READ_BACK_MISMATCH", refusal.value.render()
    assert refusal.value.where.endswith("/part-00001.parquet") and refusal.value.where.startswith(run)
    assert not any(flag in objects(run).list() for flag in FLAGS)
    bad = refusal.value.where.removeprefix(f"{run}/")
    objects(run).fs.rm_file(objects(run).path(bad))
    minis.run(url(s3), tmp_path)
    assert stored(objects, run) == published(mini.run)
    assert objects(run).stat(bad).sha256 is None  # it would be the uploader's word, not the store's
    assert minis.verify(run, deep=False) == minis.verify(run) == []


def test_credentials_are_written_nowhere(s3, minis, objects, tmp_path, capfd):
    result = minis.run(url(s3), tmp_path, keep_local=True)
    everything = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    store = objects(f"{url(s3)}/{result.run_dir.name}")
    everything += b"".join(store.read(key) for key in store.list())
    said = "".join(capfd.readouterr())
    for secret in (SECRET, "AKIDEXAMPLE"):
        assert secret.encode() not in everything and secret not in said


def test_a_server_that_is_down_is_told_by_url(s3, minis, monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(StorageError) as refusal:
        minis.run(url(s3), tmp_path)
    assert (refusal.value.code, refusal.value.exit_code) == ("SHELL.STORE_FAILED", 7)
    assert refusal.value.where.startswith(f"{url(s3)}/")


def test_a_bucket_that_is_not_there(s3, minis, tmp_path):
    with pytest.raises(StorageError) as refusal:
        minis.run("s3://nosuchbucket/w", tmp_path)
    assert refusal.value.exit_code == 7 and refusal.value.where.startswith("s3://nosuchbucket/w/")


@pytest.mark.parametrize(
    "bad",
    [
        "s3://AKID:geheim@bucket/x",
        "s3://bucket/x?token=geheim",
        "ftp://bucket/x",
        "file://relative",
        "s3://a::b",
        "s3://bucket/../x",
        "s3://",
    ],
)
def test_urls_that_cannot_name_a_run(bad, minis, tmp_path):
    with pytest.raises(UsageError) as refusal:
        minis.run(bad, tmp_path)
    assert refusal.value.code == "SHELL.URL_INVALID"
    assert "geheim" not in refusal.value.render() and "geheim" not in str(refusal.value.as_json())
