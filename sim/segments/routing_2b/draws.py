"""How rows of 2B find their draws: for `closedworld explain`."""

from __future__ import annotations

from sim.recipes.drawn import NORMAL, Drawn, Explained, MadeOf, Word

_SITES = "s1_site_weights_2B"
_MERCHANT = {"merchant_id": "merchant_id"}
_GROUP = {name: name for name in ("merchant_id", "legal_country_iso", "tzid")}

_DRAWS = (
    Drawn(
        _SITES,
        "2B.site_scale",
        (Word(0, NORMAL, "site_scale = factor of the city x exp(sigma n - sigma^2 / 2)"),),
    ),
)

_MADE_OF = (
    MadeOf(_SITES, _SITES, "sites of the merchant, which share 2**40", _MERCHANT),
    MadeOf("s2_alias_2B", _SITES, "sites of the table", _GROUP),
    MadeOf("s4_group_weights_2B", _SITES, "sites of the group", _GROUP),
)

EXPLAINED = Explained(_DRAWS, _MADE_OF)
"""How rows of 2B are explained."""
