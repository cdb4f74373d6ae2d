"""Keeping copies: under another name, in a folder, in a folder made for it."""

from typing import Final

from task_generators.families.files.story import FileStory, flat_tree
from task_generators.families.files.tidy import can_go_there, copy, has_file, has_place, make
from task_generators.writing.story import Family, Move, call


def _copy_as(story: FileStory) -> None:
    file, name = story.file(), story.fresh_files.pop()
    story.add("copy_as", call("cp", source=file, destination=name), file=file, name=name)
    story.here[name] = story.here[file]


def _back_up(story: FileStory) -> None:
    file, folder = story.file(), story.fresh_folders.pop()
    copying = call("cp", source=file, destination=folder)
    story.add("back_up", call("mkdir", dir_name=folder), copying, file=file, folder=folder)
    story.here[folder] = {file: story.here[file]}
    story.last = folder


def _copy_there(story: FileStory) -> None:
    file, folder = story.rng.choice(story.free_of(story.last)), story.last
    story.add("copy_there", call("cp", source=file, destination=folder), file=file, folder=folder)
    story.here[folder][file] = story.here[file]


COPIES: Final = Family(
    "copies",
    flat_tree,
    (
        Move(make, 1),
        Move(_copy_as, 1, has_file, weight=2),
        Move(copy, 1, has_place, weight=2),
        Move(_copy_there, 1, can_go_there, weight=2),
        Move(_back_up, 2, has_file, weight=4),
    ),
)
