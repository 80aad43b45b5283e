"""Numbers written in CUDA text and in the numba text it is the twin of.

A last digit of a high coefficient may move no result among ten million: only the texts show it.
"""

import ast
import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NUMBER = re.compile(
    r"(?<![\w.])(0[xX][0-9a-fA-F]+|\d+\.\d*(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\d+)[uU]?[lL]{0,2}(?![\w.])"
)
# Indices, carries and lanes; written where a C++ expression happens to need them.
SMALL = 2


def cuda_numbers(text):
    """Values of all numbers outside comments and includes: (doubles with their counts, integers)."""
    words = NUMBER.findall(re.sub(r"//.*|^#.*$", "", text, flags=re.MULTILINE))
    doubles = [
        word for word in words if "." in word or (not word.lower().startswith("0x") and "e" in word.lower())
    ]
    return Counter(map(float, doubles)), {int(word, 0) for word in words if word not in doubles} - set(
        range(SMALL + 1)
    )


def numba_numbers(text):
    """The same of a twin in Python."""
    values = [node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)]
    integers = {value for value in values if type(value) is int} - set(range(SMALL + 1))
    return Counter(value for value in values if type(value) is float), integers


def twin_of(path):
    """The numba file of a CUDA file."""
    folder = "cpu_fallback/kernels" if path.suffix == ".cu" else "cpu_fallback"
    return ROOT / folder / f"{path.stem}.py"


def other_numbers(path, text):
    """Numbers in which a CUDA file's text differs from its twin's: doubles either way, and integers.

    Args:
        path: The CUDA file.
        text: Its text.
    """
    doubles, integers = cuda_numbers(text)
    twin_doubles, twin_integers = numba_numbers(twin_of(path).read_text())
    differing = {*(doubles - twin_doubles), *(twin_doubles - doubles)} | (integers - twin_integers)
    # Headers of the CPU hold spellings for its vector units that CUDA has no use for.
    return differing | (twin_integers - integers if path.suffix == ".cu" else set())
