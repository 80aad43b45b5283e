"""tests/PROMISES.md says what the tests' markers say, and every promise that applies is proven by a test."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests import promises


def test_the_table_is_in_step_with_the_markers() -> None:
    rows = promises.collected()
    written = promises.parse(promises.TABLE.read_text("utf-8"))
    assert [row.proof for row in written] == [row.proof for row in rows], "run: python tests/promises.py"
    assert promises.TABLE.read_text("utf-8") == promises.render(written), "the table was edited by hand"
    proven = {row.promise for row in rows}
    assert proven <= set(promises.PROMISES)
    assert set(promises.PROMISES) - proven <= set(promises.NOT_YET)
    assert [row for row in written if row.result == "FAILED"] == []


def test_results_are_taken_from_reports(tmp_path: Path) -> None:
    (tmp_path / "test_one.py").write_text(
        "import pytest\n"
        "@pytest.mark.parametrize('n', [1, 2])\n"
        "@pytest.mark.promise('P1', 'words', faults='f', cases=3)\n"
        "def test_a(n, record_property):\n    record_property('cases', 10 * n)\n"
        "@pytest.mark.promise('P2', 'words')\n"
        "def test_b():\n    assert False\n"
        "@pytest.mark.promise('P3', 'words')\n"
        "def test_c():\n    pytest.skip('no | reason')\n"
    )
    report = tmp_path / "junit.xml"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-c",
        str(promises.ROOT / "pyproject.toml"),
        f"--junitxml={report}",
    ]
    subprocess.run(
        [*command, "--rootdir", str(tmp_path), str(tmp_path / "test_one.py")],
        capture_output=True,
        check=False,
        cwd=tmp_path,
    )
    found = promises.results([report])
    assert {
        (test.rpartition("::")[2], said[0].split(":")[0], said[1]) for (test, _), said in found.items()
    } == {
        ("test_a", "passed", "10"),
        ("test_a", "passed", "20"),
        ("test_b", "FAILED", ""),
        ("test_c", "skipped", ""),
    }
    test = next(iter(found))[0].rpartition("::")[0]
    row = promises.Row("P1", "words", f"{test}::test_a", "6", "f", "quick")
    assert (
        promises._with_results(row, found, {}).line()
        == f"| P1 | words | `{test}::test_a` | quick | 30 | f | passed |"
    )
    assert promises.parse(promises.render([row])) == [row]
