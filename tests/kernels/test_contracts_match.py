"""One stem, one contract, one CUDA twin, one numba twin, one reference;
argument lists agree with the contract.
"""

import ast
import inspect
import itertools
import re

import pytest

from gpu_kernels import sources
from sim.backends.kernel_contracts import load_kernel_contracts
from tests.kernels.binder import ROOT, contracts, inputs, outputs, reference
from tests.kernels.literals import other_numbers, twin_of

STEMS = sorted(contracts())
CU = ROOT / "gpu_kernels/kernels"
PARAMETER = re.compile(r"(?P<kind>IN|OUT)\((?P<of>\w+), (?P<column>\w+)\)|(?P<scalar>[iuf]\d+) (?P<name>\w+)")
LETTERS = {"u": "uint", "i": "int", "f": "float"}


def stems(folder, suffix=".py"):
    return sorted(path.stem for path in (ROOT / folder).glob(f"*{suffix}") if not path.stem.startswith("_"))


def cuda_text(stem):
    return (CU / f"{stem}.cu").read_text()


def cuda_parameters(stem):
    """(name, dtype, direction or scalar) of each parameter of a `.cu`, read from its text;
    whether it takes the error word last.
    """
    (listed,) = re.findall(
        rf"^KERNEL void {stem}\(((?:[^()]|\([^()]*\))*)\) {{$", cuda_text(stem), re.MULTILINE
    )
    written = re.split(r",\s*(?![^()]*\))", " ".join(listed.split()))
    found = []
    for parameter in written[:-1] if written[-1] == "ERROR" else written:
        match = PARAMETER.fullmatch(parameter)
        assert match, f"{stem}: {parameter!r} is neither IN(type, name), OUT(type, name) nor a scalar"
        kind = (match["kind"] or "scalar").lower()
        letter, *size = match["of"] or match["scalar"]
        found.append((match["column"] or match["name"], LETTERS[letter] + "".join(size), kind))
    return found, written[-1] == "ERROR"


def test_four_folders_hold_the_same_stems():
    assert stems("cpu_fallback/kernels") == STEMS
    assert stems("tests/reference") == STEMS
    assert stems("gpu_kernels/kernels", ".cu") == STEMS
    assert list(sources.kernel_names()) == STEMS


@pytest.mark.parametrize("stem", STEMS)
def test_arguments_match_the_contract(stem):
    contract = contracts()[stem]
    names = [arg["name"] for arg in contract["args"]] + (["error"] if contract["errors"] else [])
    assert contract["name"] == stem
    (twin,) = (
        node for node in numba_tree(stem).body if isinstance(node, ast.FunctionDef) and node.name == stem
    )
    assert [arg.arg for arg in twin.args.args] == names
    assert [ast.unparse(decorator) for decorator in twin.decorator_list] == ["kernel"]
    assert list(inspect.signature(reference(stem)).parameters) == [arg["name"] for arg in inputs(stem)]


@pytest.mark.parametrize("stem", STEMS)
def test_cuda_arguments_match_the_contract(stem):
    """Read from the text itself: the prototype the preamble adds is the compilers' proof,
    this is one without a compiler.
    """
    contract = contracts()[stem]
    found, error = cuda_parameters(stem)
    written = {arg["name"] for arg in outputs(stem)}
    expected = []
    for arg in contract["args"]:
        kind = "scalar" if arg["kind"] == "scalar" else "out" if arg["name"] in written else "in"
        expected.append((sources.identifier(arg["name"]), arg["dtype"], kind))
    assert found == expected
    assert error == bool(contract["errors"])


def header_of(path):
    """The comment that a file begins with, as one line."""
    lines = itertools.takewhile(
        lambda line: line.startswith(("// ", "# ")), (ROOT / path).read_text().splitlines()
    )
    return " ".join(line.lstrip("/# ") for line in lines)


@pytest.mark.parametrize("stem", STEMS)
def test_twins_name_each_other_and_the_contract(stem):
    header = re.compile(rf"contract: {stem} - .+\. twin: (\S+)")
    cuda, numba = f"gpu_kernels/kernels/{stem}.cu", f"cpu_fallback/kernels/{stem}.py"
    for path, twin in ((cuda, numba), (numba, cuda)):
        match = header.match(header_of(path))
        assert match and match[1] == twin, path


@pytest.mark.parametrize("stem", STEMS)
def test_cuda_reports_every_error_of_the_contract_and_no_other_by_name(stem):
    body = cuda_text(stem)
    names = {error["name"] for error in contracts()[stem]["errors"]}
    assert {
        word for word in re.findall(r"\b[A-Z][A-Z0-9_]{3,}\b", re.sub(r"//.*", "", body)) if word in names
    } == names
    assert not re.search(r"report\([^;]*,\s*\d+\s*\)", body)


def numba_tree(stem):
    return ast.parse((ROOT / f"cpu_fallback/kernels/{stem}.py").read_text())


def values_of(expression):
    """What an expression may be: the branches of conditional ones, not their conditions."""
    if isinstance(expression, ast.IfExp):
        return [*values_of(expression.body), *values_of(expression.orelse)]
    return [expression]


def reported(tree):
    """Sources of all codes a twin gives `report`: written in the call, given to the variable in it, or
    returned to that by a function.
    """
    functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    calls = [
        node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "report"
    ]
    pending, seen, found = [value for call in calls for value in values_of(call.args[2])], set(), set()
    while pending:
        value = pending.pop()
        text = ast.unparse(value)
        if text in seen:
            continue
        seen.add(text)
        if isinstance(value, ast.Name):
            given = [
                node
                for node in ast.walk(tree)
                if isinstance(node, ast.Assign) and text in map(ast.unparse, node.targets)
            ]
            assert given, f"{text} is given no value by an assignment of its own"
            pending += [value for node in given for value in values_of(node.value)]
        elif isinstance(value, ast.Call) and ast.unparse(value.func) in functions:
            returns = [node for node in ast.walk(functions[value.func.id]) if isinstance(node, ast.Return)]
            pending += [value for node in returns for value in values_of(node.value)]
        else:
            found.add(text)
    return found


@pytest.mark.parametrize("stem", STEMS)
def test_numba_reports_every_error_of_the_contract_and_no_other_by_name(stem):
    names = {error["name"] for error in contracts()[stem]["errors"]}
    tree = numba_tree(stem)
    assert reported(tree) - {"u64(0)"} == {f"ERRORS.{name}" for name in names}
    taken = [ast.unparse(node) for node in tree.body if "errors_of(" in ast.unparse(node)]
    assert taken == ([f"ERRORS = errors_of('{stem}')"] if names else [])


NO_NAMES = [
    "1",
    "u64(2)",
    "ERRORS.NO_SUCH_ERROR",
    "u64(1) if i == u64(0) else ERRORS.ZERO_BOUND",
    "code",
    "chosen(x[i])",
]


@pytest.mark.parametrize("code", NO_NAMES)
def test_a_number_for_an_error_is_seen(code):
    body = (ROOT / "cpu_fallback/kernels/bounded_integer.py").read_text()
    planted = body.replace("ERRORS.ZERO_BOUND", code).replace(
        "@kernel", "@device\ndef chosen(x):\n    return u64(1)\n\n\n@kernel"
    )
    planted = planted.replace("            report", "            code = u64(1)\n            report")
    assert reported(ast.parse(body)) == {"ERRORS.ZERO_BOUND"} != reported(ast.parse(planted)) - {"u64(0)"}


def test_the_preamble_is_rendered_from_the_contract():
    text = sources.preamble(load_kernel_contracts()["alias_pick"])
    assert "constexpr u64 EMPTY_TABLE = 1;" in text and "constexpr u64 TABLE_OUT_OF_RANGE = 2;" in text
    assert "IN(u64, threshold), IN(u32, alias), OUT(u32, slot), ERROR);" in text


FILES = sorted([*sources.INCLUDE.glob("*.cuh"), *sources.KERNELS.glob("*.cu")])


@pytest.mark.parametrize(
    "path", [path for path in FILES if path.name != "kernel.cuh"], ids=lambda path: path.name
)
def test_twins_hold_the_same_numbers(path):
    """Every coefficient and threshold, to the last bit: one that moves a result in a thousand million rows is
    not seen by running.
    """
    assert twin_of(path).exists()
    assert other_numbers(path, path.read_text()) == set()
