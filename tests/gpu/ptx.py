"""What PTX may contain, so that a kernel computes on every GPU what its twin computes on a CPU."""

import re

INSTRUCTION = re.compile(r"^\s*(?:\{\s*)?(?:@!?%\w+\s+)?([a-z][a-z0-9_]*(?:[.:]+\w+)*)(?=[\s;])")
# Binary64 arithmetic: each operation rounded by itself (without .rn the assembler might contract a product
# and a sum).
DOUBLE = re.compile(
    r"(add|sub|mul|div|sqrt)\.rn\.f64|(neg|abs|mov|selp)\.f64|"
    r"setp\.(eq|ne|lt|le|gt|ge|equ|neu|ltu|leu|gtu|geu|num|nan)(\.(and|or|xor))?\.f64"
    r"|cvt\.rn\.f64\.[us](8|16|32|64)|cvt\.rzi\.[us](32|64)\.f64|cvt\.rmi\.f64\.f64|(ld|st)\.[\w.]*f64"
)
FORBIDDEN = re.compile(
    r"fma\.|call\b|.*\.(f32|f16|f16x2|bf16|bf16x2|tf32)\b|"
    r".*\.(ftz|approx|sat|full)\b|.*\.local\b|bar\.|.*\.shared\b"
)


def instructions(ptx):
    """The instructions, operands left out."""
    lines = (INSTRUCTION.match(line) for line in ptx.splitlines())
    return [line[1] for line in lines if line]


def faults(ptx):
    """What must not be there, sorted: instructions and declarations."""
    found = {
        op for op in instructions(ptx) if FORBIDDEN.match(op) or ("f64" in op and not DOUBLE.fullmatch(op))
    }
    found |= set(
        re.findall(r"__nv_\w+|__local_depot\w*|\.extern\b|^\s*\.local\b|\.shared\b", ptx, re.MULTILINE)
    )
    return sorted(found)
