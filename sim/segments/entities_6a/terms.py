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
"""Mixes are parts of ten thousand."""

COUNTRY_TERMS_NEEDS = Needs(reference=("countries",))
SEGMENT_TYPES_NEEDS = Needs(config=("party_taxonomy_6A",))


def entry(values: Any, word: str, default: Any) -> Any:
    """What a map of the configuration says of a word, or the default."""
    return values[word] if word in values else default  # noqa: SIM401 - `Params` has no `get`, lest a typo read a default


def require_words(
    ctx: Context,
    found: Iterable[str],
    expected: Iterable[str],
    where: str,
    vocabulary: str,
    complete: bool = True,
) -> None:
    """Refuse keys or values that are not the expected words of a vocabulary.

    Args:
        ctx: Context.
        found: Words of the configuration.
        expected: Words that are right there.
        where: Key of the configuration, `<pack>.<key>`.
        vocabulary: Name of the vocabulary, for the message.
        complete: Whether every expected word must be there.

    Raises:
        ContractError: `<state>.VOCABULARY_MISMATCH`.
    """
    have, right = list(found), list(expected)
    faults = [
        Fault(f"{where}.{word}", f"{word!r} is not one of {', '.join(right)}")
        for word in have
        if word not in right
    ]
    faults += [Fault(where, f"{word!r} is missing") for word in right if complete and word not in have]
    what = f"{where} does not use the words of vocabulary {vocabulary}."
    refuse_any(ctx, "VOCABULARY_MISMATCH", what, faults, do="correct the word there, or in the vocabulary")


def parts(
    ctx: Context,
    vocabulary: str,
    mix: Mapping[str, int] | Any,
    where: str,
    allowed: Iterable[str] | None = None,
) -> Array:
    """Parts of ten thousand by code of a vocabulary: uint64.

    Args:
        ctx: Context.
        vocabulary: Its name.
        mix: Parts by word; words left out have none.
        where: Key of the configuration, `<pack>.<key>`.
        allowed: Words that may occur, all of the vocabulary when None.

    Raises:
        ContractError: Unknown words, or `<state>.MIX_INCOMPLETE`: parts that do not sum to ten thousand.
    """
    words = ctx.vocabulary(vocabulary)
    require_words(ctx, mix, words if allowed is None else allowed, where, vocabulary, complete=False)
    total = sum(mix[word] for word in mix)
    faults = [] if total == WHOLE else [Fault(where, f"{where} sums to {total}")]
    refuse_any(ctx, "MIX_INCOMPLETE", f"Parts must sum to {WHOLE}.", faults, do="correct the parts")
    return np.array([entry(mix, word, 0) for word in words], dtype=np.uint64)


def parts_by_region(
    ctx: Context, vocabulary: str, mixes: Any, where: str, allowed: Iterable[str] | None = None
) -> Array:
    """`parts` of every region: uint64, regions x words."""
    regions = ctx.vocabulary("region")
    require_words(ctx, mixes, regions, where, "region")
    words = None if allowed is None else list(allowed)
    return np.stack([parts(ctx, vocabulary, mixes[region], f"{where}.{region}", words) for region in regions])


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


def segment_types(ctx: Context) -> Array:
    """Party type code of each segment code: int16."""
    segments = ctx.params.party_taxonomy_6A.segments
    names = ctx.vocabulary("segment")
    require_words(ctx, segments, names, "party_taxonomy_6A.segments", "segment")
    types = ctx.vocabulary("party_type")
    for name in names:
        require_words(
            ctx,
            [segments[name].party_type],
            types,
            f"party_taxonomy_6A.segments.{name}.party_type",
            "party_type",
            False,
        )
    return np.array([types.index(segments[name].party_type) for name in names], dtype=np.int16)


def by_word(ctx: Context, vocabulary: str, values: Mapping[str, Any] | Any, where: str) -> list[Any]:
    """Values of a complete map in the order of a vocabulary's codes."""
    words = ctx.vocabulary(vocabulary)
    require_words(ctx, values, words, where, vocabulary)
    return [values[word] for word in words]
