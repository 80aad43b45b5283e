"""What kind of payment an arrival is: by whom it is started, and at what.

A customer starts it (`CIT`), at a till or online; the merchant does, on a card on file (`MIT_RECURRING`);
somebody orders from a site by mail or telephone (`MOTO`); or it is cash (`ATM`). The coin of an arrival says
whether it recurs; all else follows from where it went.
"""

from __future__ import annotations

import numpy as np

from sim.recipes.join import look_up
from sim.state.context import Context
from sim.state.declaration import ROW_LEVEL, Needs
from sim.state.frames import Array, Frame

KINDS = "arrival_kind"
KINDS_NEEDS = Needs(reads={"merchant_catalogue_1A": ROW_LEVEL}, config=("arrival_routing_policy_5B",))


def kind_at_sites(ctx: Context, keys: Frame) -> Array:
    """Kind of each key's arrivals at sites: int16.

    Args:
        ctx: Context of 5B.S4 or 5B.S5.
        keys: Rows of `merchant_zone_profile_5A`.
    """
    merchants = ctx.load("merchant_catalogue_1A", columns=("merchant_id", "mcc"))
    mcc = merchants.mcc[look_up(merchants.merchant_id, keys.merchant_id)]
    cash = np.isin(mcc, np.array(ctx.params.arrival_routing_policy_5B.cash_mccs, dtype=np.uint16))
    customer, order, machine = (ctx.code(KINDS, name) for name in ("CIT", "MOTO", "ATM"))
    remote = keys.channel_group == ctx.code("channel", "card_not_present")
    kind: Array = np.where(remote, order, np.where(cash, machine, customer)).astype(np.int16)
    return kind
