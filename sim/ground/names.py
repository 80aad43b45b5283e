"""Names that runs, contracts and requests may use: each kind has one pattern, and the whole name must match.

Such names become SQL identifiers, paths and terminal output. Code that writes SQL or a path still quotes
them, although the patterns leave nothing to quote. `$` of a regular expression also matches before a last
newline, hence `fullmatch` everywhere.
"""

from __future__ import annotations

import re
from typing import Any

# Of the world, or of the random events of one of its states.
SEGMENT = re.compile(r"[1-9][A-Z]|RNG_[1-9][A-Z]_[A-Z][A-Z0-9]{0,15}")
STATE = re.compile(rf"({SEGMENT.pattern})\.[A-Z][A-Z0-9]{{0,15}}")
DATASET = re.compile(r"[a-z][A-Za-z0-9_]{0,62}")
COLUMN = re.compile(r"[a-z][a-z0-9_]{0,62}")
SCENARIO = re.compile(r"[a-z][a-z0-9_]{0,63}")
PART = re.compile(r"part-[0-9]{5,12}\.parquet")
DIGEST = re.compile(r"[0-9a-f]{64}")
RUN_ID = re.compile(r"[0-9a-f]{32}")
PHILOX_KEY = re.compile(r"[0-9a-f]{16}")
STREAM = re.compile(r"[1-9][A-Z]\.[a-z0-9_.]{1,62}")
WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,62}")
DOCUMENT = re.compile(r"(states/|(?!states$))[0-9A-Za-z_][0-9A-Za-z_.-]{0,120}")
PARTITION_KEY = re.compile(r"seed|manifest_fingerprint|scenario_id")
CONTRACT_PATH = re.compile(
    rf"data/layer[1-9]/({SEGMENT.pattern})/[a-z][A-Za-z0-9_]{{0,62}}|"
    rf"reports/layer[1-9]/[a-z][a-z0-9_]{{0,62}}|gates"
)
FOLDER = re.compile(
    r"data(/[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}){1,8}"
    r"(/(seed|manifest_fingerprint|scenario_id)=[A-Za-z0-9_]{1,64}){0,3}"
)


def is_name(kind: re.Pattern[str], value: Any) -> bool:
    """Whether a value is text and a name of this kind, whole."""
    return isinstance(value, str) and kind.fullmatch(value) is not None
