"""A few hundred mutants in every run of the tests; `fuzz.py` and `atheris_door.py` go on by the hundred thousand."""

from fuzz import judge
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutations import SOUND, mutant

NUMBERS = st.integers(min_value=0, max_value=2**64)


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(NUMBERS)
def test_a_mutant_gives_the_same_data_or_one_error(tmp_path_factory, number):
    assert judge(mutant(number), tmp_path_factory.getbasetemp() / "mutant.fred.zarr") in ("refused", "same", "other")


def test_mutants_repeat():
    assert [mutant(number) for number in range(50)] == [mutant(number) for number in range(50)]


def test_mutants_of_every_container():
    kinds = {type(content) if isinstance(content, dict) else content[:2] for content, _ in SOUND}
    assert kinds == {dict, b"PK", b"fr"}
