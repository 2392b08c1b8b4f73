"""A few hundred mutants in every run of the tests; `fuzz.py` and `atheris_door.py` go on by the hundred thousand."""

import io

import pytest
from fuzz import judge
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutations import SOUND, mutant

import fredfmt

NUMBERS = st.integers(min_value=0, max_value=2**64)


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(NUMBERS)
def test_a_mutant_gives_the_same_data_or_one_error(tmp_path_factory, number):
    assert judge(mutant(number), tmp_path_factory.getbasetemp() / "mutant.fred.zarr") in ("refused", "same", "other")


def test_mutants_repeat():
    assert [mutant(number) for number in range(50)] == [mutant(number) for number in range(50)]


@pytest.mark.parametrize("number", [96_566, 1_000_036, 1_002_391, 1_003_978])
def test_what_is_damaged_already_can_be_mutated_again(number):
    assert "stream" in mutant(number).mutations


def test_mutants_of_every_container():
    kinds = {type(content) if isinstance(content, dict) else content[:2] for content, _ in SOUND}
    assert kinds == {dict, b"PK", b"fr"}


def test_mutated_streams_reach_the_coder_behind_its_checksums(tmp_path):
    """Some are refused by it, some are sound files of other data."""
    awaited = {"FRED-506", "other"}
    for case in (case for case in map(mutant, range(4000)) if case.mutations[-1:] == ("stream",)):
        awaited.discard(judge(case, tmp_path / "mutant.fred.zarr"))
        awaited -= rules_of(case)
        if not awaited:
            return
    raise AssertionError(f"not met: {awaited}")


def rules_of(case):
    """The rules that a mutant of a file breaks."""
    if isinstance(case.content, dict):
        return set()
    return {finding.rule for finding in fredfmt.validate(io.BytesIO(case.content)).findings}
