"""1A to 2A across partition boundaries: more merchants than one partition holds, in any order of work."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.states.layer1 import build, check, table

pytestmark = pytest.mark.slow


def test_partitions_do_not_show(tmp_path: Path) -> None:
    size = {"merchant_universe_1A.merchants": 110_000}
    plain = build(tmp_path / "plain", overrides=size)
    shuffled = build(tmp_path / "shuffled", overrides=size, order=7)
    digest = {code: bundle.digest for code, bundle in plain.bundles.items()}
    assert digest == {code: bundle.digest for code, bundle in shuffled.bundles.items()}
    outlets = table(plain, "outlet_catalogue")
    parts = next(item for item in plain.bundles["1A"].datasets if item.dataset == "outlet_catalogue").files
    assert len(parts) == 2 and outlets.num_rows == sum(part.rows for part in parts)
    single = check(plain, "single-outlet share")["found"]
    # Chains hold 0.25 to 0.35 of all outlets, at six or so each: they are one merchant in twenty.
    assert single["merchants"] == 110_000 and 0.94 < single["single"] / 110_000 < 0.96
