"""What a command says it looked at is what it looked at: no proof is claimed that was not made."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tiny_world import TINY, TINY_SCENARIOS

from sim.ground.errors import GateError
from tests.cli.test_verify import PART, items, rewrite_table

ARGUMENTS = [item for key, value in TINY.items() for item in ("--set", f"{key}={value!r}")]
ARGUMENTS += [item for scenario in TINY_SCENARIOS for item in ("--scenario", scenario)]


def flip(path: Path) -> None:
    """Damage one byte in the middle; the size stays."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)


# ---- diff


def test_diff_does_not_call_a_damaged_copy_equal(cli, mini, mini_copy):
    assert (
        "3 dataset(s) equal (every byte of them hashed), 0 different"
        in cli("diff", mini.run, mini_copy.run).out
    )
    flip(items(mini_copy.run) / PART)
    for pair in ((mini.run, mini_copy.run), (mini_copy.run, mini.run)):
        answer = cli("diff", *pair)
        assert answer.code == 5 and answer.out == ""
        assert (
            str(items(mini_copy.run) / PART) in answer.err
            and "a file is not the one that was published" in answer.err
        )


def test_diff_by_recorded_digests_says_so(cli, mini, mini_copy):
    flip(items(mini_copy.run) / PART)
    answer = cli("diff", mini.run, mini_copy.run, "--recorded")
    assert (
        answer.code == 0 and "3 dataset(s) equal (by the digests they recorded; bytes not read)" in answer.out
    )
    assert (
        json.loads(cli("diff", mini.run, mini_copy.run, "--recorded", "--json").out)["looked_at"]
        == "recorded digests"
    )
    assert json.loads(cli("diff", mini.run, mini.run, "--json").out)["looked_at"] == "every byte"


def test_diff_does_not_believe_a_forged_content_digest(cli, mini, mini_copy):
    """Every file is the one its index lists; the content digest it lists is the other world's."""
    rewrite_table(mini_copy.run)
    assert cli("diff", mini.run, mini_copy.run, "--recorded", *mini.options).code == 0
    answer = cli("diff", mini.run, mini_copy.run, *mini.options, "--json")
    assert answer.code == 1
    (found,) = json.loads(answer.out)["different"]
    assert (found["dataset"], list(found["columns"])) == ("items", ["weight"]) and found["changed"] > 0


# ---- run, plan, status, verify


@pytest.fixture
def demo_copy(demo_run: Path, tmp_path: Path) -> Path:
    target = tmp_path / demo_run.name
    shutil.copytree(demo_run, target)
    return target


def test_a_run_over_a_finished_run_says_what_it_looked_at(cli, demo_copy):
    flip(next(demo_copy.glob("data/layer2/5B/arrival_events/**/part-00000.parquet")))
    again = cli("run", *ARGUMENTS, "--out", demo_copy.parent, "--quiet")
    assert again.code == 0 and "checks passed" not in again.out
    codes = "1A, 1B, 2A, 2B, 3A, 3B, 5A, 5B, 6A, 6B"
    assert (
        f"complete   {codes} before this command: sizes checked, bytes not re-read (closedworld verify "
        "--deep reads them)"
    ) in again.out
    document = json.loads(cli("run", *ARGUMENTS, "--out", demo_copy.parent, "--quiet", "--json").out)
    assert document["checks_passed"] == 0 and document["taken_over"] == dict.fromkeys(
        codes.split(", "), "sizes checked, bytes not re-read"
    )
    planned = cli("plan", *ARGUMENTS, "--out", demo_copy.parent)
    assert planned.code == 0 and "proven" not in planned.out
    assert (
        "published    sizes checked, bytes not re-read (closedworld verify --deep reads them)" in planned.out
    )
    assert "by its flags; closedworld verify looks at the files" in cli("status", demo_copy).out
    shallow = cli("verify", demo_copy)
    assert shallow.code == 0 and "verified" not in shallow.out
    assert "looked at names, kinds and sizes; bytes not read: --deep hashes every one" in shallow.out
    assert cli("verify", demo_copy, "--deep").code == 5


# ---- files taken over


def unfinished(folder: Path) -> Path:
    """A mini world whose first segment has published its state and not passed."""
    import miniworld

    miniworld.write_world(folder)
    run = miniworld.build(folder, until="1A").run_dir
    for name in ("_passed.flag", "index.json"):
        (run / "gates/1A" / name).unlink()
    return run


def test_a_state_taken_over_is_hashed_before_a_flag_vouches_for_it(tmp_path):
    import miniworld

    run = unfinished(tmp_path)
    path = items(run) / PART
    before = path.read_bytes()
    flip(path)
    with pytest.raises(GateError) as error:
        miniworld.build(tmp_path)
    assert (
        error.value.code == "SHELL.PUBLISHED_FILE_MISSING"
        and "SHA-256" in error.value.examples[0]
        and str(path) in error.value.examples[0]
    )
    assert not (run / "gates/1A/_passed.flag").exists()
    path.write_bytes(before)
    result = miniworld.build(tmp_path)
    assert [row.status for row in result.rows if row.state == "1A.S1"] == [
        "PROVEN"
    ] and result.taken_over == []


def test_a_state_of_another_size_is_told_by_a_plan_too(cli, demo_copy):
    for gone in ("gates/6B", "data/layer3/6B"):
        shutil.rmtree(demo_copy / gone)
    for name in ("_passed.flag", "index.json"):
        (demo_copy / "gates/6A" / name).unlink()
    assert cli("plan", *ARGUMENTS, "--out", demo_copy.parent).code == 0
    path = next(demo_copy.glob("data/layer3/6A/*/**/part-00000.parquet"))
    path.chmod(0o644)
    path.write_bytes(b"PAR1")
    answer = cli("plan", *ARGUMENTS, "--out", demo_copy.parent)
    assert answer.code == 5 and f"{path}: 4 bytes, published with " in answer.err
