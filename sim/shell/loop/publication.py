"""What happens to a segment once it has passed, and where upstream rows are read from.

By default: nothing, and the run directory.

`sim.objects.upload` publishes to an object store with these five calls; the run loop knows nothing else about
it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sim.shell.publish.bundle import Bundle
from sim.shell.request.request import Prepared
from sim.shell.runs.opened import require_passed
from sim.shell.runs.store import Store


class Publication:
    """The run directory is where the run is published; nothing more is done."""

    def reader(self, run_dir: Path, prepared: Prepared) -> Store:
        """Read access to what the run's states published."""
        return Store(
            run_dir, prepared.contracts, prepared.reference, prepared.vocabularies, prepared.request.seed
        )

    def begin(self, run_dir: Path, identity: Mapping[str, Any], codes: Sequence[str]) -> None:
        """The run lock is held and the receipt lies in the run directory; no segment was looked at yet."""

    def prove(
        self,
        run_dir: Path,
        code: str,
        codes: Sequence[str],
        identity: Mapping[str, Any],
        before: Mapping[str, Bundle],
    ) -> Bundle:
        """The bundle of a segment whose flag lies in the run directory.

        Arguments and refusals as `require_passed`.
        """
        return require_passed(run_dir, code, codes, identity, before)

    def passed(self, run_dir: Path, bundle: Bundle) -> None:
        """A segment was built and its flag lies in the run directory."""

    def ended(self, run_dir: Path) -> None:
        """Every requested segment passed."""
