"""How rows of 2B find their draws: for `closedworld explain`."""

from __future__ import annotations

import numpy as np

from sim.recipes.drawn import CHOICE, NORMAL, UNIFORM, Drawn, Explained, MadeOf, Word, at
from sim.state.context import Context
from sim.state.declaration import Partition
from sim.state.frames import Frame

_SITES = "s1_site_weights_2B"
_TERMINALS = "s4_site_terminals_2B"
_SITE = {name: name for name in ("merchant_id", "legal_country_iso", "site_order")}
_MERCHANT = {"merchant_id": "merchant_id"}
_GROUP = {name: name for name in ("merchant_id", "legal_country_iso", "tzid")}


def _terminals(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """Terminals that are attended or not."""
    drew = np.flatnonzero(rows.terminal_type != ctx.code("terminal_type", "ATM"))
    return at(rows, drew, terminal_number=rows.terminal_no[drew].astype(np.uint64) - np.uint64(1))


_DRAWS = (
    Drawn(
        _SITES,
        "2B.site_scale",
        (Word(0, NORMAL, "site_scale = factor of the city x exp(sigma n - sigma^2 / 2)"),),
    ),
    Drawn(
        _TERMINALS,
        "2B.site_terminals",
        (Word(0, UNIFORM, "how many terminals its site has: floor(terminals by trade and size + u)"),),
    ),
    Drawn(_TERMINALS, "2B.terminal_kind", (Word(0, CHOICE, "terminal_type", "terminal_type"),), _terminals),
)

_MADE_OF = (
    MadeOf(_SITES, _SITES, "sites of the merchant, which share 2**40", _MERCHANT),
    MadeOf("s2_alias_2B", _SITES, "sites of the table", _GROUP),
    MadeOf("s4_group_weights_2B", _SITES, "sites of the group", _GROUP),
    MadeOf(_TERMINALS, _SITES, "its site, with its size", _SITE),
    MadeOf(_TERMINALS, _TERMINALS, "terminals of the site, which share 2**40", _SITE),
)

EXPLAINED = Explained(_DRAWS, _MADE_OF)
"""How rows of 2B are explained."""
