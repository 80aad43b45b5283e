"""A skeleton has the signature and the header of the finished twins: shown on every kernel."""

import ast
import re

import pytest

from gpu_kernels import sources
from sim.backends.kernel_contracts import load_kernel_contracts
from tests.kernels.binder import ROOT, contracts
from tests.kernels.skeleton import files


def _signature(text, name):
    (found,) = (
        node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef) and node.name == name
    )
    return ast.unparse(found.args), [ast.unparse(item) for item in found.decorator_list]


def _prototype(text, name):
    """Without white space: a long one has several lines."""
    (found,) = re.findall(rf"KERNELvoid{name}\(.*?\)\{{", sources.written(text))
    return found


@pytest.mark.parametrize("stem", sorted(contracts()))
def test_the_signature_is_that_of_the_finished_twin(stem):
    for path, text in files(load_kernel_contracts()[stem]).items():
        finished = (ROOT / path).read_text()
        if path.endswith(".cu"):
            assert _prototype(text, stem) == _prototype(finished, stem)
        else:
            assert _signature(text, stem) == _signature(finished, stem)
        names = re.findall(rf"(?:contract: {stem} - |twin: \S+{stem}\.\w+)", finished)
        assert re.findall(rf"(?:contract: {stem} - |twin: \S+{stem}\.\w+)", text) == names
