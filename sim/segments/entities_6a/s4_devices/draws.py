"""How devices and their links find their draws."""

from __future__ import annotations

import numpy as np

from sim.recipes.drawn import (
    CHOICE,
    UNIFORM,
    WEIGHT,
    Drawn,
    Explained,
    Find,
    MadeOf,
    Told,
    Word,
    at,
    position,
)
from sim.segments.entities_6a.draw_keys import devices_of, party_cells, rows_by_id
from sim.segments.entities_6a.draw_shares import cell_told, gated_weights, share_told
from sim.segments.entities_6a.s4_devices.targets import caps, device_targets
from sim.segments.entities_6a.terminals import terminals_of
from sim.state.context import Context
from sim.state.declaration import Partition
from sim.state.frames import Array, Frame

_DEVICE = ("device_type", "country_iso", "segment_id", "party_rank", "device_number")


def _devices(ctx: Context, part: Partition, rows: Frame) -> tuple[Frame, Array]:
    """The device of each row (of the base or of its links), and which of them parties own."""
    mine = rows_by_id(devices_of(ctx, part=part.index), "device_id", rows.device_id)
    return mine, mine.owned


def _of_parties(ctx: Context, part: Partition, rows: Frame) -> Frame:
    mine, owned = _devices(ctx, part, rows)
    here = np.flatnonzero(owned)
    return at(rows, here, **{name: mine[name][here] for name in _DEVICE})


def _as_made(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """As `_of_parties`, of a successor what its predecessor drew: it goes on with that."""
    mine, owned = _devices(ctx, part, rows)
    here = np.flatnonzero(owned)
    key = {name: mine[name][here] for name in _DEVICE}
    return at(rows, here, **{**key, "device_number": mine.made_number[here]})


def _no_successors(ctx: Context, part: Partition, rows: Frame) -> Frame:
    mine, owned = _devices(ctx, part, rows)
    here = np.flatnonzero(owned & ~mine.follows)
    return at(rows, here, **{name: mine[name][here] for name in _DEVICE})


def _stays(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """Devices that live through the horizon."""
    mine, owned = _devices(ctx, part, rows)
    here = np.flatnonzero(owned & ~mine.follows & ~mine.replaced)
    return at(rows, here, **{name: mine[name][here] for name in _DEVICE})


def _replaced(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """Devices that are replaced, and their successors, with the key of the former."""
    mine, _ = _devices(ctx, part, rows)
    here = np.flatnonzero(mine.follows | mine.replaced)
    key = {name: mine[name][here] for name in _DEVICE}
    return at(rows, here, **{**key, "device_number": mine.made_number[here]})


def _tokens(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """Tokens with their number on the device."""
    found = _of_parties(ctx, part, rows)
    return found.with_columns(token_number=found.token_no.astype(np.int64) - 1)


def _asked(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """What the owner of each device of a party asked for of its type."""
    found, prior = _as_made(ctx, part, rows), ctx.params.device_prior_6A.owner
    names = ctx.vocabulary("device_type")
    idle, sigma = (
        np.array([float(prior[name][law]) if name in prior else 0.0 for name in names])
        for law in ("idle", "sigma")
    )
    return found.with_columns(idle=idle[found.device_type], sigma=sigma[found.device_type])


def _with_role(role: str) -> Find:
    """Links of parties' devices of one role."""

    def find(ctx: Context, part: Partition, rows: Frame) -> Frame:
        found = _as_made(ctx, part, rows)
        return found.take(np.flatnonzero(found.link_role == ctx.code("device_link_role", role)))

    return find


def _of_sites(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """Terminals with their site and their number there."""
    mine, owned = _devices(ctx, part, rows)
    here = np.flatnonzero(~owned)
    terminals = terminals_of(ctx)
    mine_there = terminals.take(position(terminals.terminal_id, mine.terminal_id[here]))
    key = {name: mine_there[name] for name in ("merchant_id", "legal_country_iso", "site_order")}
    number = mine_there.terminal_no.astype(np.uint64) - np.uint64(1)
    return at(rows, here, terminal_number=number, **key)


def _share(ctx: Context, part: Partition, rows: Frame) -> list[str]:
    """Quota, weight and cap of the devices of a type of the device's owner."""
    found = _asked(ctx, part, rows)
    if len(found) == 0:
        return []
    summary, units = device_targets(ctx)
    key = party_cells(ctx, rows.primary_party_id)
    cell, country, segment, code = (
        int(key.cell[0]),
        int(key.country_iso[0]),
        int(key.segment_id[0]),
        int(rows.device_type[0]),
    )
    parties, quota = int(summary.parties[cell]), int(units[cell, code])
    holders = {
        "party_rank": np.arange(parties, dtype=np.uint64),
        "country_name": ctx.name_hashes("country")[np.full(parties, country)],
        "segment_name": ctx.name_hashes("segment")[np.full(parties, segment)],
    }
    law = float(found.idle[0]), float(found.sigma[0])
    text = f"{ctx.vocabulary('device_type')[code]}: {parties:,} parties have {quota:,} devices"
    weight = gated_weights(ctx, "6A.device_demand", holders, code, law)
    return [
        cell_told(ctx, country, segment, text),
        *share_told(weight, int(key.party_rank[0]), quota, "devices"),
        f"caps     {int(caps(ctx)[key.party_type[0], code])} of this type",
    ]


_BASE, _LINKS, _TOKENS = "s4_device_base_6A", "s4_device_links_6A", "s4_wallet_tokens_6A"
_WALLET = (Word(0, UNIFORM, "whether it is used as a wallet"), Word(1, CHOICE, "which wallet"))
_DEMAND = (Word("device_type", WEIGHT, "how much the party asks for of its cell's devices of the type"),)
_START = (Word(0, UNIFORM, "where systematic sampling of the cell's devices of the type begins"),)
_SHARING = (Word(1, UNIFORM, "whether others of the household use it"), Word(2, CHOICE, "how many of them"))

_DRAWS = (
    *(Drawn(dataset, "6A.device_demand", _DEMAND, _asked) for dataset in (_BASE, _LINKS)),
    *(Drawn(dataset, "6A.device_start", _START, _of_parties) for dataset in (_BASE, _LINKS)),
    Drawn(_BASE, "6A.device", (Word(0, CHOICE, "os_family", "os_family"),), _no_successors),
    Drawn(
        _BASE,
        "6A.device",
        (
            *_SHARING,
            Word(4, CHOICE, "how many of the owner's accounts it reaches"),
            Word(6, CHOICE, "how many of the owner's cards it holds, if it is a wallet"),
        ),
        _as_made,
    ),
    Drawn(
        _LINKS,
        "6A.device",
        (*_SHARING, Word(3, UNIFORM, "party_id: where among the others of the household they begin")),
        _with_role("SECONDARY_USER"),
    ),
    Drawn(
        _LINKS,
        "6A.device",
        (
            Word(4, CHOICE, "how many accounts it reaches"),
            Word(5, UNIFORM, "account_id: where among the owner's accounts they begin"),
        ),
        _with_role("ACCOUNT_ACCESS"),
    ),
    Drawn(
        _LINKS,
        "6A.device",
        (
            Word(6, CHOICE, "how many cards it holds"),
            Word(7, UNIFORM, "instrument_id: where among the owner's cards they begin"),
        ),
        _with_role("INSTRUMENT_WALLET"),
    ),
    Drawn(_BASE, "6A.wallet", _WALLET, _as_made),
    Drawn(_TOKENS, "6A.wallet", _WALLET, _as_made),
    Drawn(_TOKENS, "6A.device_token", (Word(0, UNIFORM, "provisioned_date"),), _tokens),
    Drawn(_BASE, "6A.terminal_system", (Word(0, CHOICE, "os_family", "os_family"),), _of_sites),
    Drawn(
        _BASE,
        "6A.device_traits",
        (
            Word(0, CHOICE, "device_model", "device_model"),
            Word(1, CHOICE, "os_version", "os_version"),
            Word(2, CHOICE, "browser", "browser"),
        ),
        _of_parties,
    ),
    Drawn(
        _BASE,
        "6A.device_traits",
        (Word(3, UNIFORM, "language: whether it is set to English"),),
        _as_made,
    ),
    Drawn(
        _BASE,
        "6A.device_life",
        (Word(0, CHOICE, "first_seen: age on the last day of the horizon"),),
        _stays,
    ),
    Drawn(
        _BASE,
        "6A.replaced_start",
        (Word(0, UNIFORM, "where systematic sampling of the country's devices that are replaced begins"),),
        _of_parties,
    ),
    Drawn(
        _BASE,
        "6A.device_replaced",
        (
            Word(0, CHOICE, "first_seen of the successor: day of the horizon"),
            Word(1, CHOICE, "first_seen of the predecessor: its age then"),
            Word(2, UNIFORM, "whether that is used beside it, or was lost before"),
            Word(3, UNIFORM, "last_seen of the predecessor: how many days apart"),
            Word(4, UNIFORM, "os_family of the successor: whether it is the same whatever others have"),
            Word(5, CHOICE, "os_family of the successor, if not"),
        ),
        _replaced,
    ),
    Drawn(
        _BASE,
        "6A.terminal_life",
        (Word(0, CHOICE, "first_seen: age on the last day of the horizon"),),
        _of_sites,
    ),
    Drawn(
        _BASE,
        "6A.terminal_traits",
        (Word(0, CHOICE, "device_model", "device_model"), Word(1, CHOICE, "os_version", "os_version")),
        _of_sites,
    ),
)


_MADE_OF = (
    MadeOf(_BASE, _BASE, "its predecessor", {"device_id": "predecessor_device_id"}),
    MadeOf(_BASE, "s7_merchant_life_5A", "life of its merchant", {"merchant_id": "primary_merchant_id"}),
    MadeOf(_LINKS, _BASE, "its device", {"device_id": "device_id"}),
    MadeOf(_TOKENS, _BASE, "its device", {"device_id": "device_id"}),
    MadeOf(_TOKENS, "s3_instrument_base_6A", "its card", {"instrument_id": "instrument_id"}),
    MadeOf(
        "s4_device_summary_6A",
        _BASE,
        "the devices",
        {"home_country_iso": "country_iso", "device_type": "device_type"},
    ),
    MadeOf("s4_place_summary_6A", "s1_party_base_6A", "the parties", {"country_iso": "country_iso"}),
    MadeOf("s4_place_summary_6A", _BASE, "the devices", {"home_country_iso": "country_iso"}),
)

EXPLAINED = Explained(_DRAWS, _MADE_OF, (Told(_BASE, _share),))
