"""Refusals when the host's memory runs out: what they say, and what would help."""

from __future__ import annotations

from sim.executors import MemoryBudget, MemoryLimitPassed
from sim.ground.errors import StorageError
from sim.state.context import Context
from sim.state.program import Program

OUT_OF_MEMORY = "SHELL.OUT_OF_MEMORY"
_KEPT = "finished partitions are kept"
_MIB = 1 << 20


def ran_out(state: str, part: str, found: str, where: str, do: str) -> StorageError:
    """The refusal for a partition that ran out of memory."""
    return StorageError(
        OUT_OF_MEMORY,
        f"memory ran out while computing partition {part} of {state}",
        found=found or "allocation refused",
        where=where,
        do=do,
    )


def help_alone(program: Program, ctx: Context) -> str:
    """What helps when a partition ran out of memory though no other was beside it in its process."""
    return (
        f"run again in more memory{smaller_partitions(program, ctx)}; it ran alone, so fewer --workers do "
        f"not help: {_KEPT}"
    )


def help_for_workers(threads: int) -> str:
    """What helps when a worker process runs out of memory.

    Args:
        threads: `Executor.threads`.
    """
    if threads > 1:
        return f"run again with --workers {threads // 2}, or in more memory: {_KEPT}"
    return f"give {'the worker' if threads else 'workers'} more memory, then run again: {_KEPT}"


def smaller_partitions(program: Program, ctx: Context) -> str:
    """The words ", or ..." naming the setting that makes a state's partitions smaller.

    Nothing if it has none.
    """
    packs = {pack: getattr(ctx.params, pack) for pack in program.state.config}
    settings = [
        f"{pack}.{key}" for pack, params in packs.items() for key in params if key.endswith("_a_partition")
    ]
    return f", or smaller partitions (--set {settings[0]}=..., which names another world)" if settings else ""


def limit_passed(state: str, part: str | None, error: MemoryLimitPassed) -> StorageError:
    """The refusal when the process took more than `--memory-limit`; `part` is None outside partitions."""
    enough = -(-error.peak * 11 // 10 // _MIB)
    fewer = f"--workers {error.together - 1}, or with " if error.together > 1 else ""
    beside = (
        f", {error.together} partitions in flight"
        if error.together > 1
        else ", one partition in flight"
        if error.together
        else ""
    )
    return StorageError(
        "SHELL.MEMORY_LIMIT_PASSED",
        (
            f"{f'partition {part} of {state}' if part else f'{state}, outside its partitions,'} took more "
            "memory than --memory-limit allows"
        ),
        found=f"{error.peak:,} bytes resident at the highest{beside}",
        expected=f"at most {error.limit:,} bytes",
        do=f"run again with {fewer}--memory-limit {enough}MiB: {_KEPT}",
    )


def stay_within(budget: MemoryBudget | None, state: str) -> None:
    """Compare the peak so far with the limit, if there is one.

    Raises:
        StorageError: `SHELL.MEMORY_LIMIT_PASSED`.
    """
    try:
        if budget is not None:
            budget.hold()
    except MemoryLimitPassed as error:
        raise limit_passed(state, None, error) from error
