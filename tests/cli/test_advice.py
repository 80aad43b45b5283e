"""Whatever a refusal says to do can be done: every command in it is run, every option, file, package, key and
contract in it is looked up.

Advice is collected from the sources - each `do=`, each variable called `do`, each argument in its place - so
a new one is tried without being listed here, and one with a placeholder nobody gave a sample for fails.
"""

from __future__ import annotations

import ast
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from sim.ground.paths import config_root, contracts_root
from sim.shell.contracts.config import config_folder, resolve
from sim.shell.contracts.load import load_contracts
from sim.shell.contracts.text import listing

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(
    path for room in ("sim", "gpu_kernels", "cpu_fallback") for path in (ROOT / room).rglob("*.py")
)
AT = {  # where advice stands when it is not named
    **dict.fromkeys(
        (
            "SimError",
            "UsageError",
            "ContractError",
            "ValidationError",
            "GateError",
            "LockedError",
            "StorageError",
            "WorkerError",
            "BackendError",
        ),
        5,
    ),
    **dict.fromkeys(("BackendUnavailable", "DeviceUnavailable", "CompilerMissing"), 1),
    "require_package": 2,
    "Finding": 3,
    "_invalid": 4,
    "problem": 4,
    "refuse": 4,
}


def templates() -> Iterator[tuple[str, str]]:
    """(file:line, text) of all advice; what is put in when it is said stands in braces."""
    for path in SOURCES:
        tree = ast.parse(path.read_text())
        named = {
            node.targets[0].id: node.value
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        }
        for node in ast.walk(tree):
            for expression in _advice(node):
                constants = [
                    named[leaf.id]
                    for leaf in ast.walk(expression)
                    if isinstance(leaf, ast.Name) and leaf.id in named
                ]
                for part in (text for whole in (expression, *constants) for text in _texts(whole)):
                    yield f"{path.relative_to(ROOT)}:{expression.lineno}", part


def _advice(node: ast.AST) -> Iterator[ast.expr]:
    if isinstance(node, ast.Call):
        name = (
            node.func.attr
            if isinstance(node.func, ast.Attribute)
            else node.func.id
            if isinstance(node.func, ast.Name)
            else ""
        )
        yield from (keyword.value for keyword in node.keywords if keyword.arg in ("do", "install"))
        if name in AT and len(node.args) > AT[name]:
            yield node.args[AT[name]]
    targets = (
        node.targets
        if isinstance(node, ast.Assign)
        else [node.target]
        if isinstance(node, ast.AnnAssign) and node.value
        else []
    )
    names = {
        leaf.id if isinstance(leaf, ast.Name) else leaf.attr
        for target in targets
        for leaf in ast.walk(target)
        if hasattr(leaf, "id") or hasattr(leaf, "attr")
    }
    if names & {"do", "hint", "more", "fewer"}:
        yield node.value  # type: ignore[attr-defined]
    if isinstance(node, ast.FunctionDef) and node.name in (
        "_package",
        "package_line",
        "smaller_partitions",
        "_bounds",
        "nearest",
        "hint",
    ):
        yield from (
            inner.value
            for inner in ast.walk(node)
            if isinstance(inner, ast.Return) and inner.value is not None
        )


def _placeholder(value: ast.expr) -> str:
    """What is put in, as one word in braces."""
    return "{" + re.sub(r"[^A-Za-z0-9_.]+", "_", ast.unparse(value)) + "}"


def _texts(node: ast.AST) -> Iterator[str]:
    """Whole texts inside an expression."""
    if isinstance(node, ast.JoinedStr):
        yield "".join(
            str(part.value) if isinstance(part, ast.Constant) else _placeholder(part.value)
            for part in node.values
        )
        return
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
        return
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = list(_texts(node.left)), list(_texts(node.right))
        yield from (
            ("".join(pair) for pair in zip(left, right, strict=True))
            if len(left) == len(right) == 1
            else [*left, *right]
        )
        return
    if isinstance(node, ast.Lambda | ast.Dict):
        return
    for child in ast.iter_child_nodes(node):
        yield from _texts(child)


ADVICE = sorted(set(templates()))
TEXTS = sorted({text for _, text in ADVICE})

SAMPLES = {
    "RUN": "RUN",
    "DIR": "CONTRACTS",
    "FILE": "OUT/file",
    "QUERY": "'select 1'",
    "RUN_A": "RUN",
    "RUN_B": "RUN",
    "{location}": "OUT",
    "{shlex.quote_str_where_}": "OUT",
    "{first}": "arrival_events_5B MERCHANT 1 --scenario baseline_v1",
    "{_.join_dataset.primary_key_}": "merchant_id",
    "{dataset.id}": "merchant_catalogue_1A",
}
"""What stands in advice in place of something of the reader's own."""

QUIET = {"--memory-limit": "dask worker --memory-limit"}
"""Options of other programs, with the words by which their advice names the program."""


def application() -> dict[str, typer.core.TyperGroup | typer.core.TyperCommand]:
    """Every command by its words."""
    from sim.cli.main import app

    found = {}
    for name, command in typer.main.get_command(app).commands.items():
        for inner, sub in getattr(command, "commands", {}).items():
            found[f"{name} {inner}"] = sub
        if not hasattr(command, "commands"):
            found[name] = command
    return found


APP = application()
FIRST = {name.split()[0] for name in APP}
OPTIONS = {
    option for command in APP.values() for parameter in command.params for option in parameter.opts
} | {"--help"}


def commands(text: str) -> list[str]:
    """The command lines a text names, its placeholders left as they are."""
    found = []
    for match in re.finditer(r"(?:^|[\s`(])(?:\.venv/bin/)?closedworld\s+([^;`)\n]*)", text):
        words = re.findall(r"\{[^}]*\}|'[^']*'|[^\s,;]+,?", match[1])
        taken: list[str] = []
        while words:
            word = words.pop(0)
            last, word = word.endswith(","), word.rstrip(",.:")
            first, second = not taken and word in FIRST, len(taken) == 1 and f"{taken[0]} {word}" in APP
            known = (word in IDS and taken[:2] == ["contracts", "show"]) or [*taken, word] == [
                "bench",
                "list",
            ]
            if not (
                first
                or second
                or known
                or word.startswith("--")
                or re.fullmatch(r"[A-Z_]+|\{.*\}|'.*'", word)
            ):
                break
            taken.append(word)
            if last:
                break
        if taken:
            found.append(" ".join(taken))
    return found


CONTRACTS = load_contracts(contracts_root())
IDS = {name for _, name, _ in listing(CONTRACTS)}
CONFIG = resolve(CONTRACTS, config_folder(config_root()), [])
LINES = sorted({line for text in TEXTS for line in commands(text)})


def test_advice_is_found() -> None:
    """The collection sees what there is: known advice of each kind is among it."""
    assert len(ADVICE) > 120
    assert {"verify RUN", "contracts show", "status --out {location}", "bench list"} <= set(LINES), LINES
    assert any("pip install '{extra}'" in text for text in TEXTS)
    told = {
        word
        for text in TEXTS
        if re.search(r"\bclosedworld [a-z]", text) and not commands(text)
        for word in [text]
    }
    assert not told, f"a command is named that there is not: {told}"


@pytest.mark.parametrize("line", LINES)
def test_every_command_that_is_advised_can_be_run(cli, demo_run: Path, tmp_path: Path, line: str) -> None:
    import sim.world as cw

    for word in re.findall(r"\{[^}]*\}|\b[A-Z_]+\b", line):
        assert word in SAMPLES, f"no sample for {word} of `closedworld {line}`: add one to SAMPLES"
    words = shlex.split(re.sub(r"\{[^}]*\}|\b[A-Z_]+\b", lambda match: SAMPLES[match[0]], line))
    (tmp_path / "out").mkdir()
    merchant = (
        cw.open(demo_run)["arrival_events_5B"].to_arrow(["merchant_id"])["merchant_id"][0].as_py()
        if "MERCHANT" in words
        else 0
    )
    filled = {
        "RUN": str(demo_run),
        "CONTRACTS": str(contracts_root()),
        "MERCHANT": str(merchant),
        "OUT": str(tmp_path / "out"),
    }
    words = [
        re.sub(r"^(RUN|CONTRACTS|MERCHANT|OUT)(?=/|$)", lambda match: filled[match[1]], word)
        for word in words
    ]
    if words == ["run"]:
        words += ["--set", "merchant_universe_1A.merchants=40", "--until", "1A", "--out", str(tmp_path)]
    if words == ["bench"]:
        words += ["philox", "--runs", "1", "--rows", "1k", "--out", str(tmp_path / "philox.json")]
    answer = cli(*words)
    assert answer.code == 0, (line, answer.err)


def test_every_option_that_is_advised_exists() -> None:
    for place, text in ADVICE:
        for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", text):
            other = QUIET.get(option, "\0") in text
            assert option in OPTIONS or other, (place, option)


def test_every_file_that_is_advised_exists() -> None:
    seen = 0
    for place, text in ADVICE:
        for name in re.findall(r"(?:config|contracts|tests|bench)/[\w{}.*/-]+[\w}/]", text):
            seen += 1
            pattern = re.sub(r"\{[^}]*\}", "*", name).rstrip("/")
            assert list(ROOT.glob(pattern)), (place, name)
        for name in re.findall(r"\b[A-Z]+\.md\b", text):
            assert (ROOT / name).is_file(), (place, name)
        if "README" in text:
            heading = text.partition("README: ")[2].split(";")[0]
            assert not heading or re.search(
                rf"^## {re.escape(heading)}$", (ROOT / "README.md").read_text(), re.M | re.I
            ), (place, heading)
    assert seen > 4


def test_every_package_that_is_advised_is_ours_to_advise() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = set(project["optional-dependencies"])
    seen = 0
    whole = "\n".join(path.read_text() for path in SOURCES)
    for name in re.findall(r"closedworld\[([a-z0-9,-]+)\]", whole):
        seen += 1
        assert set(name.split(",")) <= extras, name
    assert seen > 3


def test_every_key_that_is_advised_is_in_a_config_pack() -> None:
    """`pack_5A.key.key`, with `*` for any key, or {} for what is put in."""
    seen = 0
    for place, text in ADVICE:
        for pack, keys in re.findall(r"\b([a-z][a-z_]*_[1-6][AB])((?:\.[a-z_*]+|\.\{[^}]*\})*)", text):
            if pack not in CONTRACTS.artefacts:
                assert pack in IDS, (place, pack)
                continue
            seen += 1
            nodes = [CONFIG.documents[CONTRACTS.artefacts[pack].path]]
            for key in re.findall(r"\.(\{[^}]*\}|[a-z_*]+)", keys):
                some = [node for node in nodes if isinstance(node, dict)]
                nodes = [
                    value
                    for node in some
                    for name, value in node.items()
                    if key == "*" or key.startswith("{") or name == key
                ]
                assert nodes, (place, f"{pack}{keys}")
    assert seen > 15
