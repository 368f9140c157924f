"""A short soak catches an engine with one broken line, and each line to break still exists."""

import pytest

from tests.reliability.mutants import MUTANTS, PACKAGE, ROOT, Mutant, changed, outcome


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_each_mutant_changes_the_current_code(mutant: Mutant) -> None:
    assert changed(mutant) != (ROOT / PACKAGE / mutant.file).read_text()


@pytest.mark.parametrize("name", ["an overflow swallowed", "a gap of both lines kept from readers"])
def test_a_mutant_is_caught(name: str) -> None:
    """Try two that need no compiler; ``make mutants`` tries all."""
    (mutant,) = (each for each in MUTANTS if each.name == name)
    assert "of seed" in outcome(mutant)
