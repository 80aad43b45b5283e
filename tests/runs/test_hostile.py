"""Hostile and mistaken input through the real command: refused by name, quickly,
without a traceback or a published byte.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.runs.worlds import ROOT, closedworld

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)

CONFIG_CASES = {
    "yaml bomb": ("layer1/1A/outlet_policy.yaml", BOMB, "SHELL.YAML_INVALID"),
    "depth 200k": ("layer1/1A/outlet_policy.yaml", "[" * 200_000, "SHELL.YAML_INVALID"),
    "duplicate keys": (
        "presets/demo.yaml",
        "description: twice is refused\nscenarios: [baseline_v1]\nset: {}\nset: {}\n",
        "SHELL.YAML_INVALID",
    ),
    "nan": (
        "presets/demo.yaml",
        "description: not a number\nscenarios: [baseline_v1]\nset: {demand_policy_5A.volume_scale: .nan}\n",
        "SHELL.YAML_INVALID",
    ),
    "negative volume": (
        "presets/demo.yaml",
        (
            "description: a negative volume\nscenarios: [baseline_v1]\nset: {demand_policy_5A.volume_scale: "
            "-1.0}\n"
        ),
        "SHELL.DOCUMENT_INVALID",
    ),
    "dots in an id": (
        "presets/demo.yaml",
        "description: leaves the folder\nscenarios: ['../../etc']\nset: {}\n",
        "SHELL.DOCUMENT_INVALID",
    ),
    "unknown key": (
        "presets/demo.yaml",
        "description: a typo here\nscenarios: [baseline_v1]\nsets: {}\n",
        "SHELL.DOCUMENT_INVALID",
    ),
    "not utf-8": ("presets/demo.yaml", b"description: \xff\xfe\n", "SHELL.YAML_INVALID"),
    "empty": ("layer2/5A/demand_classes.yaml", "", "SHELL"),
}


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("config") / "config"
    shutil.copytree(ROOT / "config", root, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    return root


def refused(tmp_path: Path, *args: str, code: int = 3) -> dict[str, object]:
    """Run, expect a refusal and nothing published; returns the error."""
    done = closedworld("run", "--out", str(tmp_path / "out"), "--json", *args, check=False)
    assert done.returncode == code, (done.returncode, done.stdout[-500:], done.stderr[-2000:])
    assert "Traceback" not in done.stderr + done.stdout
    assert not list((tmp_path / "out").rglob("*.parquet"))
    error = json.loads(done.stdout)["error"]
    assert error["exit_code"] == code and error["what"]
    return dict(error)


@pytest.mark.parametrize("case", CONFIG_CASES)
@pytest.mark.promise(
    "P23",
    "hostile config files are refused by name, without a traceback or a published byte",
    faults="bombs, depth, NaN, not UTF-8",
)
def test_config_files(config: Path, tmp_path: Path, case: str) -> None:
    name, content, expected = CONFIG_CASES[case]
    before = (config / name).read_bytes()
    (config / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    try:
        error = refused(tmp_path, "--config", str(config))
    finally:
        (config / name).write_bytes(before)
    assert str(error["code"]).startswith(expected)
    assert Path(name).name in json.dumps(error)


@pytest.mark.parametrize(
    ("override", "code"),
    [
        ("merchant_universe_1A.merchants=-5", "SHELL.DOCUMENT_INVALID"),
        ("merchant_universe_1A.merchants=NO", "SHELL.DOCUMENT_INVALID"),
        ("merchant_universe_1A.merchant=5", "SHELL.OVERRIDE_UNKNOWN"),
        ("../../etc/passwd.x=5", "SHELL.OVERRIDE_UNKNOWN"),
        ("demand_policy_5A.volume_scale=.inf", "SHELL.YAML_INVALID"),
        ("scenario_horizon_5A.bucket_seconds=1000", "SHELL.DOCUMENT_INVALID"),
    ],
)
@pytest.mark.promise("P23", "hostile overrides are refused by name", faults="bad values and keys")
def test_overrides(tmp_path: Path, override: str, code: str) -> None:
    assert refused(tmp_path, "--set", override)["code"] == code


def test_a_horizon_outside_the_transition_table(tmp_path: Path) -> None:
    error = refused(
        tmp_path,
        "--set",
        "scenario_horizon_5A.start=2036-06-01",
        "--set",
        "scenario_horizon_5A.end=2036-06-15",
    )
    assert "2036" in json.dumps(error)


@pytest.mark.promise(
    "P23",
    "a schema reference to the network or a local file is refused, never fetched",
    faults="http and file references",
    cases=2,
)
@pytest.mark.promise(
    "P20", "no reference in a schema makes the engine connect", faults="a listening server", cases=2
)
def test_remote_references_are_never_fetched(tmp_path: Path) -> None:
    import socket

    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.2)
    address = f"http://127.0.0.1:{listener.getsockname()[1]}/schema.json"
    contracts = tmp_path / "contracts"
    shutil.copytree(ROOT / "contracts", contracts)
    path = contracts / "layer1/1A/schemas.yaml"
    text = path.read_text()
    for reference in (address, "file:///etc/passwd"):
        path.write_text(
            text.replace(
                "documents:\n",
                (
                    f"documents:\n  stolen: {{type: object, additionalProperties: false, properties: {{a: "
                    f"{{$ref: '{reference}'}}}}}}\n"
                ),
                1,
            )
        )
        error = refused(tmp_path, "--contracts", str(contracts))
        assert reference in json.dumps(error)
    with pytest.raises(TimeoutError):
        listener.accept()
    listener.close()


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (("--seed", "-1"), 2),
        (("--seed", "1e3"), 2),
        (("--preset", "../demo"), 2),
        (("--scenario", "nosuch"), 2),
        (("--until", "9Z"), 2),
        (("--backend", "gpu"), 9),
        (("--set", "nonsense"), 2),
        (("--merchants", "/nonexistent.csv"), 3),
    ],
)
@pytest.mark.promise("P23", "hostile arguments are refused by name", faults="bad arguments")
def test_usage(tmp_path: Path, args: tuple[str, ...], code: int) -> None:
    refused(tmp_path, *args, code=code)
