"""What numba makes of the twins: inferred types, no contraction, no fast-math."""

import inspect

import numpy as np
import pytest

numba = pytest.importorskip(
    "numba", reason="these tests look into compiled numba code, and numba is not installed"
)

from numba.core import compiler, types  # noqa: E402
from numba.core.registry import cpu_target  # noqa: E402
from numba.core.typed_passes import type_inference_stage  # noqa: E402
from numba.extending import is_jitted  # noqa: E402

from cpu_fallback import ops, philox, wide  # noqa: E402
from tests.kernels.binder import contracts  # noqa: E402
from tests.kernels.runners import twin  # noqa: E402

alias_build = inspect.getmodule(twin("alias_build").py_func)

STEMS = sorted(contracts())
FLOATS = (types.float32, types.float64)


def argument_types(stem):
    """The one numba signature a twin is called with: inputs read-only, outputs writable."""
    found = []
    for arg in contracts()[stem]["args"]:
        scalar = numba.from_dtype(np.dtype(arg["dtype"]))
        column = types.Array(scalar, 1, "C", readonly=arg.get("dir") == "in")
        found.append(scalar if arg["kind"] == "scalar" else column)
    if contracts()[stem]["errors"]:
        found.append(types.Array(types.uint64, 1, "C"))
    return tuple(found)


def inferred(function, argument_types):
    """Names and numba types of all variables of a function; literals left out."""
    cpu_target.typing_context.refresh()
    cpu_target.target_context.refresh()
    ir = compiler.run_frontend(function)
    typemap, returned, _, _ = type_inference_stage(
        cpu_target.typing_context, cpu_target.target_context, ir, argument_types, None
    )
    found = {name: kind for name, kind in typemap.items() if not isinstance(kind, types.Literal)}
    found["return"] = returned
    return found


def offenders(found, banned):
    wrong = {}
    for name, kind in found.items():
        parts = kind.types if isinstance(kind, types.BaseTuple) else [getattr(kind, "yield_type", kind)]
        if any(part in banned for part in parts):
            wrong[name] = kind
    return wrong


@pytest.mark.parametrize("stem", STEMS)
def test_inferred_types_hold_no_accidental_int64_or_float(stem):
    """uint64 + int literal is int64 and uint64 + int64 is float64 in numba:
    both would show as a variable's type.
    """
    contract = contracts()[stem]
    found = inferred(twin(stem).py_func, argument_types(stem))
    signed = {arg["dtype"] for arg in contract["args"]} & {"int64", "int32"}
    banned = () if signed else (types.int64, types.int32)
    if contract["arithmetic"] == "integer":
        banned += FLOATS
    assert not offenders(found, banned)


@pytest.mark.parametrize("module", [philox, wide, ops, alias_build])
def test_integer_device_functions_hold_no_int64_or_float(module):
    # Compiled afresh: what is loaded from the cache does not type the functions it calls.
    for function, signature in (
        (twin("philox_block"), argument_types("philox_block")),
        (twin("alias_build"), argument_types("alias_build")),
        (twin("draw_counts"), argument_types("draw_counts")),
        (ops.sort_segments, (types.uint64[::1], types.uint64[::1])),
        (wide.multiply_divide, (types.uint64,) * 3),
        (wide.divide128, (types.uint64,) * 3),
    ):
        numba.njit(nogil=True)(function.py_func).compile(signature)
        function.compile(signature)
    checked = 0
    for name, function in vars(module).items():
        if not is_jitted(function) or function.py_func.__module__ != module.__name__:
            continue
        for signature in function.signatures:
            assert not offenders(
                inferred(function.py_func, signature), (types.int64, types.int32, *FLOATS)
            ), name
            checked += 1
    assert checked


def test_no_twin_contracts_or_relaxes_floating_point():
    """No fused multiply-add and no fast-math flag in the compiled float kernels;
    the instructions are checked, not the intent.
    """
    for stem in ("lognormal_factor", "ou_field", "draw_counts"):
        fresh = numba.njit(nogil=True, error_model="numpy")(twin(stem).py_func)
        fresh.compile(argument_types(stem))
        assembly = "".join(fresh.inspect_asm().values())
        assert "mulsd" in assembly or "fmul" in assembly
        assert "fmadd" not in assembly and "fmsub" not in assembly and "fnmadd" not in assembly
