"""Hold our calls of CuPy, RMM and pylibcudf against the real packages,
without a GPU. Run by a Python that has the gpu-cu13 extra.

    RAPIDS_NO_INITIALIZE=1 python tests/gpu/real_api.py

Every call in the files below whose function is reached from `cupy`, `plc`, `rmm` or `self.xp` is resolved and
its arguments are bound to the real signature. Calls of methods, whose object only a GPU makes, are looked up
on the class named in `METHODS`. A call that is neither is a problem too, so nothing goes unlooked at.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FILES = ("gpu_kernels/frames.py", "gpu_kernels/device.py", "gpu_kernels/launch.py", "gpu_kernels/packages.py")
# In these classes and functions every call is looked at; elsewhere in the files only those rooted in a
# package.
WHOLE = {"CudaDevice", "read_parquet", "_column", "_seen", "CudaLauncher", "_device_limits", "share_pool"}
# Modules and methods of Python, and methods of our own.
PYTHON = {"importlib", "np", "threading"}
PLAIN = {"append", "clear", "items", "join", "keys", "reshape", "to_pylist", "splitlines", "tolist", "type"}
PLAIN |= {"copy", "keep", "launch", "pop", "prepare", "read_parquet", "session", "turn"}


def packages() -> dict[str, Any]:
    import cupy
    import pylibcudf
    import rmm
    from rmm.allocators.cupy import rmm_cupy_allocator

    return {"cupy": cupy, "xp": cupy, "plc": pylibcudf, "rmm": rmm, "rmm_cupy_allocator": rmm_cupy_allocator}


def classes(found: dict[str, Any]) -> dict[str, tuple[Any, ...]]:
    """Method name -> the classes its object may be of."""
    cupy, plc = found["cupy"], found["plc"]
    parquet = plc.io.parquet
    builder, options, column, table = (
        parquet.ParquetReaderOptionsBuilder,
        parquet.ParquetReaderOptions,
        plc.Column,
        plc.Table,
    )
    return {
        **dict.fromkeys(("use_arrow_schema", "build"), (builder,)),
        **dict.fromkeys(("set_column_names", "set_skip_rows", "set_num_rows"), (options,)),
        **dict.fromkeys(("null_count", "data", "size", "offset", "to_arrow"), (column,)),
        "num_rows": (table,),
        "columns": (table,),
        "column_names": (plc.io.types.TableWithMetadata,),
        "get": (cupy.ndarray,),
        "synchronize": (cupy.cuda.Stream,),
        "free_all_blocks": (cupy.cuda.MemoryPool,),
        "get_function": (cupy.RawModule,),
    }


def signature_of(function: Any) -> inspect.Signature:
    """The signature, from the first line of the docstring where Cython gives no other."""
    try:
        return inspect.signature(function)
    except (ValueError, TypeError):
        line = (function.__doc__ or "").strip().splitlines()[0]
        match = re.match(r"[\w.]+\((.*)\)", line)
        if match is None:
            raise
        names = []
        for text in re.sub(r"\[[^\[\]]*\]", "", re.sub(r"\[[^\[\]]*\]", "", match[1])).split(","):
            word = text.strip()
            if word and word != "/":
                head, _, default = word.partition("=")
                names.append(
                    head
                    if word == "*"
                    else head.split(":")[0].split()[-1] + (f"={default.strip() or None}" if default else "")
                )
        namespace: dict[str, Any] = {}
        exec(f"def signature({', '.join(names)}): pass", namespace)
        return inspect.signature(namespace["signature"])


def chain(node: ast.expr) -> list[str] | None:
    """`a.b.c` as names; None where it starts in a call or an index."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return [node.id, *parts][:1] + parts[::-1] if isinstance(node, ast.Name) else None


def bind(function: Any, call: ast.Call, method: bool) -> str | None:
    """Why the arguments do not fit, or None."""
    if any(isinstance(arg, ast.Starred) for arg in call.args):
        return None
    names = {keyword.arg: None for keyword in call.keywords if keyword.arg is not None}
    try:
        signature = signature_of(function)
        own = list(signature.parameters)[:1] == ["self"]
        signature.bind(*[None] * (len(call.args) + (method and own)), **names)
    except (TypeError, ValueError, IndexError, SyntaxError) as error:
        return str(error)
    return None


def problems(text: str, name: str, found: dict[str, Any]) -> tuple[list[str], int]:
    """What is wrong with the calls in a file's text, and how many calls were looked at."""
    wrong, looked = [], 0
    methods = classes(found)
    tree = ast.parse(text)
    whole = {
        id(node)
        for outer in ast.walk(tree)
        if getattr(outer, "name", "") in WHOLE
        for node in ast.walk(outer)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        where, path = f"{name}:{node.lineno}", chain(node.func)
        while path and path[0] == "self":
            path = path[1:]
        if path and path[0] in found and len(path) > 1:
            looked += 1
            target: Any = found[path[0]]
            for part in path[1:]:
                target = getattr(target, part, None)
            told = "does not exist" if target is None else bind(target, node, False)
        elif node.func.attr in methods:
            looked += 1
            owners = [getattr(owner, node.func.attr, None) for owner in methods[node.func.attr]]
            told = "does not exist" if None in owners else bind(owners[0], node, True)
        elif (
            id(node) in whole
            and node.func.attr not in PLAIN
            and not (path and (path[0] in PYTHON or len(path) == 1))
        ):
            told = (
                "is a call this check does not know: name its class in METHODS, or say that it is plain "
                "Python"
            )
        else:
            continue
        if told is not None:
            wrong.append(f"{where} {ast.unparse(node.func)}: {told}")
    return wrong, looked


def invented(found: dict[str, Any]) -> tuple[list[str], int]:
    """What `fake_cupy.py` offers and the real packages do not, and how many names were looked at."""
    from tests.gpu.fake_cupy import Machine, modules

    wrong, looked = [], 0

    def compare(fake: Any, real: Any, path: str) -> None:
        nonlocal looked
        for name, value in vars(fake).items():
            if name.startswith("_") or name == "held":  # the emulator's own
                continue
            looked += 1
            there = getattr(real, name, None)
            if there is None:
                wrong.append(f"{path}.{name} does not exist")
            elif isinstance(value, type(sys)) or (isinstance(value, type) and value.__module__ != "builtins"):
                compare(value, there, f"{path}.{name}")

    with tempfile.TemporaryDirectory() as folder:
        fakes = modules(Machine(Path(folder)))
    for name in ("cupy", "rmm", "pylibcudf"):
        compare(fakes[name], found["plc" if name == "pylibcudf" else name], name)
    return wrong, looked


def main() -> int:
    sys.path.insert(0, str(ROOT))
    found = packages()
    wrong, looked = [], {}
    for name in FILES:
        told, looked[name] = problems((ROOT / name).read_text(), name, found)
        wrong += told
    told, looked["tests/gpu/fake_cupy.py"] = invented(found)
    wrong += told
    source = "".join((ROOT / name).read_text() for name in FILES)
    planted = {}
    for before, after in (
        ("set_num_rows(", "set_rows("),
        ("plc.unary.is_valid(column, stream)", "plc.unary.is_valid(column, queue=stream)"),
        ("initial_pool_size=", "initial_bytes="),
        ("plc.transform.encode(", "plc.transform.encode_rows("),
        ("array.get(out=host)", "array.get(into=host)"),
        ("alloc_pinned_memory(array.nbytes)", "alloc_pinned_memory(array.nbytes, 1, 2)"),
    ):
        assert before in source, before
        planted[after] = len(problems(source.replace(before, after), "planted", found)[0]) - len(
            problems(source, "as it is", found)[0]
        )
    versions = {name: metadata.version(name) for name in ("cupy-cuda13x", "rmm-cu13", "pylibcudf-cu13")}
    print(json.dumps({"problems": wrong, "looked": looked, "planted": planted, "versions": versions}))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
