"""Starting projects: a folder, what goes into it, and the way back."""

from typing import Final

from task_generators.families.files.story import FileStory, flat_tree
from task_generators.families.files.tidy import make, touch
from task_generators.families.files.walk import is_down, up
from task_generators.writing.story import Family, Move, call


def _make_and_enter(story: FileStory) -> None:
    folder = story.fresh_folders.pop()
    phrases = (
        "Create a folder {folder} and go into it.",
        "Make a directory {folder}, then open it.",
        "Start a new folder {folder} and change to it.",
        "Make the folder {folder} and enter it.",
    )
    user = story.phrase(phrases, folder=folder)
    story.turn(user, call("mkdir", dir_name=folder), call("cd", folder=folder))
    _enter(story, folder)


def _start(story: FileStory) -> None:
    folder, file = story.fresh_folders.pop(), story.fresh_files.pop()
    phrases = (
        "Create a folder {folder}, go into it and add an empty file {file}.",
        "Start a project {folder}: make the folder, open it and create the file {file}.",
        "Make a directory {folder}, change to it and make a file {file} there.",
        "I need a new folder {folder}; go into it and create {file}.",
    )
    user = story.phrase(phrases, folder=folder, file=file)
    steps = call("mkdir", dir_name=folder), call("cd", folder=folder), call("touch", file_name=file)
    story.turn(user, *steps)
    _enter(story, folder)
    story.here[file] = ""


def _touch_two(story: FileStory) -> None:
    first, second = story.fresh_files.pop(), story.fresh_files.pop()
    phrases = (
        "Create two empty files, {first} and {second}.",
        "Add the files {first} and {second}.",
        "Make new files {first} and {second} here.",
        "I need the empty files {first} and {second}.",
    )
    user = story.phrase(phrases, first=first, second=second)
    story.turn(user, call("touch", file_name=first), call("touch", file_name=second))
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
)
