"""What an operator may change: gates, policies, curriculum. Every change is an event.

The running daemon carries a command out itself, because it is the only writer; without one, the command line takes the
daemon's lock and does the same.
"""

import time
from collections.abc import Callable, Mapping
from typing import Final

from pydantic import JsonValue, ValidationError

from curriculum.parking import returned
from curriculum.posterior import inherit
from loop.config import Storage
from loop.errors import ConfigError, NotFound, nearest
from loop.proposals import Proposal
from loop.runtime import paths
from loop.storage import garbage
from loop.store import Store
from loop.store.soundness import UNSOUND, Flaw
from loop.traces.corrections import accept_feedback, settle
from loop.types import Arm, ArmKey, Tier
from loop.types.record import first_fault
from task_generators.suites import suite

Arguments = Mapping[str, JsonValue]
Answer = dict[str, JsonValue]


def carry_out(store: Store, verb: str, arguments: Arguments) -> Answer:
    """Do what a command says, and note it as an event.

    Raises:
        ConfigError: no such command, or its arguments are not right.
        NotFound: what it names does not exist.
    """
    if verb not in VERBS:
        raise ConfigError(f"There is no command '{verb}'.{nearest(verb, list(VERBS))}")
    try:
        answer = VERBS[verb](store, arguments)
    except ValidationError as error:
        raise ConfigError(f"{verb}: {first_fault(error)}.") from error
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{verb}: wrong arguments: {error}") from error
    store.events.record(f"command.{verb}", **arguments)
    return answer


def _pause(store: Store, arguments: Arguments) -> Answer:
    store.gates.pause(str(arguments["gate"]), str(arguments.get("reason") or ""))
    return {"paused": list(store.gates.paused())}


def _resume(store: Store, arguments: Arguments) -> Answer:
    store.gates.resume(str(arguments["gate"]))
    return {"paused": list(store.gates.paused()), "queued": [rnd.id for rnd in store.promotions.queued()]}


def _roll_back(store: Store, arguments: Arguments) -> Answer:
    earlier = store.policies.find(str(arguments["policy"]))
    promotion = store.promotions.roll_back(earlier.id, str(arguments.get("reason") or "by the operator"))
    store.arms.change(lambda arms: map(inherit, arms.values()))
    return {"champion": promotion.candidate}


def _promote(store: Store, arguments: Arguments) -> Answer:
    named = arguments.get("gates")
    gates = [str(name) for name in named] if isinstance(named, list) else None
    reason = str(arguments.get("reason") or "by the operator")
    promotion = store.promotions.promote(store.policies.find(str(arguments["policy"])).id, reason, gates)
    store.arms.change(lambda arms: map(inherit, arms.values()))
    return {"champion": promotion.candidate}


def _propose(store: Store, arguments: Arguments) -> Answer:
    like = store.policies.find(str(arguments.get("policy") or "champion"))
    proposal = Proposal.model_validate(arguments.get("changes") or {})
    changed = proposal.applied(like) if any(proposal.model_dump().values()) else like
    config, seed = str(arguments["config"]), int(str(arguments["seed"]))
    rnd = store.policies.propose(changed, config, seed)
    return {"candidate": changed.id, "round": rnd}


def _steer(store: Store, arguments: Arguments) -> Answer:
    key = arm_key(str(arguments["arm"]))
    changes = {name: arguments[name] for name in ("frozen", "weight") if arguments.get(name) is not None}
    steered: list[Arm] = []

    def steer(arms: Mapping[ArmKey, Arm]) -> list[Arm]:
        tried = returned(arms.get(key) or Arm(key=key))
        steered[:] = [Arm.model_validate(tried.model_dump() | changes)]
        return steered

    store.arms.change(steer)
    return {"arm": str(key), "frozen": steered[0].frozen, "weight": steered[0].weight}


def _flaw(store: Store, arguments: Arguments) -> Answer:
    frozen, begins = suite(str(arguments["suite"])), str(arguments["task"])
    matches = [task for task in frozen.tasks if begins and (task.id.startswith(begins) or task.source == begins)]
    if len(matches) != 1:
        raise NotFound(
            f"{len(matches)} tasks of {frozen.name} begin with '{begins}'. List: loopd suite show {frozen.name} --tasks"
        )
    source, note = str(arguments["source"]), str(arguments["note"])
    if arguments.get("withdraw"):
        store.soundness.withdraw(matches[0].id, source)
    else:
        store.suites.save(frozen)
        store.soundness.note(Flaw(task=matches[0].id, kind=UNSOUND, source=source, note=note))
    return {"task": matches[0].source or matches[0].id}


def arm_key(text: str) -> ArmKey:
    """Read an arm as it is spelled: `TradingBot+TravelAPI/quote/easy`.

    Raises:
        ConfigError: it is not spelled like that.
    """
    backends, _, rest = text.partition("/")
    family, _, tier = rest.partition("/")
    if not backends or not family or tier not in list(Tier):
        raise ConfigError(f"'{text}' is not an arm. Spell it BACKEND[+BACKEND]/FAMILY/TIER, as v_curriculum does.")
    return ArmKey(backends=tuple(backends.split("+")), family=family, tier=Tier(tier))


def _correct(store: Store, arguments: Arguments) -> Answer:
    payload = arguments["payload"]
    if not isinstance(payload, dict):
        raise ConfigError("correction.add: the payload is not an object")
    return accept_feedback(store, payload, time.time_ns() // 1000).model_dump(mode="json")


def _settle(store: Store, arguments: Arguments) -> Answer:
    author, note = str(arguments.get("author", "")), str(arguments.get("note", ""))
    settle(store, int(str(arguments["correction"])), right=arguments["right"] is True, author=author, note=note)
    return {}


def _collect(store: Store, arguments: Arguments) -> Answer:
    named = arguments.get("kinds")
    kinds = [garbage.GarbageKind(str(kind)) for kind in named] if isinstance(named, list) else list(garbage.GarbageKind)
    kept = Storage.model_validate({"keep_rounds": arguments["keep_rounds"]})
    freed, whole = garbage.remove(garbage.find(paths.find(), store, kept, kinds), store)
    return {"bytes": freed, "whole": whole}


VERBS: Final[Mapping[str, Callable[[Store, Arguments], Answer]]] = {
    "gate.pause": _pause,
    "gate.resume": _resume,
    "model.promote": _promote,
    "model.propose": _propose,
    "model.rollback": _roll_back,
    "curriculum.steer": _steer,
    "storage.collect": _collect,
    "suite.flaw": _flaw,
    "correction.add": _correct,
    "correction.settle": _settle,
}
