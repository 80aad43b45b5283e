"""The YAML reader: a golden table of scalars, and a hostile corpus that must end in one clear refusal within
a second.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.ground.errors import ContractError
from sim.ground.read_once import MAX_BYTES
from sim.shell.contracts.strict_yaml import load, load_text
from tests.work import calls

SCALARS = [
    ("NO", "NO"), ("no", "no"), ("No", "No"), ("yes", "yes"), ("Yes", "Yes"), ("on", "on"), ("ON", "ON"),
    ("off", "off"), ("y", "y"), ("n", "n"), ("true", True), ("True", True), ("TRUE", True), ("tRUE", "tRUE"),
    ("false", False), ("False", False), ("FALSE", False), ("null", None), ("Null", None), ("NULL", None),
    ("~", None), ("", None), ("nUll", "nUll"), ("none", "none"), ("0", 0), ("-0", 0), ("7", 7), ("+7", 7),
    ("-7", -7), ("010", "010"), ("-010", "-010"), ("08", "08"), ("1_000", "1_000"),
    ("18446744073709551615", 2**64 - 1), ("0x1F", 31), ("0o17", 15), ("0X1F", "0X1F"), ("0b11", "0b11"),
    ("-0x1F", "-0x1F"), ("12:30:00", "12:30:00"), ("12:30", "12:30"), ("190:20:30", "190:20:30"),
    ("2026-11-22", "2026-11-22"), ("2026-11-22T10:00:00Z", "2026-11-22T10:00:00Z"), ("1e-3", 0.001),
    ("1e3", 1000.0), ("1E+3", 1000.0), ("1.5", 1.5), ("-1.5e2", -150.0), (".5", 0.5), ("5.", 5.0),
    ("+.5", 0.5), ("01.5", "01.5"), ("1.2.3", "1.2.3"), ("1,5", "1,5"), ("nan", "nan"), ("inf", "inf"),
    ("Infinity", "Infinity"), ("e3", "e3"), (".", "."), ("=", "="), ("'5'", "5"), ('"true"', "true"),
    ("''", ""), ('"~"', "~"), ("a b", "a b"), ("1A", "1A"), ("5411 Grocery", "5411 Grocery"),
    ("Zürich", "Zürich"), ("x#y", "x#y"), ("x # y", "x"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "value"), SCALARS)
def test_scalar(text: str, value: object) -> None:
    found = load_text(f"- {text}\n", "f").value[0]
    assert found == value
    assert type(found) is type(value)


def test_keys_are_never_booleans() -> None:
    assert load_text("NO: 1\non: 2\n", "f").value == {"NO": 1, "on": 2}


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n"
BOMB += "".join(
    f"{b}: &{b} [{','.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)
HOSTILE = {
    "bomb": (BOMB, "Anchors"),
    "anchor": ("a: &x 1\n", "Anchors"),
    "alias": ("a: *x\n", "Aliases"),
    "tag": ("a: !!python/object/apply:os.system [ls]\n", "tags"),
    "plain tag": ("a: !x 1\n", "tags"),
    "non-specific tag": ("a: ! 1\n", "tags"),
    "string tag": ("a: !!str 1\n", "tags"),
    "merge": ("<<: {a: 1}\n", "Merge"),
    "duplicate": ("a: 1\nb: 2\na: 3\n", "twice"),
    "duplicate quoted": ("a: 1\n'a': 2\n", "twice"),
    "duplicate nested": ("x:\n  - {k: 1, k: 2}\n", "twice"),
    "nan": ("a: .nan\n", "finite"),
    "inf": ("a: -.inf\n", "finite"),
    "overflow": ("a: 1e400\n", "too large"),
    "huge int": ("a: " + "9" * 5000 + "\n", "too long"),
    "41 digits": ("a: " + "9" * 41 + "\n", "too long"),
    "huge hex": ("a: 0x" + "f" * 5000 + "\n", "too long"),
    "deep flow": ("[" * 200_000, "deeply"),
    "deep flow map": ("{a: " * 200_000, "deeply"),
    "deep block": ("- " * 200_000, "deeply"),
    "deep keys": ("? " * 200_000, "key"),
    "deep mixed": ("[{a: " * 100_000, "deeply"),
    "int key": ("1: a\n", "key"),
    "bool key": ("true: a\n", "key"),
    "null key": ("~: a\n", "key"),
    "list key": ("? [a]\n: b\n", "key"),
    "two documents": ("a: 1\n---\nb: 2\n", "several"),
    "directive": ("%YAML 1.1\n---\na: 1\n", "Directives"),
    "tag directive": ("%TAG ! tag:evil,2000:\n---\na: 1\n", "Directives"),
    "nul": ("a: \0\n", "control"),
    "escape": ("a: \x1b[2J\n", "control"),
    "quoted nul": ('a: "\\0"\n', "control"),
    "quoted escape": ('a: "\\x1b[2J"\n', "control"),
    "surrogate": ('a: "\\ud800"\n', "The "),  # libyaml refuses the escape, PyYAML the character
    "beyond unicode": ('a: "\\UFFFFFFFF"\n', "not valid"),
    "line separator": ("a: x\u2028b: y\n", "control"),
    "lone carriage return": ("a: 1\rb: 2\n", "control"),
    "not yaml": ("a: [1, 2\n", "not valid"),
    "tab": ("a:\n\t- 1\n", "not valid"),
    "too large": ("a" * (MAX_BYTES + 1), "too large"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile(name: str) -> None:
    text, what = HOSTILE[name]
    with pytest.raises(ContractError) as caught:
        load_text(text, "evil.yaml")
    error = caught.value
    assert error.code == "SHELL.YAML_INVALID"
    assert what in error.what
    assert error.where.startswith("evil.yaml:")
    assert len(error.render()) < 600


def test_duplicate_names_both_lines() -> None:
    with pytest.raises(ContractError) as caught:
        load_text("a: 1\nb: 2\na: 3\n", "f.yaml")
    assert caught.value.where == "f.yaml:3:1"
    assert "line 1" in caught.value.found


def test_depth_limit_is_64() -> None:
    value = load_text("[" * 64 + "]" * 64, "f").value
    for _ in range(64):
        assert isinstance(value, list)
        value = value[0] if value else None
    with pytest.raises(ContractError):
        load_text("[" * 65 + "]" * 65, "f")


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes("\ufeffa: é\r\nb: 2\r\n".encode())
    assert load(path).value == {"a": "é", "b": 2}
    path.write_bytes(b"a: 1\nb: \xff\n")
    with pytest.raises(ContractError, match="UTF-8") as caught:
        load(path, "a.yaml")
    assert caught.value.where == "a.yaml:2:1"
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(ContractError, match="too large"):
        load(path)
    with pytest.raises(ContractError, match="No such file"):
        load(tmp_path / "absent.yaml")
    with pytest.raises(ContractError, match="cannot be read") as caught:
        load(Path("/dev/zero"))
    assert caught.value.found == "a character device"


def test_places() -> None:
    located = load_text("a: 1\nb:\n  - x\n  - {k: 2,\n     m: [3]}\n", "f.yaml")
    assert located.line_of(()) == 1
    assert located.line_of(("b",)) == 2
    assert located.line_of(("b", 1)) == 4
    assert located.where(("b", 1, "m")) == "f.yaml:5:6"
    assert located.line_of(("b", 1, "m", 0)) == 5
    assert located.line_of(("b", 1, "absent", "deeper")) == 4


def test_result_is_the_callers_own() -> None:
    first = load_text("a: [1]\n", "f").value
    first["a"].append(2)
    assert load_text("a: [1]\n", "f").value == {"a": [1]}


def test_work_grows_with_the_text_and_no_faster() -> None:
    line = "  - {{name: column_{0}, type: uint64, description: 'What it is, in words', minimum: {0}}}\n"

    def work(lines: int) -> int:
        text = f"columns{lines}:\n" + "".join(line.format(number) for number in range(lines))
        return calls(lambda: load_text(text, "f"))

    assert work(1200) < 4.2 * work(300)


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text("abN O01:", max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abN", max_size=3), inner, max_size=3)
    ),
    max_leaves=12,
)


def _flow(value: object) -> str:
    """YAML flow text, every string quoted; JSON is a subset of YAML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f'"{key}": {_flow(item)}' for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(item) for item in value) + "]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f'"{value}"' if isinstance(value, str) else repr(value)


@settings(max_examples=150, deadline=None)
@given(PLAIN)
def test_round_trip(value: object) -> None:
    assert load_text(_flow(value), "f").value == value


@settings(max_examples=400, deadline=None)
@given(st.text(alphabet="ab:-?[]{},#&*!|>'\"%@`~ \n\t\\01.<=", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        load_text(text, "f")
    except ContractError as error:
        assert error.code == "SHELL.YAML_INVALID"
