"""Row groups that follow a column: what is read is what a filter finds, and no file can say otherwise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import miniworld
import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sim.shell.tables.row_groups as row_groups
from sim.ground.contract_types import Column, Dataset, TableContract
from sim.ground.errors import GateError, ValidationError
from sim.ground.identity import sha256_bytes
from sim.shell.contracts.lint_numbers import number_problems
from sim.shell.contracts.lint_tables import Places, dataset_problems
from sim.shell.contracts.load import load_contracts
from sim.shell.loop.outcome import RunResult
from sim.shell.publish.gate import open_bundle
from sim.shell.runs.grouped import Footers, read_groups
from sim.shell.runs.store import Store
from sim.shell.runs.verify import content_check
from sim.shell.tables.frame_checks import check_frame, check_key_ranges
from sim.shell.tables.key_ranges import key_range
from sim.shell.tables.parquet import encode_parquet, read_parquet
from sim.state.context import PartitionContext
from sim.state.declaration import Partition
from sim.state.frames import Frame, concat
from sim.state.program import Program, Segment
from sim.state.records import PartFile
from tests.states.memory_world import MemoryWorld, contracts

SPREAD = Dataset(
    id="spread",
    segment="1B",
    layer=1,
    description="Things in buckets.",
    path="data/spread",
    partitioning=("seed", "manifest_fingerprint"),
    table=TableContract(
        "closedworld:test#/tables/spread",
        "Things in buckets.",
        (
            Column("bucket", "uint16", maximum=1000, encoding="delta"),
            Column("owner", "uint32"),
            Column("seq", "uint32"),
            Column("note", "int16", nullable=True),
        ),
        "test:1:1",
    ),
    primary_key=("owner", "seq"),
    sort_order=("bucket", "owner", "seq"),
    row_groups="bucket",
    produced_by="1B.S1",
)


def spread(bucket: list[int], first: int = 0) -> Frame:
    """A row a bucket named; owners of three things each."""
    row = np.arange(len(bucket)) + first
    note = (row * 7 % 100).astype(np.int16)
    valid = row % 5 != 0
    frame = Frame(
        {
            "bucket": np.array(bucket, dtype=np.uint16),
            "owner": (row // 3).astype(np.uint32),
            "seq": (row % 3).astype(np.uint32),
            "note": np.where(valid, note, np.int16(0)),
        },
        {"note": valid},
    )
    return frame.sort(*SPREAD.sort_order)


def written(path: Path, frame: Frame) -> PartFile:
    data = encode_parquet(frame, SPREAD, {}, {}).to_pybytes()
    path.write_bytes(data)
    return PartFile(path.name, len(data), len(frame), sha256_bytes(data), "", key_range(frame, SPREAD))


def same(a: Frame, b: Frame) -> bool:
    return a.names == b.names and all(
        a[name].dtype == b[name].dtype
        and np.array_equal(a[name], b[name])
        and np.array_equal(a.present(name), b.present(name))
        for name in a.names
    )


@given(
    st.lists(st.integers(0, 9), max_size=80),
    st.integers(-1, 11),
    st.integers(-1, 11),
    st.integers(1, 30),
    st.permutations(SPREAD.table.names),
)
@settings(max_examples=60, deadline=None)
def test_groups_are_what_a_filter_finds(
    tmp_path_factory: pytest.TempPathFactory,
    bucket: list[int],
    low: int,
    high: int,
    most: int,
    columns: list[str],
) -> None:
    """Whatever rows a bucket has, also where one has several row groups."""
    path, frame = tmp_path_factory.mktemp("g") / "part-00000.parquet", spread(bucket)
    with pytest.MonkeyPatch.context() as patch:
        for module in ("tables.row_groups", "tables.parquet", "tables.bounds"):
            patch.setattr(f"sim.shell.{module}.ROW_GROUP_ROWS", most)
        part = written(path, frame)
        assert same(read_parquet(path, SPREAD, {}, part=part), frame)
        found = read_groups(path, part, SPREAD, {}, Footers(), low, high, columns)
        sizes = [rows for _, rows in part.keys.get("row_groups", [])]
        if bucket:
            footer = pq.read_metadata(path)
            assert [footer.row_group(i).num_rows for i in range(footer.num_row_groups)] == (
                row_groups.pieces_of(sizes)
            )
    wanted = frame.take((frame.bucket.astype(int) >= low) & (frame.bucket.astype(int) < high))
    assert (found is None and len(wanted) == 0) or (found and same(found, wanted.select(*columns)))


@pytest.mark.parametrize(
    "said",
    [
        [[0, 3], [2, 2]],
        [[0, 2], [2, 4]],
        [[2, 3], [0, 3]],
        [[0, 6]],
        [[0, 3], [0, 3]],
        [[0, 3], [1 << 20, 3]],
        [[0, 0], [1, 3], [2, 3]],
        [[0, 3.0], [2, 3]],
        [[0, True], [2, 5]],
        "rows",
        {"0": 3},
        None,
    ],
)
def test_a_manifest_that_says_other_groups_is_refused(tmp_path: Path, said: Any) -> None:
    path = tmp_path / "part-00000.parquet"
    part = written(path, spread([0, 0, 0, 2, 2, 2]))
    part = replace(part, keys={**part.keys, "row_groups": said})
    with pytest.raises(GateError, match="row groups"):
        read_groups(path, part, SPREAD, {}, Footers(), 0, 3, SPREAD.table.names)
    if said is not None:  # nothing said: the file's own bounds hold, as for any other dataset
        with pytest.raises(GateError):
            read_parquet(path, SPREAD, {}, part=part)


def test_groups_of_other_values_are_refused(tmp_path: Path) -> None:
    """Sizes agree, values do not: one row is another bucket's, or all are."""
    path = tmp_path / "part-00000.parquet"
    part = written(path, spread([0, 0, 0, 2, 2, 2]))
    for said in ([[0, 3], [1, 3]], [[1, 3], [2, 3]]):
        forged = replace(part, keys={**part.keys, "row_groups": said})
        with pytest.raises(GateError, match="other row groups"):
            read_groups(path, forged, SPREAD, {}, Footers(), 0, 3, ("owner",))
    honest = written(tmp_path / "part-00001.parquet", spread([0, 0, 1, 2, 2, 2]))
    frame = spread([0, 0, 1, 2, 2, 2])
    lumped = replace(SPREAD, row_groups=None)
    data = encode_parquet(frame, lumped, {}, {}).to_pybytes()
    path.write_bytes(data)
    with pytest.raises(GateError, match="row groups"):
        read_groups(path, replace(honest, bytes=len(data)), SPREAD, {}, Footers(), 0, 1, ("owner",))


def test_every_damaged_byte_of_a_page_is_found(tmp_path: Path) -> None:
    """Pages carry checksums; a read of one group looks at its own pages alone, and at all of them."""
    path, frame = tmp_path / "part-00000.parquet", spread([0] * 40 + [1] * 40)
    part = written(path, frame)
    data, footers = path.read_bytes(), Footers()
    footer = footers.get(path, part, SPREAD, {})
    wanted = frame.take(frame.bucket == 1)
    column = footer.row_group(1).column(1)
    begin = min(column.data_page_offset, column.dictionary_page_offset or column.data_page_offset)
    for offset in range(begin, begin + column.total_compressed_size):
        path.write_bytes(data[:offset] + bytes([data[offset] ^ 0xFF]) + data[offset + 1 :])
        assert same(
            read_groups(path, part, SPREAD, {}, footers, 0, 1, ("owner",)),  # type: ignore[arg-type]
            frame.take(frame.bucket == 0).select("owner"),
        )
        try:
            found = read_groups(path, part, SPREAD, {}, footers, 1, 2, ("owner",))
        except GateError:
            continue
        assert found is not None  # a byte of a page header that says nothing of the rows
        assert same(found, wanted.select("owner"))
    path.write_bytes(data[: begin + 5])
    with pytest.raises(GateError):
        read_groups(path, part, SPREAD, {}, footers, 1, 2, ("owner",))


def test_footers_are_kept_and_bounded(tmp_path: Path) -> None:
    footers, parts = Footers(), []
    for number in range(5):
        path = tmp_path / f"part-{number:05d}.parquet"
        parts.append((path, written(path, spread([0, 1, 2], 3 * number))))
    first = footers.get(*parts[0], SPREAD, {})
    assert footers.get(*parts[0], SPREAD, {}) is first
    footers.budget = 2 * first.serialized_size + 200
    for part in parts:
        footers.get(*part, SPREAD, {})
    assert footers._held <= footers.budget
    assert footers.get(*parts[0], SPREAD, {}) is not first


def test_keys_are_unique_across_files_whose_groups_overlap() -> None:
    """Files have rows of all groups; that their spans of primary keys are apart proves that none repeats."""
    frames = [spread([5, 0, 3, 0], 0), spread([1, 0, 0, 9], 4), spread([], 0), spread([2, 2], 8)]
    for frame in frames:
        assert all(check.passed for check in check_frame(frame, SPREAD, {}))
    ranges = [key_range(frame, SPREAD) for frame in frames]
    assert [part.get("least_primary") for part in ranges] == [[0, 0], [1, 1], None, [2, 2]]
    assert [part.get("most_primary") for part in ranges] == [[1, 0], [2, 1], None, [3, 0]]
    assert all(check.passed for check in check_key_ranges(ranges, SPREAD))
    for again in (spread([4, 4], 7), spread([4], 0)):  # one repeats a key, the other is out of order
        checks = check_key_ranges([*ranges[:2], key_range(again, SPREAD)], SPREAD)
        failed = {check.name for check in checks if not check.passed}
        assert "seam.primary_key" in failed
    inside = concat([spread([1], 0), spread([2], 0)])
    assert not all(check.passed for check in check_frame(inside, SPREAD, {}))


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 30)), min_size=1, max_size=40))
@settings(deadline=None)
def test_spans_never_hide_a_key_that_repeats(rows: list[tuple[int, int]]) -> None:
    """Whatever the cut into two files: if a key is in both, a check fails."""
    for cut in range(1, len(rows)):
        frames = []
        for piece in (rows[:cut], rows[cut:]):
            owner = np.array([owner for _, owner in piece], dtype=np.uint32)
            frames.append(
                Frame(
                    {
                        "bucket": np.array([bucket for bucket, _ in piece], dtype=np.uint16),
                        "owner": owner,
                        "seq": owner,
                        "note": np.zeros(len(piece), dtype=np.int16),
                    }
                ).sort(*SPREAD.sort_order)
            )
        twice = set(frames[0].owner.tolist()) & set(frames[1].owner.tolist())
        checks = check_key_ranges([key_range(frame, SPREAD) for frame in frames], SPREAD)
        assert not twice or not all(check.passed for check in checks)


# A world with such a dataset


def plan(ctx: Any) -> list[Partition]:
    return [Partition(number, spec={"rows": [10 * number, 10 * number + 10]}) for number in range(10)]


def compute(ctx: PartitionContext, part: Partition) -> dict[str, Frame]:
    items = ctx.load("items", rows=tuple(part.spec["rows"]))
    bucket = (items.word % np.uint64(7)).astype(np.uint16)
    even = items.item_id % np.uint64(2) == 0
    columns = {
        "bucket": bucket,
        "item_id": items.item_id,
        "twice": items.item_id * np.uint64(2),
        "note": np.where(even, 7, 0).astype(np.uint32),
    }
    return {"doubles": Frame(columns, {"note": even}).sort("bucket", "item_id")}


def programs(compute: Callable[..., Any] = compute) -> tuple[Segment, ...]:
    items, _ = miniworld.segments()
    state = replace(miniworld.DOUBLES_STATE, per_scenario=False)
    return (items, Segment("1B", 1, "doubles", (Program(state, compute, plan),)))


@pytest.fixture
def grouped(root: Path) -> Path:
    """The mini world's contracts with doubles in buckets."""
    folder = root / "contracts" / "layer1" / "1B"
    column = "      - {name: bucket, type: uint16, maximum: 100, description: Bucket}\n"
    text = (folder / "schemas.yaml").read_text().replace("    columns:\n", "    columns:\n" + column)
    (folder / "schemas.yaml").write_text(text)
    text = (folder / "dictionary.yaml").read_text().replace(", scenario_id]", "]")
    text = text.replace(
        "    foreign_keys", "    sort_order: [bucket, item_id]\n    row_groups: bucket\n    foreign_keys"
    )
    (folder / "dictionary.yaml").write_text(text)
    return root


def store_of(root: Path, result: RunResult) -> Store:
    request = miniworld.prepared(root, programs())
    store = Store(
        result.run_dir, request.contracts, request.reference, request.vocabularies, request.request.seed
    )
    for code in ("1A", "1B"):
        store.register(open_bundle(result.run_dir, code).datasets)
    return store


def test_a_world_with_row_groups_is_built_read_and_verified(grouped: Path) -> None:
    result = miniworld.build(grouped, programs=programs(), workers=2)
    store = store_of(grouped, result)
    rows = store.load("doubles")
    assert len(rows) == 100
    counted = store.group_rows("doubles")
    assert np.array_equal(counted, np.bincount(rows.bucket).astype(np.uint64))
    whole = [store.load_groups("doubles", None, value, value + 1) for value in range(7)]
    for value, frame in enumerate(whole):
        assert same(frame, rows.take(rows.bucket == value))
    assert same(
        store.load_groups("doubles", None, 2, 5, ["note"]),
        rows.take((rows.bucket >= 2) & (rows.bucket < 5)).select("note"),
    )
    assert len(store.load_groups("doubles", None, 50, 60)) == 0
    request = miniworld.prepared(grouped, programs())
    check = content_check(result.run_dir, request.contracts, request.vocabularies)
    assert check(store.published("doubles")) == []
    with pytest.raises(ValueError, match="no row groups"):
        store.load_groups("items", None, 0, 1)


def test_a_file_that_is_not_the_published_one_is_refused(grouped: Path) -> None:
    result = miniworld.build(grouped, programs=programs())
    store = store_of(grouped, result)
    store.load_groups("doubles", None, 0, 1)
    file = next((result.run_dir / store.published("doubles").path).glob("part-00003.parquet"))
    data = file.read_bytes()
    file.chmod(0o644)
    file.write_bytes(data[:100] + b"\0" + data[101:])
    with pytest.raises(GateError):
        store.load_groups("doubles", None, 0, 1)


def test_a_killed_run_goes_on_to_the_same_bytes(grouped: Path, tmp_path: Path) -> None:
    whole = miniworld.build(grouped, out=tmp_path / "whole", programs=programs())

    def fails(ctx: PartitionContext, part: Partition) -> dict[str, Frame]:
        if part.index == 6:
            raise KeyboardInterrupt
        return compute(ctx, part)

    with pytest.raises(KeyboardInterrupt):
        miniworld.build(grouped, out=tmp_path / "killed", programs=programs(fails))
    again = miniworld.build(grouped, out=tmp_path / "killed", programs=programs())
    files = [
        {
            str(path.relative_to(run.run_dir)): path.read_bytes()
            for path in sorted((run.run_dir / "data").rglob("*.parquet"))
        }
        for run in (whole, again)
    ]
    assert files[0] == files[1]


@pytest.mark.parametrize("wrong", ["unsorted", "repeated"])
def test_rows_that_break_the_order_or_a_key_are_not_published(grouped: Path, wrong: str) -> None:
    def broken(ctx: PartitionContext, part: Partition) -> dict[str, Frame]:
        frame = compute(ctx, part)["doubles"]
        if wrong == "unsorted":
            return {"doubles": frame.take(np.arange(len(frame))[::-1])}
        moved = frame.with_columns(bucket=(frame.bucket + np.uint16(10 * part.index)).astype(np.uint16))
        if part.index < 9:
            return {"doubles": moved}
        first = ctx.load("items", rows=(0, 1)).item_id[0]
        ids = moved.item_id.copy()
        ids[0] = first
        return {"doubles": moved.with_columns(item_id=ids)}

    with pytest.raises(ValidationError):
        miniworld.build(grouped, programs=programs(broken))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("row_groups: bucket", "row_groups: nothing"), "no column"),
        (("row_groups: bucket", "row_groups: item_id"), "no row groups"),
        (("sort_order: [bucket, item_id]", "sort_order: [item_id, bucket]"), "not sorted by its row groups"),
        (("row_groups: bucket", "made_in: published"), "published order"),
    ],
)
def test_contracts_that_cannot_have_row_groups_are_refused(
    grouped: Path, change: tuple[str, str], said: str
) -> None:
    path = grouped / "contracts" / "layer1" / "1B" / "dictionary.yaml"
    path.write_text(path.read_text().replace(*change))
    wrong = load_contracts(grouped / "contracts")
    problems = [
        *dataset_problems(wrong, Places(wrong)),
        *number_problems(wrong, Places(wrong)),
    ]
    assert any(said in problem.what for problem in problems)


def test_rows_made_in_published_order_keep_it() -> None:
    """Natural ids in the order of published ones go in, published ids in order come out; and back again."""
    world = MemoryWorld({})
    number = np.arange(1, 101, dtype=np.uint64)
    country = np.where(number <= 40, 3, 9).astype(np.int16)
    world.store.parts["s1_party_base_6A"] = [
        Frame({"party_id": number, "household_id": number, "country_iso": country})
    ]
    known = contracts()
    holdings = known.dataset("s2_party_product_holdings_6A")
    made = replace(holdings, made_in="published")
    numberings = world.store._numberings()
    order = np.argsort(world.store.renumbered("party", number, False))
    columns = {
        column.name: number[order] if column.name == "party_id" else np.zeros(100, column.numpy_dtype)
        for column in made.table.columns
    }
    frame = Frame(columns)
    out = numberings.published(frame, made, {})
    assert out.party_id.tolist() == number.tolist()
    assert same(numberings.natural(out, made), frame)
    assert not same(numberings.published(frame, holdings, {}), out)  # out of order: left for its check
