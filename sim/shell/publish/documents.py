"""A run's first document, and how large a document may be that a reader loads before it has proven anything.

Receipts, seals, manifests and indexes are such documents.
"""

from __future__ import annotations

from sim.ground.errors import ContractError

RECEIPT_FORMAT = "run-receipt-v2"
RECEIPT_NAME = "run_receipt.json"

DOCUMENT_BYTES = 1 << 26
"""Readers refuse larger documents, so that no hostile directory fills memory; so writers must, too."""

LEAST_ENTRY_BYTES = 256
"""Less than a file's entry in a manifest: two digests of 64 digits, a name, two numbers, six field names."""


def require_readable(size: int, files: int, whose: str) -> None:
    """Refuse a list of files that nobody could read again.

    Args:
        size: Its bytes, or fewer.
        files: How many files it names.
        whose: State or segment.

    Raises:
        ContractError: `SHELL.TOO_MANY_FILES`.
    """
    if size > DOCUMENT_BYTES:
        raise ContractError(
            "SHELL.TOO_MANY_FILES",
            f"{whose} has more partitions than its list of files can hold, so it cannot be published",
            found=f"{files:,} files, {size:,} bytes or more to list them",
            expected=f"at most {DOCUMENT_BYTES:,} bytes",
            do=(
                "a smaller world, or larger partitions: --set "
                "arrival_placement_policy_5B.arrivals_a_partition=... (another world's id)"
            ),
        )
