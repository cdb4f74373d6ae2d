"""The table in docs/gates.md is that of the shipped profiles: made again when gates or suites change."""

import pytest

from benchmarks.gates import BEGIN, DOCUMENT, END, PROFILES, benches, shape
from loop.gates.power import WORTHS, chances

AGAIN = "docs/gates.md is out of date. Make its table again: python -m benchmarks.gates --write"


@pytest.fixture(scope="module")
def written():
    text = DOCUMENT.read_text(encoding="utf-8")
    return text[text.index(BEGIN) : text.index(END)]


@pytest.mark.parametrize("profile", PROFILES)
def test_the_table_is_of_the_shipped_gates_and_suites(written, profile):
    assert f"`{profile}` (`{shape(benches(profile))}`)" in written, AGAIN


def rows(table):
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if "|" in line]
    return {first: rest for first, *rest in cells}


@pytest.mark.parametrize("profile", PROFILES)
def test_its_figures_come_out_again(written, profile):
    found = rows(written)
    for each in chances(benches(profile), runs=400, seed=77):
        share, plays = found[each.worth][2 * PROFILES.index(profile) :][:2]
        assert float(share.removesuffix(" %")) / 100 == pytest.approx(each.promoted, abs=0.1), AGAIN
        assert float(plays.split()[0]) == pytest.approx(each.plays, rel=0.25), AGAIN
    assert {worth.name for worth in WORTHS} < found.keys()
