"""How much work something is, and how long to wait for it: no result of a test depends on how fast or how
busy the machine is.

Work is counted in calls. Waiting ends after `PATIENCE_S`, which says that nothing will come any more; it is
no measure of anything.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

PATIENCE_S = 900.0


def calls(function: Callable[[], object]) -> int:
    """Python and C calls that `function` makes on this thread."""
    count = 0

    def hook(frame: object, event: str, given: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(hook)
    try:
        function()
    finally:
        sys.setprofile(before)
    return count


def wait_until(
    there: Callable[[], object], going_on: Callable[[], object] = lambda: True, pause: float = 0.02
) -> None:
    """Wait until something is so; fails once it cannot come any more,
    because what would bring it is no longer going on.
    """
    end = time.monotonic() + PATIENCE_S
    while not there():
        if not going_on():
            assert there(), "it did not come, and nothing is left that would bring it"
            return
        assert time.monotonic() < end, f"waited {PATIENCE_S:,.0f} s in vain"
        time.sleep(pause)
