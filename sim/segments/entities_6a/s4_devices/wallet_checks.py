"""Checks of wallet tokens: each on one device of its card's owner that can hold it, phones by country."""

from __future__ import annotations

import numpy as np

from sim.recipes.audits import ledger_check
from sim.recipes.sampling import sampling_check
from sim.segments.entities_6a.network_tables import PERMILLE
from sim.segments.entities_6a.payments import PAYMENTS_NEEDS, permille_of
from sim.segments.entities_6a.s4_devices.wallets import TOKEN, USE, WalletCounts
from sim.state.context import Context
from sim.state.declaration import Check, Needs
from sim.state.totals import Totals

WALLET_CHECKS_NEEDS = Needs(config=("realism_gates_network_6A",), uses=(PAYMENTS_NEEDS,))


def wallet_checks(ctx: Context, totals: Totals, devices: int) -> list[Check]:
    """Checks of all tokens.

    Args:
        ctx: Context.
        totals: Sums of `count_tokens` and `tokens_of`.
        devices: Devices of parties.
    """
    seen = WalletCounts(totals)
    zero = {
        "wallets run where they can": (seen.impossible, "tokens on a kind of device or system without it"),
        "tokens stand for cards of the device's owner": (
            seen.strange_cards,
            "tokens of a card that is another's, that the wallet does not take, or that was issued later",
        ),
        "tokens are there while card and device are": (
            seen.outside_life,
            "tokens before or after their device, or that do not end with it or their card",
        ),
        "every token is on one device": (seen.unlinked, "files whose tokens are not their wallet links"),
    }
    share = permille_of(ctx, "phones_permille", "wallet").astype(np.float64) / PERMILLE
    phones = seen.phones.astype(np.float64)
    sigmas = float(ctx.params.realism_gates_network_6A.sampling_sigma)
    return [
        *(Check(name, found == 0, found, 0, note) for name, (found, note) in zero.items()),
        sampling_check(
            "phones used as wallets",
            ctx.vocabulary("country"),
            seen.used_phones,
            phones * share,
            phones * share * (1.0 - share),
            (sigmas, 1.0),
            "of phones whose owner has a card that their wallet takes",
        ),
        ledger_check(totals, USE, devices, 2),
        ledger_check(totals, TOKEN, seen.tokens, 1),
    ]
