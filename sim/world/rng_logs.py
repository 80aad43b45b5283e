"""Which states drew random numbers, and how many: `rng_audit_log` and `rng_trace_log`.

Every run has both, whatever its request: a segment's index holds its audit and its ledger, so the segments'
own flags prove these tables and they take no file. `closedworld run --rng-events` publishes the draws one by
one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

from sim.ground.json_text import damaged
from sim.shell.publish.bundle import Bundle
from sim.shell.publish.gate import INDEX_NAME

_WHO = [
    ("step", pa.uint32()),
    ("segment", pa.string()),
    ("state", pa.string()),
    ("stream", pa.string()),
    ("scenario_id", pa.string()),
]
AUDIT = pa.schema(
    [
        *_WHO,
        ("key", pa.string()),
        ("algorithm", pa.string()),
        ("key_law", pa.string()),
        ("uniform", pa.string()),
        ("seed", pa.uint64()),
        ("run_id", pa.string()),
        ("parameter_hash", pa.string()),
        ("manifest_fingerprint", pa.string()),
    ]
)
_TOTALS = ("events", "draws", "blocks")
TRACE = pa.schema(
    [
        *_WHO,
        *((f"{name}_total", pa.uint64()) for name in _TOTALS),
        *((f"run_{name}_total", pa.uint64()) for name in _TOTALS),
    ],
)


def audit_log(receipt: Mapping[str, Any], bundles: Mapping[str, Bundle]) -> pa.Table:
    """One row a state, stream and scenario: key, algorithm, rules of key and uniforms, seed and run."""
    run = {name: receipt[name] for name in ("run_id", "seed", "parameter_hash", "manifest_fingerprint")}
    rows = []
    for who, bundle, row in _ledger(bundles):
        laws = {
            name: as_utf8(bundle.document["rng_audit"].get(name))
            for name in ("algorithm", "key_law", "uniform")
        }
        rows.append({**who, "key": row["key"], **laws, **run})
    return pa.Table.from_pylist(rows, schema=AUDIT)


def trace_log(bundles: Mapping[str, Bundle]) -> pa.Table:
    """One row a state, stream and scenario, in the order of the run, with the run's running totals.

    The figures are entities that drew (events), draws and blocks.

    Raises:
        GateError: `SHELL.PUBLISHED_FILE_INVALID`: more than 64 bits were drawn.
    """
    rows, so_far = [], dict.fromkeys(_TOTALS, 0)
    for who, bundle, row in _ledger(bundles):
        own = dict(zip(_TOTALS, (row["entities"], row["draws"], row["blocks"]), strict=True))
        so_far = {name: so_far[name] + own[name] for name in _TOTALS}
        if max(so_far.values()) >= 2**64:
            raise damaged(f"gates/{bundle.segment}/{INDEX_NAME}", "a ledger of more than 2**64 draws")
        rows.append(
            {
                **who,
                **{f"{name}_total": own[name] for name in own},
                **{f"run_{name}_total": so_far[name] for name in so_far},
            }
        )
    return pa.Table.from_pylist(rows, schema=TRACE)


def _ledger(bundles: Mapping[str, Bundle]) -> Iterator[tuple[dict[str, Any], Bundle, Mapping[str, Any]]]:
    """Every ledger row in the order of the run, with the state that drew."""
    listed = ((bundle, row) for bundle in bundles.values() for row in bundle.document["ledger"])
    for step, (bundle, row) in enumerate(listed):
        who = {
            "step": step,
            "segment": bundle.segment,
            "state": row["state"],
            "stream": row["stream"],
            "scenario_id": row["scenario"],
        }
        yield who, bundle, row


def as_utf8(value: Any) -> str:
    """A text that a column may hold: what is no UTF-8 is replaced."""
    return str(value).encode("utf-8", "replace").decode("utf-8")
