"""Foreign input of every kind is taken or refused cleanly: a regression corpus, mutations, hypothesis, and
atheris in the slow tier.
"""

from __future__ import annotations

import json
import os
import random
import re
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.trust import fuzzing
from tests.trust.others import installed
from tests.work import PATIENCE_S

JSON_TARGETS = ("flag", "manifest", "index", "receipt", "staged")
ROUNDS = {"index": 150, "receipt": 150, "contract": 60, "merchants_parquet": 150}

CORPUS: dict[str, list[bytes]] = {
    "yaml_file": [
        *(
            b"",
            b"\0",
            b"[" * 200_000,
            b"a: &a [*a]",
            b"!!python/object/apply:os.system [id]",
            b"? [a]\n: b",
            b"a: 1\na: 2",
            b"\xff\xfe",
        ),
        *(
            b"'\\",
            b'"\\UFFFFFFFF"',
            b"%YAML 1.1\n---\na",
            b"a: " + b"9" * 5000,
            b"- " * 5000,
            b"{" * 70,
            b"\xef\xbb\xbfa: 1",
            b"a:\tb",
        ),
        b"x" * 1_000_001,
    ],
    "contract": [
        *(b"\0", b"\1[]", b"\2$id: 3", b"\3streams: 7", b"\4a: {}"),
        b"\0$id: closedworld:layer1/1A/schemas\ntables: []\ndocuments: 3\n",
    ],
    "flag": [b"", b"{}", b"null", b"[" * 100_000, b'{"format": "bundle-v4"}', b"9" * 10_000],
    "manifest": [
        b'{"format": "state-v3"}',
        b'{"format": "state-v3", "format": "state-v3"}',
        b'{"format": ["state-v3"]}',
        b'{"format": {"a": 1}}',
    ],
    "index": [
        *(b'{"format": "bundle-v4"}', b'{"format": "bundle-v4", "datasets": {}}'),
        b'{"format":"bundle-v4","a":' + b"[" * 900 + b"]" * 900 + b"}",
    ],
    "receipt": [
        b'{"format": "run-receipt-v2"}',
        b'{"format": "run-receipt-v2", "seed": 1e400}',
        b'{"format": "run-receipt-v2", "parameters": NaN}',
    ],
    "staged": [
        b"",
        b"{}",
        b"[]",
        b'{"files": {"a": {}}}',
        b'{"files": {"items": 3}}',
        b"[" * 100_000,
        b'{"files": {}, "ledger": [3]}',
    ],
    "merchants_csv": [
        *(b"", b"\0", b"\xff", b"a,b\n", b'"' * 1001),
        b'merchant_id,mcc,channel,country\n"' + b"x" * 200_000 + b'",1,a,b\n',
    ],
    "merchants_parquet": [b"", b"PAR1", b"PAR1" + b"\xff" * 100 + b"PAR1", b"PAR1\0\0\0\0PAR1"],
}


def feed(target: str, data: bytes) -> bool:
    """One input, to its end."""
    return fuzzing.call(target, data)


@pytest.mark.parametrize("target", fuzzing.TARGETS)
@pytest.mark.promise(
    "P23",
    "known nasty input of every reader is refused by name",
    faults="YAML bombs, deep nesting, NaN, huge numbers, NUL",
    cases=6,
)
def test_corpus(target: str) -> None:
    assert all(feed(target, data) for data in fuzzing.seeds(target)[:1])
    for data in CORPUS[target]:
        if target != "yaml_file":
            assert not feed(target, data) or target == "staged", data[:100]
        else:
            feed(target, data)


P23 = "anything fed to a reader is taken or refused cleanly, within two seconds and without another exception"


def storm(target: str, rounds: int, seed: int) -> int:
    """Mutations of good input; how many were refused."""
    print(f"seed {seed}")
    rng, good = random.Random(seed), fuzzing.seeds(target)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused = 0
    for number in range(rounds):
        kind = fuzzing.json_mutated if target in JSON_TARGETS and number % 2 else fuzzing.mutated
        data = kind(good[number % len(good)], rng)
        try:
            refused += not feed(target, data)
        except BaseException:
            print(f"target {target}, input {data!r}")
            raise
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400_000, "more than 400 MB of memory"
    return refused


@pytest.mark.parametrize("target", fuzzing.TARGETS)
@pytest.mark.promise("P23", P23, faults="mutations of good input, printed seed", cases=150)
def test_mutations(target: str, record_property: Callable[..., None]) -> None:
    rounds = ROUNDS.get(target, 300)
    assert storm(target, rounds, random.SystemRandom().randrange(2**32)) >= rounds // 4 or target == "staged"


@pytest.mark.slow
@pytest.mark.parametrize("target", fuzzing.TARGETS)
@pytest.mark.promise("P23", P23, faults="mutations of good input, printed seed", cases=2000)
def test_many_mutations(target: str) -> None:
    storm(target, 2000, random.SystemRandom().randrange(2**32))


texts = st.text(st.sampled_from("ab01 -:#[]{}&*!|>'\"%@`,?\n\t\\~.eE+_<="), max_size=60)


@given(
    st.one_of(
        texts.map(str.encode),
        st.binary(max_size=80),
        st.text(max_size=40).map(lambda text: text.encode("utf-8", "surrogatepass")),
    )
)
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
@pytest.mark.promise(
    "P23", "any text is a YAML document or refused with file, line and column", faults="hypothesis", cases=300
)
def test_any_text_as_yaml(data: bytes) -> None:
    feed("yaml_file", data)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
@pytest.mark.promise(
    "P23", "any JSON value in any field is taken or refused cleanly", faults="hypothesis", cases=150
)
def test_any_value_in_any_field(data: st.DataObject) -> None:
    target = data.draw(st.sampled_from(("index", "receipt", "manifest")))
    document = json.loads(fuzzing.seeds(target)[0])
    document[data.draw(st.sampled_from(sorted(document)))] = data.draw(values)
    feed(target, json.dumps(document).encode("utf-8", "surrogatepass"))


@pytest.mark.slow
@pytest.mark.parametrize("target", fuzzing.TARGETS)
@pytest.mark.promise("P23", P23, faults="atheris, coverage-guided, 33 s a target (five minutes in all)")
def test_atheris(target: str, record_property: Callable[..., None]) -> None:
    path = installed("atheris==3.0.0")
    command = [sys.executable, str(Path(fuzzing.__file__)), target, "33"]
    env = {**os.environ, "PYTHONPATH": f"{path}:{fuzzing.ROOT}"}
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, (done.stdout[-2000:], done.stderr[-4000:])
    units = re.search(r"number_of_executed_units:\s*(\d+)", done.stderr)
    assert units and int(units[1]) > 50, done.stderr[-1000:]
    record_property("cases", int(units[1]))
