import pytest

from loop.errors import NotFound
from loop.types import Split
from task_generators.suites import names, suite
from task_generators.writing.generator import split_of

FROZEN = {
    "rehearsal-depth": "02eced8e3e92cb14b6366a00d0c6020d5ccfff4811eadfc513c5f82a1ab0761e",
    "rehearsal-depth-sealed": "47b36af3ef775bdd47171fde6974a8d409878e896e9eee9c13943ab19d021520",
    "rehearsal-breadth": "3aa322491277c5b809475f5edf009b7837dccd182cbce8b38c7a7928c2a5cf4b",
    "rehearsal-breadth-sealed": "a843fc251aa3e86d9976f2a284bc0ec63bd3b0b7147ee35fd82ce18b206ee5c8",
    "quick-depth": "fa313981379760c0df754c877655494d4c3897298fd7d2871685cb77f2ec2532",
    "quick-depth-sealed": "a0fed686ed4643ec9b51671e84927caeddd1b2d38dcddb1b9a7b5473f193d334",
    "quick-breadth": "0c3c4acec4f2eea6fabfee9e8925508f9162a4cdefca2180d48516876adf9882",
    "quick-breadth-sealed": "9b6751fe97b5043a63542e3513cb344294c9cdf9619673e30733bd0be8040bbf",
}


@pytest.mark.parametrize("name", names())
def test_a_suite_is_what_it_was_when_it_was_frozen(name):
    assert suite(name).id == FROZEN[name]


@pytest.mark.parametrize("name", names())
def test_a_suite_holds_no_leak_group_twice_and_only_its_own_split(name):
    tasks = suite(name).tasks
    split = Split.SEALED if name.endswith("-sealed") else Split.HELDOUT
    assert len({task.leak_group for task in tasks}) == len(tasks)
    assert {task.split for task in tasks} == {split}
    assert {split_of(task.leak_group) for task in tasks} == {split}


def test_an_unknown_suite_is_refused_with_the_nearest_name():
    with pytest.raises(NotFound, match="quick-depth"):
        suite("quick-dept")
