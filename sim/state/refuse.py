"""How the model refuses: from a state, a configuration key and a message, an error with file and line.

A key is written as `--set` takes it: `<pack>.<key>.<key>`, e.g. `arrival_count_config_5B.largest_mean`. The
resolved configuration knows where its value is written - the file under any `--config DIR`, a preset, or
`--set` -, so a state never names a path.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from sim.ground.errors import ContractError, SimError
from sim.state.params import Params, place_of

if TYPE_CHECKING:
    from sim.state.context import Context


class Fault(NamedTuple):
    """One thing that is wrong with the configuration.

    Attributes:
        at: The key that says it, `<pack>.<key>`.
        what: What is wrong.
    """

    at: str
    what: str


def refuse(
    by: Context | str,
    name: str,
    what: str,
    *,
    at: str | Sequence[str] = (),
    found: str = "",
    expected: str = "",
    do: str = "",
    examples: Sequence[str] = (),
    total: int | None = None,
    pack: Params | None = None,
    error: type[SimError] = ContractError,
) -> NoReturn:
    """Refuse what a state cannot do.

    Args:
        by: Context of the state that refuses; its id in recipes that have no context.
        name: Last part of the error's code, which begins with the state's id.
        what: One sentence saying what cannot be done.
        at: Key or keys of the configuration that decide it, each `<pack>.<key>`; none where rows and not the
            configuration are wrong.
        found: What was there.
        expected: What should have been there.
        do: What to do next.
        examples: Offending items, the first few.
        total: How many items offend.
        pack: The pack of `at`, in recipes that have no context.
        error: Class of the error, which is the exit code.

    Raises:
        SimError: `error`, always.
    """
    keys = [at] if isinstance(at, str) else at
    where = ", ".join(_place(by, key, pack) for key in keys)
    state = by if isinstance(by, str) else by.state.id
    raise error(f"{state}.{name}", what, found, expected, where, do, examples, total)


def refuse_any(
    ctx: Context, name: str, what: str, faults: Iterable[Fault], *, expected: str = "", do: str = ""
) -> None:
    """Refuse a configuration with faults, each with its place; return if there are none.

    Args:
        ctx: Context of the state that refuses.
        name: Last part of the error's code.
        what: One sentence saying what is wrong with the configuration.
        faults: What is wrong.
        expected: What should have been there.
        do: What to do next.

    Raises:
        ContractError: If there is a fault; its `where` is the place of the first.
    """
    listed = list(faults)
    if listed:
        examples = [f"{fault.what} [{_place(ctx, fault.at, None)}]" for fault in listed]
        refuse(
            ctx, name, what, at=listed[0].at, expected=expected, do=do, examples=examples, total=len(listed)
        )


def _place(by: Context | str, key: str, pack: Params | None) -> str:
    """The place of a key, and the key itself where the place does not name it."""
    name, _, below = key.partition(".")
    place = (
        place_of(pack, below)
        if pack is not None
        else ""
        if isinstance(by, str)
        else by.params.place(name, below)
    )
    if not place:
        return key
    return place if key in place else f"{place} ({key})"
