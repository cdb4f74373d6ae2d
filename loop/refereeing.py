"""Which checkers may stop a play between its turns: one that has failed is not played on."""

from loop import plugins
from loop.parts import Loop
from loop.types import Part, Suite
from task_generators.suites import twin


def referees(loop: Loop, suite: Suite | None = None) -> tuple[Part, ...]:
    """Name the checkers that stop the plays of a suite, or of training: those that will judge them and can tell early.

    None where plays are to go on, and on suites whose plays a gate measures by more than whether they pass.
    """
    if not loop.config.plays.stop_doomed or (suite and _needed_whole(loop, suite)):
        return ()
    judges = suite.checkers if suite and suite.checkers else loop.config.checkers
    return tuple(part for part in judges if hasattr(plugins.find("checkers", part.use), "doomed"))


def _needed_whole(loop: Loop, suite: Suite) -> bool:
    return any(getattr(gate, "measures", ()) for gate in loop.gates if suite.name in {gate.suite, twin(gate.suite)})
