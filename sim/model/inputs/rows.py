"""Rows of a merchants file, cell by cell: values, agreement of a merchant's rows, and every bad value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from sim.ground.errors import EXAMPLE_LIMIT, ContractError
from sim.ground.hints import code_hint
from sim.model.inputs import values as cells
from sim.model.inputs.raw import CODE
from sim.state.model import Facts

REQUIRED = ("merchant_id", "mcc", "channel", "country")
PLACE = ("outlet_country", "lat", "lon")
ABOUT = ("name", "weekly_volume", "ticket_median", "open_from", "open_to")
OPTIONAL = PLACE + ABOUT
LARGEST_AMOUNT = 1_000_000_000
_KEPT_PROBLEMS = 1_000_000
_MIDNIGHT = 24 * 60
_MUST_AGREE = ("mcc", "channel", "country")
_VOCABULARIES = {"channel": "channel", "country": "country", "outlet_country": "country"}
Row = tuple[int, int | None, int | None, int | None]
_PAIRS = (("lat", "lon", "both or neither"), ("open_from", "open_to", "both or neither, and different"))


@dataclass(frozen=True)
class MerchantsForm:
    """How a merchants file is to be read.

    Attributes:
        decimal_comma: Numbers in text have a comma before their decimals.
        unknown_mcc: Demand class of merchants whose MCC the taxonomy does not list; None refuses them.
    """

    decimal_comma: bool = False
    unknown_mcc: str | None = None


@dataclass
class Known:
    """What values may be: codes by word, and what people write for them."""

    facts: Facts

    @property
    def vocabularies(self) -> Mapping[str, tuple[str, ...]]:
        """Sealed lists by name, in code order."""
        return self.facts.vocabularies

    @cached_property
    def countries(self) -> Mapping[str, str]:
        """Alpha-3 codes and English names of the reference snapshot, in lower case -> alpha-2 code."""
        texts = self.facts.reference.texts
        codes = texts("countries", "country_iso")
        words = [
            (text.casefold(), code)
            for column in ("name", "iso3")
            for text, code in zip(texts("countries", column), codes, strict=True)
        ]
        return {word: code for word, code in words if word}

    @cached_property
    def codes(self) -> dict[str, dict[str, int]]:
        """Code of each word of the vocabularies a merchant uses."""
        names = ("channel", "country", "demand_class")
        return {name: {word: code for code, word in enumerate(self.vocabularies[name])} for name in names}

    @cached_property
    def mccs(self) -> dict[int, Any]:
        """Entry of the taxonomy by MCC."""
        return {int(entry.mcc): entry for entry in self.facts.params["mcc_taxonomy_1A"].mccs}

    def hint(self, vocabulary: str, value: str) -> str:
        """A hint at the value that was meant by `value`, if it is known."""
        more = self.countries if vocabulary == "country" else {}
        return code_hint(
            value,
            self.vocabularies[vocabulary],
            {**more, **self.facts.contracts.confusions.get(vocabulary, {})},
        )

    def law_mcc(self, channel: str, demand_class: str) -> int:
        """The listed MCC whose chains and online share merchants of an unlisted MCC take.

        It is the commonest MCC of the same class and channel, else of the class in any channel.
        """
        entries = self.mccs.values()
        fitting = [entry for entry in entries if entry.demand_class[channel] == demand_class]
        fitting = fitting or [
            entry for entry in entries if demand_class in (value for _, value in entry.demand_class.items())
        ]
        best = max(fitting or list(entries), key=lambda entry: (entry.share_weight, -entry.mcc))
        return int(best.mcc)


@dataclass
class Problems:
    """Values that cannot be used, as many as are kept, and how many there are."""

    path: Path
    found: list[tuple[int, str, str, str, str]] = field(default_factory=list)
    total: int = 0

    def add(self, line: int, column: str, found: object, expected: str, vocabulary: str = "") -> None:
        """Note a bad value; `vocabulary` names the list its hint may come from."""
        self.total += 1
        if len(self.found) < _KEPT_PROBLEMS:
            self.found.append((line, column, str(found)[:60], expected, vocabulary))

    def error(self, known: Known) -> ContractError:
        """The refusal: all values for programs, hints for those that people are shown."""
        texts = []
        for number, (line, column, found, expected, vocabulary) in enumerate(self.found):
            # for what is shown, and no more
            hint = known.hint(vocabulary, found) if vocabulary and number < EXAMPLE_LIMIT else ""
            shown = found.encode("unicode_escape").decode()
            texts.append(f"{self.path}:{line}  column {column}  found {shown!r}  expected {hint or expected}")
        mccs = any(column == "mcc" for _, column, *_ in self.found)
        more = (
            "; `closedworld contracts mccs` lists the MCCs, --unknown-mcc CLASS takes others" if mccs else ""
        )
        return ContractError(
            CODE,
            f"{self.total} value(s) of the merchants file cannot be used",
            examples=texts,
            total=self.total,
            where=str(self.path),
            do=(
                "correct the lines above; `closedworld contracts show merchants_input_1A` prints what each "
                f"column may hold{more}"
            ),
            all_examples=True,
        )


class Merchants:
    """Rows understood so far, and what their merchants are.

    Attributes:
        rows: id, outlet country, latitude, longitude (microdegrees) of each row, None where open.
        merchants: What the rows say of each merchant, by id.
    """

    def __init__(self, known: Known, form: MerchantsForm, problems: Problems) -> None:
        self.known, self.form, self.problems = known, form, problems
        self.rows: list[Row] = []
        self.merchants: dict[int, dict[str, Any]] = {}
        self._first_line: dict[int, int] = {}
        comma, channels, countries = form.decimal_comma, known.codes["channel"], known.codes["country"]
        one_of, alpha2 = f"one of {', '.join(channels)}", "an ISO 3166-1 alpha-2 code, as DE"
        self._read: dict[str, Callable[[Any], Any]] = {
            "merchant_id": lambda value: cells.key(value, comma),
            "mcc": self._mcc,
            "channel": lambda value: cells.coded(value, channels, one_of),
            "country": lambda value: cells.coded(value, countries, alpha2),
            "outlet_country": lambda value: cells.coded(value, countries, alpha2),
            "lat": lambda value: cells.microdegrees(value, 90, comma),
            "lon": lambda value: cells.microdegrees(value, 180, comma),
            "name": cells.text,
            "weekly_volume": lambda value: cells.amount(value, LARGEST_AMOUNT, comma),
            "ticket_median": lambda value: cells.amount(value, LARGEST_AMOUNT, comma),
            "open_from": lambda value: cells.clock(value, _MIDNIGHT - 1),
            "open_to": lambda value: cells.clock(value, _MIDNIGHT),
        }

    def add(self, line: int, raw: Mapping[str, Any]) -> None:
        """Understand one row, or say what is wrong with it."""
        before = self.problems.total
        row: dict[str, Any] = dict.fromkeys(OPTIONAL)
        for column, value in raw.items():
            if value in (None, "") and column in row:
                continue
            try:
                row[column] = self._read[column](value)
            except cells.BadValue as bad:
                self.problems.add(
                    line, column, "" if value is None else value, str(bad), _VOCABULARIES.get(column, "")
                )
        for one, other, what in _PAIRS:
            blank = [raw.get(name) in (None, "") for name in (one, other)]
            if blank[0] != blank[1] or (
                one == "open_from" and row[one] is not None and row[one] == row[other]
            ):
                self.problems.add(
                    line, f"{one}/{other}", "/".join(str(raw.get(name) or "") for name in (one, other)), what
                )
        if self.problems.total > before:
            return
        number = cells.merchant_id_of(row["merchant_id"])
        if self._agrees(line, row, number):
            self.rows.append((number, row["outlet_country"], row["lat"], row["lon"]))

    def _mcc(self, value: Any) -> int:
        mcc = cells.whole(value, 0, 9999)
        if mcc not in self.known.mccs and self.form.unknown_mcc is None:
            raise cells.BadValue("an MCC of the taxonomy")
        return mcc

    def _agrees(self, line: int, row: Mapping[str, Any], number: int) -> bool:
        """Whether a row says of its merchant what earlier rows said; what they left open it may add."""
        key = row["merchant_id"]
        seen = self.merchants.setdefault(
            number, {name: row[name] for name in (*_MUST_AGREE, *ABOUT)} | {"merchant_ref": key}
        )
        first = self._first_line.setdefault(number, line)
        before = self.problems.total
        if seen["merchant_ref"] != key:
            expected = (
                f"a key whose id differs from that of {seen['merchant_ref']!r} (line {first}): both have "
                f"{number}"
            )
            self.problems.add(line, "merchant_id", key, expected)
        elif any(seen[name] != row[name] for name in _MUST_AGREE):
            self.problems.add(
                line, "/".join(_MUST_AGREE), key, f"the same values as line {first} for this merchant"
            )
        else:
            for name in ABOUT:
                if row[name] is not None and seen[name] not in (None, row[name]):
                    self.problems.add(
                        line,
                        name,
                        row[name],
                        f"{seen[name]}, as an earlier row says of this merchant, or nothing",
                    )
                seen[name] = row[name] if seen[name] is None else seen[name]
        return self.problems.total == before
