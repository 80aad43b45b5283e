"""Numbered sets: each lint rule has a violation that turns exactly it red."""

from __future__ import annotations

import pytest
from contracts_folder import Facts, Folder

from sim.shell.contracts.config import config_folder
from sim.shell.contracts.lint import lint
from sim.shell.contracts.load import load_contracts

DICTIONARY, SCHEMAS = "contracts/layer1/1A/dictionary.yaml", "contracts/layer1/1A/schemas.yaml"
COLUMNS = "contracts/columns.yaml"
ID = "shop_id: {type: id, set: shop,"
SHOP = "primary_key: [shop_id]\n"
NUMBERS = SHOP + "    numbers: [{set: shop, column: shop_id, by: country_iso}]\n"
TILL, OTHER = (
    "{use: shop_id}\n      - {name: till_no",
    "{name: shop_id, type: id, description: x}\n      - {name: till_no",
)
BLIND = "    blind: [{id: shop_id, to: [country_iso, rows]}]\n"


@pytest.fixture
def numbered(folder: Folder) -> Folder:
    folder.replace(COLUMNS, "shop_id: {type: uint64,", ID)
    folder.replace(SCHEMAS, "{use: shop_id, minimum: 1}", "{use: shop_id}")
    folder.replace(DICTIONARY, SHOP, NUMBERS + BLIND)
    return folder


def found(folder: Folder, states: tuple[Facts, ...]) -> list[str]:
    return list(lint(load_contracts(folder.contracts), config_folder(folder.config), states).rows())


def test_clean(numbered: Folder, states: tuple[Facts, ...]) -> None:
    assert found(numbered, states) == []
    dataset = load_contracts(numbered.contracts).dataset("shop")
    assert dataset.numbered and dataset.numbers[0].by == "country_iso"
    assert dataset.blind[0].to == ("country_iso", "rows")


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        (DICTIONARY, NUMBERS, SHOP, "No dataset numbers the set shop"),
        (DICTIONARY, "column: shop_id, by", "column: shop, by", "shop cannot number shop"),
        (DICTIONARY, "{set: shop, column", "{set: till, column", "shop cannot number till"),
        (DICTIONARY, "by: country_iso", "by: country", "no such blocks of shop"),
        (DICTIONARY, "[shop_id, till_no]\n", "[till_no, shop_id]\n", "sorted by a number too late"),
        (DICTIONARY, "{id: shop_id, to", "{id: country_iso, to", "shop has no such id"),
        (DICTIONARY, "to: [country_iso, rows]", "to: [region, rows]", "cannot be blind to it"),
        (
            DICTIONARY,
            "[shop_id, till_no]\n",
            "[shop_id, till_no]\n    numbers: [{set: shop, column: shop_id}]\n",
            "The set shop is numbered twice",
        ),
        (
            DICTIONARY,
            "[shop_id, till_no]\n",
            "[shop_id, till_no]\n    blind: [{id: shop_id, to: [colour]}]\n",
            "till cannot be blind to it",
        ),
        (SCHEMAS, TILL, OTHER, "refers across sets"),
    ],
)  # fmt: skip
def test_rule(numbered: Folder, states: tuple[Facts, ...], file: str, old: str, new: str, words: str) -> None:
    numbered.replace(file, old, new)
    assert any(words in what for what in found(numbered, states)), found(numbered, states)


def test_only_ids_number_a_set(numbered: Folder, states: tuple[Facts, ...]) -> None:
    from sim.ground.errors import ContractError

    numbered.replace(COLUMNS, ID, ID.replace("type: id", "type: uint64"))
    with pytest.raises(ContractError):
        load_contracts(numbered.contracts)
