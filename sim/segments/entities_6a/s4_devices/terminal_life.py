"""Lives of terminals: none is older than its merchant's sales, and all end when the merchant closes.

Terminals are not replaced inside the horizon.
"""

from __future__ import annotations

import numpy as np

from sim.recipes.join import look_up
from sim.recipes.places import country_letters
from sim.recipes.words import WORDS_NEEDS, word
from sim.segments.entities_6a.draw_keys import ordinals
from sim.segments.entities_6a.s4_devices.life import LifeLaw
from sim.segments.entities_6a.tenure import NEVER
from sim.state.context import Context, PartitionContext
from sim.state.declaration import ROW_LEVEL, Needs
from sim.state.frames import Array, Frame

LIFE = "6A.terminal_life"
TERMINAL_LIFE_NEEDS = Needs(
    reads={"s7_merchant_life_5A": ROW_LEVEL},
    streams=(LIFE,),
    kernels=("bounded_integer",),
    uses=(WORDS_NEEDS,),
)


def terminal_lives(ctx: PartitionContext, law: LifeLaw, sites: Frame, site: Array, kind: Array) -> Frame:
    """Days `first` and `last` (int32, `NEVER` where it goes on) of terminals.

    Args:
        ctx: Context.
        law: Laws of lives.
        sites: Sites of the partition.
        site: int64, n: row of each terminal's site, never falling.
        kind: int16, n.
    """
    merchant = sites.merchant_id[site]
    letters = country_letters(ctx)[sites.legal_country_iso[site]]
    place = ctx.field("site", country_letters=letters, site_order=sites.site_order[site])
    x = word(ctx, LIFE, site=place, terminal_number=ordinals(site), merchant_id=merchant)
    sells, closes = merchant_days(ctx, merchant)
    span = law.horizon
    final = np.int64(span.first_day + span.days - 1)
    # Whoever began to sell inside the horizon has had its terminals since.
    most = np.maximum(final - sells, 0)
    age = np.minimum(most, span.days - 1)
    for code in np.unique(kind).tolist():
        rows = np.flatnonzero((kind == code) & (most >= span.days))
        sums = np.cumsum(law.of_kind(code))
        before = sums[span.days - 1]
        upto = sums[np.minimum(most[rows], len(sums) - 1)] - before
        at = ctx.kernels.bounded_integer(x=x[rows], bound=np.maximum(upto, np.uint64(1)))
        found = np.searchsorted(sums, before + at, side="right")
        age[rows] = np.minimum(found, most[rows])
    first = (final - age).astype(np.int32)
    return Frame(
        {"first": first, "last": np.where(closes <= final, closes - 1, np.int64(NEVER)).astype(np.int32)}
    )


def merchant_days(ctx: Context, merchant_id: Array) -> tuple[Array, Array]:
    """First day of sales and day of closing of merchants: int64 each, far away where unknown or never."""
    lives = ctx.load("s7_merchant_life_5A", columns=("merchant_id", "opened_date", "closed_date"))
    row = look_up(lives.merchant_id, merchant_id)
    known, ends = lives.present("opened_date")[row], lives.present("closed_date")[row]
    far = np.int64(NEVER)
    opened = np.where(known, lives.opened_date[row].astype(np.int64), -far)
    return opened, np.where(ends, lives.closed_date[row].astype(np.int64), far)
