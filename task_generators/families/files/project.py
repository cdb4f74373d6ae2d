"""Starting projects: a folder, what goes into it, and the way back. Never trained: a suite's own family."""

from typing import Final

from task_generators.families.files.story import FileStory, flat_tree
from task_generators.families.files.tidy import make, touch
from task_generators.families.files.walk import is_down, up
from task_generators.writing.story import Family, Move, call


def _make_and_enter(story: FileStory) -> None:
    folder = story.fresh_folders.pop()
    story.add("make_and_enter", call("mkdir", dir_name=folder), call("cd", folder=folder), folder=folder)
    _enter(story, folder)


def _start(story: FileStory) -> None:
    folder, file = story.fresh_folders.pop(), story.fresh_files.pop()
    steps = call("mkdir", dir_name=folder), call("cd", folder=folder), call("touch", file_name=file)
    story.add("start", *steps, folder=folder, file=file)
    _enter(story, folder)
    story.here[file] = ""


def _touch_two(story: FileStory) -> None:
    first, second = story.fresh_files.pop(), story.fresh_files.pop()
    steps = call("touch", file_name=first), call("touch", file_name=second)
    story.add("touch_two", *steps, first=first, second=second)
    story.here.update({first: "", second: ""})


def _enter(story: FileStory, folder: str) -> None:
    story.here[folder] = {}
    story.path.append(folder)
    story.last = ""


PROJECT: Final = Family(
    "project",
    flat_tree,
    (
        Move(make, 1),
        Move(touch, 1),
        Move(up, 1, is_down),
        Move(_make_and_enter, 2, weight=2),
        Move(_touch_two, 2, weight=2),
        Move(_start, 3, weight=3),
    ),
    unseen=True,
)
