"""What a state published (files, rows, digests, checks, ledger): the list by which every reader opens files.

A manifest is JSON. The state that made the files writes it once; nothing reconstructs it from a directory
listing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sim.ground.identity import pretty_json
from sim.ground.json_text import damaged, load_json
from sim.ground.names import DATASET, DIGEST, FOLDER, PART, PHILOX_KEY, SCENARIO, STATE, STREAM, is_name
from sim.shell.publish.documents import require_readable
from sim.shell.publish.measurements import read_measurements
from sim.state.records import LedgerRow, PartFile, Published

STATE_FORMAT = "state-v3"


@dataclass(frozen=True)
class StateManifest:
    """Everything one state published."""

    state: str
    identity: Mapping[str, Any]
    datasets: tuple[Published, ...]
    checks: tuple[Mapping[str, Any], ...]
    ledger: tuple[LedgerRow, ...]
    measurements: tuple[Mapping[str, Any], ...] = ()

    def encode(self) -> bytes:
        """The manifest file's bytes.

        Raises:
            ContractError: As `require_readable`.
        """
        document = {
            "format": STATE_FORMAT,
            "state": self.state,
            "identity": dict(self.identity),
            "checks": [dict(check) for check in self.checks],
            "ledger": [asdict(row) for row in self.ledger],
            "measurements": [dict(row) for row in self.measurements],
        }
        return encode_listing(document, self.datasets, self.state)

    @classmethod
    def decode(cls, data: bytes, where: str) -> StateManifest:
        """Parse a manifest file.

        Raises:
            GateError: If it is not a manifest of this format.
        """
        document = load_json(data, where, STATE_FORMAT)
        try:
            if not isinstance(document["identity"], dict) or not all(
                isinstance(check, dict) for check in document["checks"]
            ):
                raise TypeError("identity or checks that are not objects")
            if not is_name(STATE, document["state"]):
                raise TypeError(f"a state called {str(document['state'])[:100]!r}")
            return cls(
                state=document["state"],
                identity=document["identity"],
                datasets=tuple(decode_published(item) for item in document["datasets"]),
                checks=tuple(document["checks"]),
                ledger=tuple(decode_ledger(row) for row in document["ledger"]),
                measurements=tuple(read_measurements(document)),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise damaged(where, f"{type(error).__name__}: {error}") from None


def encode_listing(document: Mapping[str, Any], datasets: Iterable[Published], whose: str) -> bytes:
    """Bytes of a document that lists the files of datasets, under `datasets`.

    Args:
        document: What else it says.
        datasets: In order.
        whose: State or segment.

    Raises:
        ContractError: As `require_readable`.
    """
    listed = [encode_published(item) for item in datasets]
    data = pretty_json({**document, "datasets": listed})
    require_readable(len(data), sum(len(item["files"]) for item in listed), whose)
    return data


def encode_published(item: Published) -> dict[str, Any]:
    """JSON form of a `Published`."""
    return {
        "dataset": item.dataset,
        "scenario": item.scenario,
        "path": item.path,
        "rows": item.rows,
        "content_blake3": item.content_blake3,
        "files": [encode_file(part) for part in item.files],
    }


def encode_file(part: PartFile) -> dict[str, Any]:
    """JSON form of a `PartFile`.

    Written out, since `asdict` copies key by key and a manifest has an entry a file.
    """
    return {
        "name": part.name,
        "bytes": part.bytes,
        "rows": part.rows,
        "file_sha256": part.file_sha256,
        "content_blake3": part.content_blake3,
        "keys": dict(part.keys),
    }


def decode_published(document: Mapping[str, Any]) -> Published:
    """A `Published` from its JSON form; every name must be one a run may use, every path inside the run.

    Raises:
        GateError: If it is none that a run wrote.
    """
    dataset, scenario, path = document["dataset"], document["scenario"], document["path"]
    if not is_name(DATASET, dataset) or not (scenario is None or is_name(SCENARIO, scenario)):
        raise damaged(
            str(path)[:200],
            f"a dataset called {str(dataset)[:100]!r} of scenario {str(scenario)[:100]!r}",
            "names a run may use",
        )
    if not is_name(FOLDER, path):
        raise damaged(
            str(path)[:200],
            f"a path {str(path)[:200]!r} that leaves the run directory, or is none a run uses",
            "data/.../key=value",
        )
    files = tuple(decode_file(part) for part in document["files"])
    if not is_name(DIGEST, document["content_blake3"]):
        raise damaged(path, f"an entry of {dataset} without a digest")
    return Published(dataset, scenario, path, files, document["content_blake3"])


def decode_file(document: Mapping[str, Any]) -> PartFile:
    """A `PartFile` from its JSON form.

    Raises:
        GateError: If its name leaves its directory, or its figures are none that a file has.
        TypeError: If fields are missing or unknown.
    """
    part = PartFile(**document)
    if not is_name(PART, part.name):
        raise damaged(
            str(part.name)[:200], f"a file called {str(part.name)[:200]!r}", "part-00000.parquet, and so on"
        )
    figures = all(type(figure) is int and 0 <= figure < 2**63 for figure in (part.rows, part.bytes))
    if not (
        figures
        and is_name(DIGEST, part.file_sha256)
        and is_name(DIGEST, part.content_blake3)
        and isinstance(part.keys, dict)
    ):
        raise damaged(part.name, f"file entry {part.name!r} with figures or digests that no file has")
    return part


def decode_ledger(document: Mapping[str, Any]) -> LedgerRow:
    """A `LedgerRow` from its JSON form.

    Raises:
        TypeError: If it is none that a run wrote.
    """
    row = LedgerRow(**document)
    named = (
        is_name(STREAM, row.stream)
        and is_name(PHILOX_KEY, row.key)
        and (row.scenario is None or is_name(SCENARIO, row.scenario))
    )
    if not named or not all(
        type(figure) is int and 0 <= figure < 2**64 for figure in (row.entities, row.draws, row.blocks)
    ):
        raise TypeError("a ledger row that no state wrote")
    return row
