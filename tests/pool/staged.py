"""A play that does what its task's user says. Workers import it by its name."""

import os
import sys
import time
from pathlib import Path

from loop.errors import ConfigError
from loop.rollout import play as rollout
from loop.types import End, Message, Play, Task, Tier, Trajectory, Turn


def staged(number, does="answer"):
    task = Task(
        generator="staged",
        family="staged",
        tier=Tier.EASY,
        seed=number,
        backends=("None",),
        initial={},
        tools=(),
        turns=(Turn(user=does),),
        leak_group=str(number),
    )
    return Play(id=f"play-{number}", round=1, task=task, player={"use": "staged"}, player_name="staged", sample=number)


def play(job: Play) -> Trajectory:
    if job.player.use != "staged":
        return rollout.play(job)
    does, _, detail = job.task.turns[0].user.partition(" ")
    getattr(sys.modules[__name__], f"_{does}")(detail)
    message = Message(role="assistant", content=f"{job.task.seed} é \U0001f600\n", tokens=(1, 2))
    return Trajectory(task=job.task.id, player="staged", sample=job.sample, messages=(message,), end=End.CLOSED)


def _answer(_):
    pass


def _sleep(seconds):
    time.sleep(float(seconds))


def _note(path):
    Path(path).touch()
    time.sleep(60)


def _raise(what):
    raise ValueError(what)


def _refuse(what):
    raise ConfigError(what)


def _leave(_):
    raise SystemExit(7)


def _die(_):
    os._exit(9)
