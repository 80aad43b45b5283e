"""Configuration keyed by terms of a vocabulary, refused before a state runs if it is incomplete.

Every term must be known, none may be missing, and a mix must have the right sum.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from sim.state.context import Context
from sim.state.declaration import Needs
from sim.state.frames import Array
from sim.state.refuse import Fault, refuse, refuse_any

WHOLE = 10_000
"""Shares of a mix are in ten-thousandths."""

COUNTRY_TERMS_NEEDS = Needs(reference=("countries",))


def entry(values: Any, term: str, default: Any) -> Any:
    """Value of a term in a map of the configuration, or the default."""
    return values[term] if term in values else default  # noqa: SIM401 - `Params` has no `get`, lest a typo read a default


def require_terms(
    ctx: Context,
    found: Iterable[str],
    expected: Iterable[str],
    where: str,
    vocabulary: str,
    complete: bool = True,
) -> None:
    """Refuse keys or values that are not the expected terms of a vocabulary.

    Args:
        ctx: Context.
        found: Terms of the configuration.
        expected: Terms that are allowed there.
        where: Key of the configuration, `<pack>.<key>`.
        vocabulary: Name of the vocabulary, for the message.
        complete: Whether every expected term must be there.

    Raises:
        ContractError: `<state>.VOCABULARY_MISMATCH`.
    """
    have, right = list(found), list(expected)
    faults = [
        Fault(f"{where}.{term}", f"{term!r} is not one of {', '.join(right)}")
        for term in have
        if term not in right
    ]
    faults += [Fault(where, f"{term!r} is missing") for term in right if complete and term not in have]
    what = f"{where} does not use the terms of vocabulary {vocabulary}."
    refuse_any(ctx, "VOCABULARY_MISMATCH", what, faults, do="correct the term there, or in the vocabulary")


def shares(
    ctx: Context,
    vocabulary: str,
    mix: Mapping[str, int] | Any,
    where: str,
    allowed: Iterable[str] | None = None,
) -> Array:
    """Shares in ten-thousandths by code of a vocabulary: uint64.

    Args:
        ctx: Context.
        vocabulary: Its name.
        mix: Shares by term; a missing term has share 0.
        where: Key of the configuration, `<pack>.<key>`.
        allowed: Terms that may occur, all of the vocabulary when None.

    Raises:
        ContractError: Unknown terms, or `<state>.MIX_INCOMPLETE`: shares that do not sum to ten thousand.
    """
    terms = ctx.vocabulary(vocabulary)
    require_terms(ctx, mix, terms if allowed is None else allowed, where, vocabulary, complete=False)
    total = sum(mix[term] for term in mix)
    faults = [] if total == WHOLE else [Fault(where, f"{where} sums to {total}")]
    refuse_any(ctx, "MIX_INCOMPLETE", f"Shares must sum to {WHOLE}.", faults, do="correct the shares")
    return np.array([entry(mix, term, 0) for term in terms], dtype=np.uint64)


def shares_by_region(
    ctx: Context, vocabulary: str, mixes: Any, where: str, allowed: Iterable[str] | None = None
) -> Array:
    """`shares` of every region: uint64, regions x terms."""
    regions = ctx.vocabulary("region")
    require_terms(ctx, mixes, regions, where, "region")
    terms = None if allowed is None else list(allowed)
    return np.stack(
        [shares(ctx, vocabulary, mixes[region], f"{where}.{region}", terms) for region in regions]
    )


def region_of_country(ctx: Context) -> Array:
    """Region code of each country code: int16.

    Raises:
        ContractError: `<state>.REGION_UNKNOWN`: a region of the snapshot outside the vocabulary.
    """
    regions = ctx.vocabulary("region")
    table = ctx.reference("countries")
    strangers = sorted(set(table.region.tolist()) - set(regions))
    if strangers:
        what, do = (
            "A country's region is not in vocabulary region.",
            "add the region to the vocabulary and to every prior by region",
        )
        at = "segmentation_prior_6A.party_type_mix"
        refuse(ctx, "REGION_UNKNOWN", what, at=at, examples=strangers, total=len(strangers), do=do)
    codes = np.zeros(len(ctx.vocabulary("country")), dtype=np.int16)
    codes[table.country_iso] = np.array(
        [regions.index(name) for name in table.region.tolist()], dtype=np.int16
    )
    return codes


def currency_of_country(ctx: Context) -> Array:
    """Currency code of each country code: int16."""
    place = {name: code for code, name in enumerate(ctx.vocabulary("currency"))}
    table = ctx.reference("countries")
    codes = np.zeros(len(ctx.vocabulary("country")), dtype=np.int16)
    codes[table.country_iso] = np.array([place[name] for name in table.currency.tolist()], dtype=np.int16)
    return codes


def by_term(ctx: Context, vocabulary: str, values: Mapping[str, Any] | Any, where: str) -> list[Any]:
    """Values of a complete map in the order of a vocabulary's codes."""
    terms = ctx.vocabulary(vocabulary)
    require_terms(ctx, values, terms, where, vocabulary)
    return [values[term] for term in terms]
