"""A run whose home is an object store: built in a local work directory, each segment uploaded when it has passed, its flag last.

Order of a segment's objects: data files, documents, index, `_passed.flag`. Each is created only if absent, then looked at: size and SHA-256,
the store's own where it checks what it is sent, else read back. The flag object is put when all of that has held, so a reader who sees a flag
sees a whole segment. Whoever else uploads the same run uploads the same bytes; other bytes under the same name are refused.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

from sim.shell.contract_types import Contracts
from sim.shell.errors import GateError, LockedError, SimError, StorageError
from sim.shell.gate import FLAG_NAME, INDEX_NAME, Bundle, require_file
from sim.shell.identity import sha256_bytes, sha256_file
from sim.shell.location import Location
from sim.shell.manifest import PartFile
from sim.shell.opened import RECEIPT_NAME, load_receipt
from sim.shell.progress import Reporter
from sim.shell.publication import Publication
from sim.shell.publish import make_directories, publish_document, rename_new, storage_errors
from sim.shell.remote_run import THREADS, RemoteRun, copy_documents, passed_there, prove_remote
from sim.shell.remote_store import ObjectStore, open_store, require_conditional_put
from sim.shell.request import Prepared
from sim.shell.store import Store

_IDENTITY = ("run_id", "seed", "parameter_hash", "manifest_fingerprint", "scenarios", "model_version")
