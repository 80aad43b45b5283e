"""What a worker in another process must know to compute partitions of a state, as JSON: the job.

A job names its inputs by digest: the request (from which a worker derives contracts, parameters and
vocabularies itself), the manifests of everything published so far, and what both sides must agree on before a
single row is computed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sim.backends import Backend
from sim.ground.identity import code_digest
from sim.ground.paths import config_root, contracts_root
from sim.shell.publish.bundle import Bundle
from sim.shell.request.request import Prepared, Request
from sim.state.model import UserFile

JOB_FORMAT = "job-v3"
REPLY_FORMAT = "partition-reply-v2"
_VERSIONS = ("closedworld", "numpy", "pyarrow", "numba")


def encode_request(request: Request) -> dict[str, Any]:
    """JSON form of a request without packaged directories: every host has its own copy of those."""
    return {
        "preset": request.preset,
        "seed": request.seed,
        "scenarios": list(request.scenarios),
        "overrides": dict(request.overrides),
        "inputs": {
            name: {"path": str(file.path.resolve()), "form": dict(file.form)}
            for name, file in request.inputs.items()
        },
        "contracts": None if request.contracts == contracts_root() else str(request.contracts.resolve()),
        "config": None if request.config == config_root() else str(request.config.resolve()),
    }


def decode_request(document: Mapping[str, Any]) -> Request:
    """A request from its JSON form."""
    return Request(
        preset=document["preset"],
        seed=document["seed"],
        scenarios=tuple(document["scenarios"]),
        overrides=document["overrides"],
        inputs={
            name: UserFile(Path(file["path"]), file["form"]) for name, file in document["inputs"].items()
        },
        contracts=contracts_root() if document["contracts"] is None else Path(document["contracts"]),
        config=config_root() if document["config"] is None else Path(document["config"]),
    )


def agreed(prepared: Prepared, backend: Backend, code: str) -> dict[str, str]:
    """What driver and workers must have in common, by name: a difference in any of them is refused."""
    provenance = prepared.receipt(backend, "")["provenance"]
    versions = {f"{name} version": str(provenance[name]) for name in _VERSIONS if name in provenance}
    return {
        "code digest": code,
        "contracts digest": prepared.contracts.digest,
        "parameter hash": prepared.parameter_hash,
        "manifest fingerprint": prepared.fingerprint,
        "run id": prepared.run_id,
        **versions,
    }


def published_manifests(
    bundles: Mapping[str, Bundle], segment: str, proofs: Mapping[str, str]
) -> dict[str, str]:
    """State manifests a worker may read: path under the run directory -> SHA-256.

    Args:
        bundles: Segments that passed.
        segment: The segment being built.
        proofs: Its documents so far: name under its gate directory -> SHA-256.
    """
    documents = {code: bundle.document["documents"] for code, bundle in bundles.items()} | {segment: proofs}
    return {
        f"gates/{code}/{name}": digest
        for code, names in documents.items()
        for name, digest in names.items()
        if name.startswith("states/")
    }


def describe_job(
    prepared: Prepared, backend: Backend, state: str, manifests: Mapping[str, str], session: str
) -> dict[str, Any]:
    """The job document of a state, but for the staging binding.

    Args:
        prepared: The request, hashed.
        backend: Where kernels run; workers get the one of the same name.
        state: State id.
        manifests: `published_manifests`.
        session: Name of the driver's invocation, unlike any other.
    """
    return {
        "format": JOB_FORMAT,
        "session": session,
        "request": encode_request(prepared.request),
        "model": prepared.model.module,
        "state": state,
        "backend": backend.name,
        "agreed": agreed(prepared, backend, code_digest()),
        "manifests": dict(manifests),
    }
