"""Verification of a whole run: every byte accounted for, nothing missing, nothing added.

Shallow verification compares names, kinds and sizes with the bundles. Deep verification also hashes every
file and recomputes the logical digest of every table. Either compares each segment with the checks its
contracts demand, if those contracts are at hand. Verification lists everything wrong and repairs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sim.executors.side_by_side import side_by_side
from sim.ground.contract_types import Contracts, Dataset
from sim.ground.errors import GateError
from sim.ground.paths import config_root, contracts_root
from sim.shell.contracts.load import load_contracts
from sim.shell.publish.bundle import Bundle
from sim.shell.publish.gate import gates_dir, verify_bundle
from sim.shell.publish.segment_order import is_events
from sim.shell.request.receipt import identity_problems, read_receipt
from sim.shell.runs.built_with import DemandedChecks, require_same_contracts
from sim.shell.runs.figures import bundle_figures
from sim.shell.runs.opened import (
    index_problems,
    open_segment,
    passed_segments,
    seal_problems,
    segment_problems,
    unfinished_segments,
)
from sim.shell.runs.strangers import strangers
from sim.shell.tables.digest import combine_digests, table_digest
from sim.shell.tables.parquet import read_parquet
from sim.shell.tables.reference import Reference
from sim.state.records import PartFile, Published

ContentCheck = Callable[[Published], list[str]]


@dataclass(frozen=True)
class SegmentReport:
    """What was verified of one segment."""

    segment: str
    bundle_sha256: str
    datasets: int
    files: int
    rows: int
    bytes: int
    checks: int

    @classmethod
    def of(cls, bundle: Bundle) -> SegmentReport:
        """The report of a segment whose bundle was opened."""
        return cls(
            segment=bundle.segment,
            bundle_sha256=bundle.digest,
            datasets=len(bundle.datasets),
            files=sum(len(item.files) for item in bundle.datasets),
            rows=sum(item.rows for item in bundle.datasets),
            bytes=sum(item.bytes for item in bundle.datasets),
            checks=len(bundle.document["checks"]),
        )


@dataclass(frozen=True)
class VerifyReport:
    """What verification found.

    Attributes:
        run_id: Id of the run.
        deep: Whether every byte was hashed.
        segments: Verified segments in build order.
        not_built: Segments this run does not hold.
        checks_not_judged: Segments built with other contracts than those at hand, which alone say what they
            demanded.
        problems: Everything wrong, each naming its file, what was found and what was expected.
        figures: Rows, files and bytes of the verified datasets.
    """

    run_id: str
    deep: bool
    segments: tuple[SegmentReport, ...]
    not_built: tuple[str, ...]
    problems: tuple[str, ...]
    checks_not_judged: tuple[str, ...] = ()
    figures: tuple[Mapping[str, Any], ...] = ()

    def as_json(self) -> dict[str, Any]:
        """JSON-ready mapping."""
        return {
            "run_id": self.run_id,
            "deep": self.deep,
            "segments": [asdict(segment) for segment in self.segments],
            "not_built": list(self.not_built),
            "checks_not_judged": list(self.checks_not_judged),
            "problems": len(self.problems),
            "datasets": [dict(entry) for entry in self.figures],
        }


def verify_run(
    run_dir: Path,
    codes: Sequence[str],
    content: ContentCheck | None = None,
    on_bytes: Callable[[int], None] = lambda size: None,
    contracts: Contracts | None = None,
) -> VerifyReport:
    """Compare a run directory with its own receipts, flags and indexes.

    Args:
        run_dir: Run directory.
        codes: All segment codes in build order.
        content: Recomputes content digests; given, verification is deep.
        on_bytes: Told how many bytes were covered after each dataset.
        contracts: Segments built with these are compared with their demands; the packaged ones by default.

    Returns:
        The report; `problems` is empty when the run is exactly what was published.

    Raises:
        GateError: If there is no usable receipt.
    """
    receipt = read_receipt(run_dir)
    problems = identity_problems(run_dir, receipt)
    bundles: dict[str, Bundle] = {}
    reports, demanded = [], DemandedChecks(run_dir, contracts)
    passed = passed_segments(run_dir, codes)
    for code in passed:
        try:
            bundle = open_segment(run_dir, code, codes)
            problems += (
                segment_problems(bundle, receipt, bundles)
                + index_problems(run_dir, bundle)
                + seal_problems(run_dir, code, receipt)
            )
            problems += demanded.problems(bundle, receipt)
        except GateError as error:
            problems.append(problem_line(error))
            continue
        bundles[code] = bundle
        # Sizes first: a file that is not the published one is not worth hashing, and may be of any size.
        shallow = verify_bundle(
            run_dir, bundle, deep=False, on_bytes=lambda size: None if content else on_bytes(size)
        )
        problems += shallow
        if content is not None and not shallow:
            problems += verify_bundle(run_dir, bundle, deep=True, on_bytes=on_bytes, content=content)
        reports.append(SegmentReport.of(bundle))
    unfinished, found = _strangers(run_dir, codes, passed, bundles)
    problems += unfinished_problems(run_dir, unfinished) + found
    begun = {*passed, *unfinished}
    return VerifyReport(
        run_id=receipt["run_id"],
        deep=content is not None,
        segments=tuple(reports),
        not_built=not_built(codes, begun),
        problems=tuple(problems),
        checks_not_judged=tuple(demanded.unknown),
        figures=tuple(bundle_figures(bundles.values())),
    )


def unfinished_problems(run_dir: Path, unfinished: Iterable[str]) -> list[str]:
    """A line for each segment that has begun and not passed."""
    return [
        f"{gates_dir(run_dir, code)}: {code} has begun and not passed; running the same request again "
        "finishes it"
        for code in unfinished
    ]


def not_built(codes: Iterable[str], begun: Collection[str]) -> tuple[str, ...]:
    """Segments that a run does not hold; events of random numbers are never owed."""
    return tuple(code for code in codes if code not in begun and not is_events(code))


def _strangers(
    run_dir: Path, codes: Sequence[str], passed: Sequence[str], bundles: Mapping[str, Bundle]
) -> tuple[tuple[str, ...], list[str]]:
    """Unfinished segments and strangers, of one moment.

    A writer at work may begin a segment while its directories are walked; then walk again.
    """
    unfinished = unfinished_segments(run_dir, codes, passed)
    while True:
        found = strangers(run_dir, bundles, unfinished)
        begun = unfinished_segments(run_dir, codes, passed)
        if begun == unfinished:
            return unfinished, found
        unfinished = begun


def content_check_of(
    run_dir: Path, codes: Sequence[str], contracts: Path | None = None, config: Path | None = None
) -> ContentCheck:
    """`content_check` with contracts and reference snapshot read from disk, the packaged ones by default.

    Raises:
        ContractError: If the run was built with others.
    """
    compiled = load_contracts(contracts or contracts_root())
    reference = Reference((config or config_root()) / "reference")
    require_same_contracts(run_dir, codes, compiled, reference.digests())
    return content_check(run_dir, compiled, sealed_vocabularies(compiled, reference))


def sealed_vocabularies(contracts: Contracts, reference: Reference) -> dict[str, tuple[str, ...]]:
    """All vocabularies by name: those of the contracts and those filled from the reference snapshot."""
    filled = {
        name: reference.vocabulary(table, column)
        for name, (table, column) in contracts.reference_vocabularies.items()
    }
    return {**contracts.vocabularies, **filled}


def content_check(
    run_dir: Path, contracts: Contracts, vocabularies: Mapping[str, Sequence[str]]
) -> ContentCheck:
    """A function that recomputes the content digests of a published directory."""

    def check(item: Published) -> list[str]:
        if item.dataset not in contracts.datasets:
            return [f"{run_dir / item.path}: no contract declares {item.dataset!r}"]
        dataset = contracts.datasets[item.dataset]
        found = side_by_side(
            lambda part: _part_problems(run_dir / item.path / part.name, part, dataset, vocabularies),
            item.files,
        )
        problems = [problem for part in found for problem in part]
        whole = combine_digests([part.content_blake3 for part in item.files])
        if whole != item.content_blake3:
            problems.append(
                f"{run_dir / item.path}: content BLAKE3 {whole} over its files, published as "
                f"{item.content_blake3}"
            )
        return problems

    return check


def _part_problems(
    path: Path, part: PartFile, dataset: Dataset, vocabularies: Mapping[str, Sequence[str]]
) -> list[str]:
    try:
        frame = read_parquet(path, dataset, vocabularies, part=part)
    except GateError as error:
        return [problem_line(error)]
    problems = []
    found = table_digest(frame, dataset, vocabularies)
    if found != part.content_blake3:
        problems.append(f"{path}: content BLAKE3 {found}, published as {part.content_blake3}")
    if len(frame) != part.rows:
        problems.append(f"{path}: {len(frame)} rows, published with {part.rows}")
    return problems


def problem_line(error: GateError) -> str:
    """A refusal as one of a report's problems."""
    expected = f", expected {error.expected}" if error.expected else ""
    return f"{error.where}: {error.what}: {error.found}{expected}"
