"""Changes planted in the CUDA text: each is caught, by the check that its row names. A check that catches
nothing proves nothing.

bits: outputs of the kernel's case differ from the twin's.  refusal: a broken case is refused otherwise than
by the twin. guards: a write beside a column.  numbers: a number the twin's text does not hold.  text: an
argument list that is not the contract's. compiler: it does not compile.  ptx: an instruction no kernel may
hold. (The emulator's __builtin_fma is exact, in software where need be.)
"""

import re
from dataclasses import dataclass

import pytest

from gpu_kernels import sources
from gpu_kernels.compile import CompilerMissing, KernelCompileError, compile_kernel, supported_archs
from gpu_kernels.emulate import Geometry
from sim.backends.kernel_contracts import load_kernel_contracts
from tests.gpu.ptx import faults
from tests.kernels.binder import bind, compare, run, runners
from tests.kernels.cases import case
from tests.kernels.literals import other_numbers
from tests.kernels.refusals import BAD, broken
from tests.kernels.runners import Emulated, compiler_missing

MADE_NAN = "x < 0.0) {\n        return x - x;"
REORDERED = "* (hours * factor[factor_start[i] + j]);"
SWAPPED = ("IN(u64, c0), IN(u64, c1)", "IN(u64, c1), IN(u64, c0)")
CONTRACTED = "FUSED(phi[g], value, noise * normal)"
FMA = "#ifdef __CUDACC__\n#define FUSED fma\n#else\n#define FUSED __builtin_fma\n#endif\n"
GEOMETRIES = (Geometry(3, 33, 1), Geometry(64, 17, 2), Geometry(1, 97, 3))
# Of the sizes every twin is compared at: some changes show in one row of ten thousand only.
ROWS = (257, 1000, 1_000_000)


@dataclass(frozen=True)
class Plant:
    """A change of one place in a file, looked at through a kernel that uses it."""

    what: str
    kernel: str
    file: str
    old: str
    new: str
    caught_by: str

    @property
    def text(self):
        """The kernel's text with the change; headers that lead to it are written out in it."""
        return changed(self.kernel, self.file, self.old, self.new)


def changed(kernel, file, old, new):
    done = {"kernel.cuh"}

    def inlined(text, name):
        if name == file:
            assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in {file}"
            text = text.replace(old, new)

        def header(match):
            if match[1] in done:
                return ""
            done.add(match[1])
            return inlined(sources.headers()[match[1]].replace("#pragma once\n", ""), match[1])

        return re.sub(r'#include "(\w+\.cuh)"\n', header, text)

    return inlined(sources.kernel_source(kernel), f"{kernel}.cu")


PLANTS = (
    Plant(
        "one digit of the Philox multiplier",
        "philox_block",
        "philox.cuh",
        "0xD2B74407B1CE6E93",
        "0xD2B74407B1CE6E83",
        "bits numbers",
    ),
    Plant(
        "one digit of the Weyl constant",
        "entity_hash",
        "philox.cuh",
        "0x9E3779B97F4A7C15",
        "0x9E3779B97F4A7C14",
        "bits numbers",
    ),
    Plant("nine rounds", "place_in_bucket", "philox.cuh", "ROUNDS = 10", "ROUNDS = 9", "bits numbers"),
    Plant("the other lane", "draw_counts", "counts.cuh", "x.x0 = x.x1;", "x.x1 = x.x0;", "bits"),
    Plant(
        "53 bits of a word",
        "open_uniform",
        "uniform.cuh",
        "(f64)(i64)(x >> 12)",
        "(f64)(i64)(x >> 11)",
        "bits numbers",
    ),
    Plant(
        "a digit of a coefficient of log",
        "log_map",
        "detmath.cuh",
        "6.666666666666735",
        "6.666666666666736",
        "bits numbers",
    ),
    Plant(
        "a last digit of exp's",
        "exp_map",
        "detmath.cuh",
        "4.13813679705723846039e-08",
        "4.1381367970572390e-08",
        "numbers",
    ),
    Plant(
        "a last digit of the quantile's",
        "gated_weight",
        "detmath.cuh",
        "1.05075007164441684324e-9",
        "1.0507500716444171e-9",
        "numbers",
    ),
    Plant(
        "order of a sum", "exp_map", "detmath.cuh", "(2.0 - c) - lo + hi)", "(2.0 - c) + (hi - lo))", "bits"
    ),
    Plant(
        "order of a product",
        "local_surface",
        "local_surface.cu",
        "* hours * factor[factor_start[i] + j];",
        REORDERED,
        "bits",
    ),
    Plant(
        "a product before a quotient",
        "disk_offset",
        "disk_offset.cu",
        "r * (north / norm)",
        "r * north / norm",
        "bits",
    ),
    Plant(
        "a NaN made by arithmetic",
        "log_map",
        "detmath.cuh",
        "x < 0.0) {\n        return NAN;",
        MADE_NAN,
        "bits",
    ),
    Plant(
        "a * b + c contracted",
        "ou_field",
        "ou_field.cu",
        "phi[g] * value + noise * normal",
        CONTRACTED,
        "bits ptx",
    ),
    Plant("c - a * b contracted", "exp_map", "detmath.cuh", "x - n * LN2_HI", "FUSED(-n, LN2_HI, x)", "ptx"),
    Plant(
        "a boundary moved",
        "alias_pick",
        "alias_pick.cu",
        "low < threshold[row]",
        "low <= threshold[row]",
        "bits",
    ),
    Plant(
        "a remainder not carried",
        "remainder_quota",
        "wide.cuh",
        "rest = rest + d1;",
        "rest = rest + d0;",
        "bits",
    ),
    Plant(
        "32-bit arithmetic",
        "place_in_bucket",
        "place_in_bucket.cu",
        "slot * slot_us +",
        "(u32)(slot * slot_us * 2) / 2 +",
        "bits",
    ),
    Plant("a row too many", "open_uniform", "open_uniform.cu", "i < LENGTH(u)", "i <= LENGTH(u)", "guards"),
    Plant(
        "rows left out", "entity_hash", "entity_hash.cu", "i += row_stride()", "i += row_stride() + 1", "bits"
    ),
    Plant(
        "a bounds check one row late",
        "label_arrivals",
        "label_arrivals.cu",
        "k >= LENGTH(key_zone)",
        "k > LENGTH(key_zone)",
        "refusal",
    ),
    Plant(
        "another error's code",
        "role_race",
        "role_race.cu",
        "TIER_OUT_OF_RANGE",
        "SCORE_OUT_OF_RANGE",
        "refusal",
    ),
    Plant(
        "any bad row",
        "bounded_integer",
        "bounded_integer.cu",
        "report(error, i, ZERO_BOUND)",
        "*error = i << 8 | 1",
        "numbers refusal",
    ),
    Plant("two arguments of one type swapped", "philox_block", "philox_block.cu", *SWAPPED, "text bits"),
    Plant(
        "a wider argument",
        "label_arrivals",
        "label_arrivals.cu",
        "IN(u32, arrival_key)",
        "IN(u64, arrival_key)",
        "text compiler",
    ),
    Plant(
        "an error the contract does not know",
        "exp_map",
        "exp_map.cu",
        "det_exp(x[i]);",
        "det_exp(x[i]) + ZERO_BOUND;",
        "compiler",
    ),
)


def written_as_the_contract_says(plant):
    wanted = (
        f"KERNEL void {plant.kernel}({', '.join(sources.parameters(load_kernel_contracts()[plant.kernel]))})"
    )
    return re.sub(r"\s", "", wanted) in re.sub(r"\s", "", plant.text)


def holds_other_numbers(plant):
    (path,) = sources.FOLDER.glob(f"*/{plant.file}")
    return bool(other_numbers(path, path.read_text().replace(plant.old, plant.new)))


def differs(runner, kernel, given, dims):
    """Whether a runner's answer is another than the twin's: its bits where rows are accepted,
    what it refuses where they are not.
    """
    problem = bind(kernel, given, dims)
    expected, got = run(runners()[0], kernel, *problem), run(runner, kernel, *problem)
    return expected[1] != got[1] if expected[1] else bool(compare(kernel, expected, got))


def caught_running(plant, folder):
    """Of bits, refusal and guards those that see a planted text, in the geometry that shows it,
    and the rows it took.
    """
    kernel, found = plant.kernel, set()
    refusals = [broken(kernel, name) for stem, name in BAD if stem == kernel]
    for rows in ROWS:
        for geometry in GEOMETRIES:
            planted = Emulated(folder, texts={kernel: FMA + plant.text}, geometry=geometry)
            try:
                if differs(planted, kernel, *case(kernel, rows)):
                    found.add("bits")
                if any(differs(planted, kernel, *problem) for problem in refusals):
                    found.add("refusal")
            except AssertionError as error:
                assert "writes outside" in str(error)
                found.add("guards")
        if found:
            break
    return found, rows


def caught(plant, folder):
    """The checks that see a difference between a planted text and the twins, and the rows it took."""
    found, rows = set() if written_as_the_contract_says(plant) else {"text"}, 0
    if holds_other_numbers(plant):
        found.add("numbers")
    kernel = load_kernel_contracts()[plant.kernel]
    try:
        if faults(compile_kernel(kernel, supported_archs()[-1], text=FMA + plant.text).ptx):
            found.add("ptx")
    except KernelCompileError:
        found.add("compiler")
    except CompilerMissing:
        pytest.skip("no NVRTC here")
    try:
        ran, rows = caught_running(plant, folder)
        found |= ran
    except KernelCompileError:
        found.add("compiler")
    return found, rows


@pytest.mark.skipif(compiler_missing() is not None, reason=f"nothing can be emulated: {compiler_missing()}")
@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.what)
def test_a_planted_change_is_caught(plant, tmp_path):
    found, rows = caught(plant, tmp_path)
    print(f"| {plant.what} | {plant.file} | {plant.kernel} | {', '.join(sorted(found))} | {rows:,} |")
    assert found == set(plant.caught_by.split())


@pytest.mark.skipif(compiler_missing() is not None, reason=f"nothing can be emulated: {compiler_missing()}")
def test_an_unchanged_text_is_not_caught(tmp_path):
    """Headers written out, nothing planted: the checks are silent."""
    for kernel in ("draw_counts", "remainder_quota"):
        text = changed(kernel, "no file", "", "")
        assert "#pragma once" not in text and "DEVICE" in text
        assert not differs(Emulated(tmp_path, texts={kernel: text}), kernel, *case(kernel, 1000))
        assert (
            faults(compile_kernel(load_kernel_contracts()[kernel], supported_archs()[-1], text=text).ptx)
            == []
        )
