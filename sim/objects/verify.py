"""Verification and status of a run in an object store.

Shallow verification compares every object's presence, size and the store's own SHA-256 (where it keeps one)
with the bundles. Deep verification reads every byte and recomputes the logical digest of every table, a few
files at a time.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from sim.ground.errors import GateError, SimError
from sim.ground.paths import contracts_root
from sim.objects.connect import open_store
from sim.objects.location import Location
from sim.objects.mirror import (
    THREADS,
    RemoteRun,
    document_problems,
    mirror_run,
    passed_there,
    size_problems,
    stated_problems,
    stranger_keys,
    unfinished_there,
)
from sim.shell.contracts.load import load_contracts
from sim.shell.publish.bundle import Bundle
from sim.shell.request.receipt import RECEIPT_NAME, identity_problems, read_receipt
from sim.shell.runs.built_with import DemandedChecks
from sim.shell.runs.figures import bundle_figures, manifest_figures
from sim.shell.runs.opened import index_problems, open_segment, seal_problems, segment_problems
from sim.shell.runs.status import RunStatus, asked_for, run_status, state_rows
from sim.shell.runs.verify import (
    ContentCheck,
    SegmentReport,
    VerifyReport,
    content_check_of,
    not_built,
    problem_line,
    unfinished_problems,
)
from sim.shell.tables.digest import combine_digests
from sim.state.records import PartFile, Published


def verify_url(
    location: Location,
    codes: Sequence[str],
    deep: bool,
    contracts: Path | None = None,
    config: Path | None = None,
    options: Mapping[str, Any] | None = None,
) -> VerifyReport:
    """Compare a run in a store with its own receipt, flags and indexes; see `verify_run`.

    Raises:
        GateError: If there is no usable receipt.
        ContractError: Deep, if the run was built with other contracts or another reference snapshot.
    """
    run = mirror_run(location, options)
    with run.named():
        content = content_check_of(run.mirror, codes, contracts, config) if deep else None
        report = _verify(
            run, codes, content, DemandedChecks(run.mirror, load_contracts(contracts or contracts_root()))
        )
    return replace(report, problems=tuple(run.as_url(problem) for problem in report.problems))


def _verify(
    run: RemoteRun, codes: Sequence[str], content: ContentCheck | None, demanded: DemandedChecks
) -> VerifyReport:
    receipt = read_receipt(run.mirror)
    problems = identity_problems(run.mirror, receipt)
    bundles: dict[str, Bundle] = {}
    reports = []
    for code in passed_there(run.sizes, codes):
        try:
            bundle = open_segment(run.mirror, code, codes)
            problems += segment_problems(bundle, receipt, bundles) + index_problems(run.mirror, bundle)
            problems += seal_problems(run.mirror, code, receipt) + demanded.problems(bundle, receipt)
        except GateError as error:
            problems.append(problem_line(error))
            continue
        bundles[code] = bundle
        problems += document_problems(run, bundle)
        files = [(item, part) for item in bundle.datasets for part in item.files]
        threads = THREADS if content is None else len(os.sched_getaffinity(0))
        with ThreadPoolExecutor(threads) as pool:
            found = pool.map(lambda entry: _object_problems(run, entry[0], entry[1], content), files)
            problems += [problem for of_one in found for problem in of_one]
        for item in bundle.datasets:
            whole = combine_digests([part.content_blake3 for part in item.files])
            if whole != item.content_blake3:
                problems.append(
                    f"{run.store.url(item.path)}: content BLAKE3 {whole} over its files, published as "
                    f"{item.content_blake3}"
                )
        reports.append(SegmentReport.of(bundle))
    unfinished = unfinished_there(run.sizes, codes)
    problems += unfinished_problems(run.mirror, unfinished)
    problems += stranger_keys(run, bundles, unfinished)
    begun = {*bundles, *unfinished, *passed_there(run.sizes, codes)}
    return VerifyReport(
        run_id=receipt["run_id"],
        deep=content is not None,
        segments=tuple(reports),
        not_built=not_built(codes, begun),
        problems=tuple(problems),
        checks_not_judged=tuple(demanded.unknown),
        figures=tuple(bundle_figures(bundles.values())),
    )


def _object_problems(
    run: RemoteRun, item: Published, part: PartFile, content: ContentCheck | None
) -> list[str]:
    problems = size_problems(run, item, part)
    if not problems:
        problems, _ = stated_problems(run, item, part)
    if problems or content is None:
        return problems
    key = f"{item.path}/{part.name}"
    copy = run.mirror / key
    copy.parent.mkdir(parents=True, exist_ok=True)
    try:
        found = run.store.fetch(key, copy)
        if found != part.file_sha256:
            return [f"{run.store.url(key)}: SHA-256 {found}, published as {part.file_sha256}"]
        return content(replace(item, files=(part,), content_blake3=combine_digests([part.content_blake3])))
    finally:
        copy.unlink(missing_ok=True)


def list_urls(
    root: Location, codes: Sequence[str], options: Mapping[str, Any] | None = None
) -> list[RunStatus]:
    """Every run directly below a location, by run id. One listing of everything below it is made."""
    store = open_store(root, options)
    found = sorted(
        key.split("/")[0] for key in store.list() if key.count("/") == 1 and key.endswith(f"/{RECEIPT_NAME}")
    )
    return [_status(mirror_run(root / name, options), root / name, codes) for name in found]


def url_status(
    location: Location, codes: Sequence[str], options: Mapping[str, Any] | None = None
) -> tuple[RunStatus, list[dict[str, Any]], list[dict[str, Any]], dict[str, Any]]:
    """One run at a glance: its states, its figures, its request.

    A store does not say whether somebody is uploading.
    """
    run = mirror_run(location, options, reports=True)
    status = _status(run, location, codes)
    with run.named():
        rows, datasets = (
            _rows(lambda: state_rows(run.mirror, codes)),
            _rows(lambda: manifest_figures(run.mirror, codes)),
        )
        return status, rows, datasets, asked_for(run.mirror)


def _status(run: RemoteRun, location: Location, codes: Sequence[str]) -> RunStatus:
    with run.named():
        status = run_status(run.mirror, codes)
    return replace(
        status,
        run_id=location.name,
        path=str(location),
        note=run.as_url(status.note),
        bytes=sum(run.sizes.values()),
    )


def _rows(read: Callable[[], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    try:
        return read()
    except SimError:
        return []  # a damaged manifest or report: `verify` says which; a look at many runs goes on
