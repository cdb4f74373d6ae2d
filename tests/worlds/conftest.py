"""BFCL's own executor and checker, beside ours."""

import json
import re
from collections import defaultdict

import pytest
from bfcl_eval.eval_checker.multi_turn_eval import multi_turn_utils
from bfcl_eval.eval_checker.multi_turn_eval.multi_turn_checker import multi_turn_checker

from loop.types import Call
from task_generators.backends.bfcl import CATEGORIES, entries, entry_task

NUMBER_OBJECT = re.compile(r"(?:mpf|Decimal)\('([^']*)'\)")


class Official:
    """BFCL's code. It keeps its instances in a module; `forget` drops them."""

    def run(self, entry, turns):
        """Execute turns of spelt calls: the answers of each turn, and the instances at the end."""
        long_context = "long_context" in entry["id"]
        answers, instances = [], {}
        for calls in turns:
            told, instances = multi_turn_utils.execute_multi_turn_func_call(
                calls, entry["initial_config"], entry["involved_classes"], "m", entry["id"], long_context=long_context
            )
            answers.append(told)
        self.forget()
        return answers, instances

    def judges(self, entry, gold, script):
        spelt = [[[spell(call) for call in calls] for calls in steps] for steps in script]
        try:
            return multi_turn_checker(spelt, gold["ground_truth"], entry, "", "m")["valid"]
        finally:
            self.forget()

    @staticmethod
    def forget():
        for name in [name for name in vars(multi_turn_utils) if name.endswith("_instance")]:
            delattr(multi_turn_utils, name)

    @staticmethod
    def read(text):
        """Read an answer of BFCL's executor as ours spells it."""
        try:
            return json.loads(text)
        except ValueError:
            return NUMBER_OBJECT.sub(r"\1", text).replace("Ellipsis", "'...'")


def spell(call):
    return f"{call.name}({', '.join(f'{name}={value!r}' for name, value in call.arguments.items())})"


@pytest.fixture(scope="session")
def official():
    return Official()


@pytest.fixture(scope="session")
def bfcl():
    """Every entry of the four categories: task, entry, gold."""
    return [(entry_task(entry, gold), entry, gold) for name in CATEGORIES for entry, gold in entries(name)]


@pytest.fixture(scope="session")
def pool(bfcl):
    """Per tool, the calls of all gold answers."""
    calls = defaultdict(list)
    for task, _, _ in bfcl:
        for call in task.plan:
            calls[call.name].append(Call(name=call.name, arguments=dict(call.arguments)))
    return calls
