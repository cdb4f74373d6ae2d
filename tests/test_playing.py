from loop.stages.collecting import longest_first
from loop.types import Play
from task_generators.suites import suite


def test_long_plays_begin_first_and_samples_of_one_task_stay_together():
    tasks = suite("rehearsal-depth").tasks[:4] + suite("depth-veryhard").tasks[:2]
    plays = [
        Play(id=f"{task.id[:8]}-{sample}", round=1, task=task, player={"use": "any"}, player_name="any", sample=sample)
        for task in tasks
        for sample in range(2)
    ]
    ordered = longest_first(plays)
    lengths = [len(play.task.plan) for play in ordered]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[0] > lengths[-1]
    assert all(one.task.id == other.task.id for one, other in zip(ordered[::2], ordered[1::2], strict=True))
    assert sorted(play.id for play in ordered) == sorted(play.id for play in plays)
