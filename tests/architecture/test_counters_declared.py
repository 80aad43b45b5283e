"""Every declared counter of the model is counted and read, and nothing else is: no run has to find out."""

from __future__ import annotations

import ast

import pytest

from sim.segments import SEGMENTS
from tests.architecture import counted

TEXTS = counted.sources()
SITES, AUDIT = "sim.segments.sites_1b.s1_locations", "sim.segments.merchants_1a.s3_audit"
PICKS, ROLES = "sim.segments.arrivals_5b.pick_checks", "sim.segments.entities_6a.s7_audit.roles"


def test_every_counter_is_declared_counted_and_read() -> None:
    assert counted.Text(TEXTS).faults() == []


def test_the_text_is_that_of_every_state() -> None:
    """What is read from the text is what the states declare when they run."""
    text = counted.Text(TEXTS)
    programs = [program for segment in SEGMENTS for program in segment.programs]
    declared = {
        program.state.id: {
            f"{cls.__module__}.{cls.__name__}": set(cls.declared) for cls in program.state.counts
        }
        for program in programs
    }
    modules = {
        program.state.id: program.compute.__module__ for program in programs if program.compute is not None
    }
    assert set(modules.values()) == set(text.states) and len(modules) == len(programs)
    for state, classes in declared.items():
        found = {
            f"{thing.module}.{thing.name}": {field.name for field in text.counters[thing]}
            for thing in text.states[modules[state]]
        }
        assert found == classes, state
    assert sum(len(names) for classes in declared.values() for names in classes.values()) > 200


def test_no_counter_goes_by_a_text() -> None:
    """`ctx.count` takes declared counters, totals have attributes: no name is put together at run time."""
    for module, text in TEXTS.items():
        classes = {thing.name for thing in counted.Text({module: text}).counters}
        for node in ast.walk(ast.parse(text)):
            if not isinstance(node, ast.Call):
                continue
            at = f"{module}:{node.lineno}"
            if isinstance(node.func, ast.Attribute) and node.func.attr == "count" and len(node.args) == 2:
                assert not isinstance(node.args[0], ast.Constant | ast.JoinedStr), at
            if isinstance(node.func, ast.Name) and node.func.id in ("getattr", "setattr", "vars"):
                assert not {part.id for part in ast.walk(node) if isinstance(part, ast.Name)} & {
                    "seen",
                    "totals",
                    *classes,
                }, at


NEVER_COUNTED, NEVER_READ = "is declared and never counted", "is declared and never read"
COUNTED, READ = "is counted and not declared", "is read and not declared"
PLANTED = [
    (
        AUDIT,
        "    repeated = Scalar()\n",
        "    repeated = twice = Scalar()\n",
        [f"Counts.twice {NEVER_COUNTED}", f"Counts.twice {NEVER_READ}"],
    ),
    (AUDIT, "ctx.count(Counts.repeated, ", "print(", [f"Counts.repeated {NEVER_COUNTED}"]),
    (AUDIT, "seen.outlets", "rows", [f"Counts.outlets {NEVER_READ}"]),
    (AUDIT, "    repeated = Scalar()\n", "", [f"Counts.repeated {COUNTED}", f"Counts.repeated {READ}"]),
    (
        AUDIT,
        "counts=(Counts,)",
        "counts=()",
        ["no state lists Counts in counts"]
        + [f"Counts.{name} {what}" for what in (COUNTED, READ) for name in ("outlets", "repeated")],
    ),
    (
        SITES,
        "seen.drawn_by_band",
        "seen.drawn_by",
        [f"Counts.drawn_by_band {NEVER_READ}", f"Counts.drawn_by {READ}"],
    ),
    (
        SITES,
        "Counts.drawn_by_band,",
        "Counts.drawn,",
        [f"Counts.drawn_by_band {NEVER_COUNTED}", f"Counts.drawn {COUNTED}"],
    ),
    (PICKS, "seen.freedom[name]", "7", [f"ChiSquareCounts.freedom {NEVER_READ}"]),
    (PICKS, "seen.coin_expected", "seen.coin_variance", [f"CoinCounts.coin_expected {NEVER_READ}"]),
    (
        ROLES,
        "_FAULTS = AuditCounts.faults\n",
        "_FAULTS = AuditCounts.fault\n",
        [f"AuditCounts.fault {COUNTED}"],
    ),
]


@pytest.mark.parametrize(("module", "old", "new", "faults"), PLANTED)
def test_what_is_forgotten_or_misspelt_is_named(module: str, old: str, new: str, faults: list[str]) -> None:
    assert old in TEXTS[module]
    found = counted.Text({**TEXTS, module: TEXTS[module].replace(old, new)}).faults()
    assert [line.split(": ", 1)[1] for line in found] == faults
