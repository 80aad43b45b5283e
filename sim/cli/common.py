"""What every command shares: where output goes, how refusals look, how a request is read from options."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from sim.cli.complete import complete_override, complete_preset, complete_run, complete_scenario
from sim.cli.streams import RESULT_NOT_WRITTEN, ReaderLeft, holds_unicode, results
from sim.ground.plain_text import clean, one_line

if TYPE_CHECKING:
    from sim.ground.errors import SimError
    from sim.shell.request.request import Prepared

PresetOption = Annotated[
    str,
    typer.Option(
        "--preset",
        "-p",
        help="Size of the world: demo, small, reference (config/presets/).",
        autocompletion=complete_preset,
    ),
]
SeedOption = Annotated[str, typer.Option("--seed", "-s", help="World seed, 0 .. 2^64 - 1.")]
ScenarioOption = Annotated[
    list[str] | None,
    typer.Option(
        "--scenario",
        help="Scenario id; repeat for several. Default: the preset's.",
        autocompletion=complete_scenario,
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="Override one config value: <artefact id>.<key>=<value>. Repeatable.",
        autocompletion=complete_override,
    ),
]
MerchantsOption = Annotated[
    Path | None,
    typer.Option("--merchants", help="Your own merchants (.csv or .parquet) instead of generated ones."),
]
DecimalCommaOption = Annotated[
    bool, typer.Option("--decimal-comma", help="Numbers in --merchants FILE have a decimal comma.")
]
UnknownMccOption = Annotated[
    str | None,
    typer.Option(
        "--unknown-mcc",
        help="Demand class of merchants in --merchants FILE whose MCC is not in the taxonomy.",
    ),
]
ContractsOption = Annotated[Path | None, typer.Option("--contracts", help="Another contracts directory.")]
ConfigOption = Annotated[Path | None, typer.Option("--config", help="Another config directory.")]
OutOption = Annotated[
    str,
    typer.Option(
        "--out",
        "-o",
        help="Directory that holds run directories, or a URL: s3://bucket/prefix, gs://, file://.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, for programs.")]


RunArgument = Annotated[
    str,
    typer.Argument(
        help="Run directory, run id or its first characters under ./runs, or a run's URL.",
        autocompletion=complete_run,
    ),
]

EXIT_INTERRUPTED = {1: 129, 2: 130, 15: 143}


@dataclass
class Settings:
    """Process-wide output settings, set once by the entry point."""

    json: bool = False
    debug: bool = False
    begun: bool = False
    """Whether part of a JSON document is on stdout: then refusals go to stderr, and the exit code says so."""


settings = Settings()


class Block(str):
    """Text of ours that holds lines, each of them clean."""


def emit(command: str, payload: dict[str, Any], text: str | Sequence[str]) -> None:
    """Write a command's result to stdout: one JSON object with `--json`, plain text otherwise.

    Args:
        command: What its schema is called.
        payload: What it answers.
        text: Lines for people. Each is made one line that drives no terminal, whatever text of a file it
            holds; only a `Block` has more.
    """
    with contextlib.suppress(ReaderLeft), results():
        if settings.json:
            sys.stdout.write(json_text({"schema": f"closedworld.{command}/1", "ok": True, **payload}))
        elif text:
            lines = [text] if isinstance(text, str) else text
            sys.stdout.write(
                "\n".join(line if isinstance(line, Block) else one_line(line) for line in lines) + "\n"
            )


def json_text(document: Any) -> str:
    """A JSON document and its line end, in characters that standard output holds and terminals ignore."""
    text = json.dumps(document, ensure_ascii=not holds_unicode())
    if text.isprintable():
        return text + "\n"
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in text) + "\n"


def table(
    headers: Sequence[str], rows: Sequence[Sequence[object]], right: frozenset[int] = frozenset()
) -> Block:
    """A plain aligned table; `right` names the columns (by position) that hold numbers."""
    return Block(Columns(headers, rows, right).begun(rows))


class Columns:
    """Columns of a plain aligned table, as wide as the rows at hand; longer cells of later rows overflow.

    Args:
        headers: Names of the columns.
        rows: Rows that decide the widths.
        right: Columns (by position) that hold numbers.
    """

    def __init__(
        self, headers: Sequence[str], rows: Sequence[Sequence[object]], right: frozenset[int] = frozenset()
    ) -> None:
        self._headers, self._right = headers, right
        cells = [[one_line(str(value)) for value in row] for row in [headers, *rows]]
        self._widths = [max(len(row[column]) for row in cells) for column in range(len(headers))]

    def begun(self, rows: Sequence[Sequence[object]]) -> str:
        """Header, rule and first rows."""
        rule = "  ".join("-" * width for width in self._widths)
        return "\n".join([self._line(self._headers), rule, *map(self._line, rows)])

    def more(self, rows: Sequence[Sequence[object]]) -> str:
        """Further rows."""
        return "\n".join(map(self._line, rows))

    def _line(self, row: Sequence[object]) -> str:
        parts = [
            text.rjust(width) if number in self._right else text.ljust(width)
            for number, (text, width) in enumerate(
                zip((one_line(str(value)) for value in row), self._widths, strict=True)
            )
        ]
        return "  ".join(parts).rstrip()


def refuse(error: SimError) -> int:
    """Print a refusal and return its exit code: text to stderr, or with `--json` one object to stdout."""
    from sim.ground.errors import StorageError

    if settings.json and not settings.begun and error.code != RESULT_NOT_WRITTEN:
        try:
            with contextlib.suppress(ReaderLeft), results():
                sys.stdout.write(
                    json_text({"schema": "closedworld.error/1", "ok": False, "error": error.as_json()})
                )
            return error.exit_code
        except StorageError:
            # it goes to stderr then; the reason of the refusal decides the exit code, not the stream that
            # could show it
            pass
    sys.stderr.write(clean(error.render()) + "\n")
    return error.exit_code


def refuse_usage(what: str) -> NoReturn:
    """Refuse a command line whose options do not fit together."""
    from sim.ground.errors import UsageError

    raise UsageError("SHELL.USAGE", what, do="closedworld --help")


def prepared_request(
    preset: str,
    seed: str,
    scenario: Sequence[str] | None,
    overrides: Sequence[str] | None,
    merchants: Path | None,
    contracts: Path | None,
    config: Path | None,
    decimal_comma: bool = False,
    unknown_mcc: str | None = None,
) -> Prepared:
    """Read the options that decide a world into a prepared (validated, hashed) request."""
    from sim.ground.errors import UsageError
    from sim.ground.paths import config_root, contracts_root
    from sim.model import MODEL
    from sim.model.inputs.merchants import merchants_input
    from sim.shell.contracts.config import parse_override
    from sim.shell.contracts.lint import prove_agreement
    from sim.shell.request.request import Request, prepare

    if not (seed.isascii() and seed.isdigit() and len(seed) <= 20):
        raise UsageError(
            "SHELL.SEED_INVALID",
            "the seed is not a whole number",
            found=seed,
            expected="0 .. 18446744073709551615",
        )
    request = Request(
        preset=preset,
        seed=int(seed),
        scenarios=tuple(scenario or ()),
        overrides=dict(parse_override(text) for text in overrides or ()),
        inputs=merchants_input(merchants, decimal_comma, unknown_mcc),
        contracts=contracts or contracts_root(),
        config=config or config_root(),
    )
    prepared = prepare(request, MODEL)
    # loads the segments: a bad config is refused before
    prove_agreement(prepared.contracts, prepared.config, MODEL.states)
    return prepared


def merchants_read(prepared: Prepared) -> dict[str, Any]:
    """What was found in the user's merchants file, as answers say it; nothing where there is none."""
    from sim.model.inputs.merchants import MERCHANTS_INPUT

    read = prepared.supplied.get(MERCHANTS_INPUT)
    return {} if read is None else {"merchants_file": dict(read.told)}


def few_people(parties: int, asked: int) -> str:
    """That the countries have too few people for the customers asked for; empty where they have enough."""
    if parties >= asked:
        return ""
    return f"{parties:,} of {asked:,} asked for: the countries have no more people, so each buys more often"


def local_out(out: str, command: str) -> Path:
    """`--out` of a command that works on local directories only."""
    from sim.objects.location import is_url

    if is_url(out):
        refuse_usage(f"{command} looks at local directories: give it the --work-dir of the run")
    return Path(out)


def invoked(program: Path, plain: str) -> str:
    """How the user calls a program again: `plain` if the shell finds it, else its path, the shorter form."""
    found = shutil.which(plain)
    try:
        if found is not None and Path(found).absolute() == program.absolute():
            return plain
        return min(str(program.absolute()), os.path.relpath(program), key=len) if program.is_file() else plain
    except OSError:  # the current directory is gone
        return plain


def default_workers() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0))
