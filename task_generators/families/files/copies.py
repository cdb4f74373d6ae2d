"""Keeping copies: under another name, in a folder, in a folder made for it."""

from typing import Final

from task_generators.families.files.story import FileStory, flat_tree
from task_generators.families.files.tidy import has_file, has_file_and_folder, make
from task_generators.writing.story import Family, Move, call


def _copy_as(story: FileStory) -> None:
    file, name = story.file(), story.fresh_files.pop()
    phrases = (
        "Make a copy of {file} called {name}.",
        "Copy {file} to a new file {name}.",
        "Duplicate {file} as {name}.",
        "I need a second {file}, name the copy {name}.",
    )
    story.turn(story.phrase(phrases, file=file, name=name), call("cp", source=file, destination=name))
    story.here[name] = story.here[file]


def _copy_into(story: FileStory) -> None:
    file, folder = story.file(), story.folder()
    phrases = (
        "Keep a copy of {file} in the folder {folder}.",
        "Copy {file} into {folder}.",
        "Put a copy of {file} into the folder {folder}.",
        "{folder} should hold a copy of {file}.",
    )
    story.turn(story.phrase(phrases, file=file, folder=folder), call("cp", source=file, destination=folder))
    story.here[folder][file] = story.here[file]


def _back_up(story: FileStory) -> None:
    file, folder = story.file(), story.fresh_folders.pop()
    phrases = (
        "Create a folder {folder} and copy {file} into it.",
        "Back up {file}: make a folder {folder} and put a copy there.",
        "Make the directory {folder} and keep a copy of {file} in it.",
        "I want a copy of {file} in a new folder {folder}.",
    )
    user = story.phrase(phrases, file=file, folder=folder)
    story.turn(user, call("mkdir", dir_name=folder), call("cp", source=file, destination=folder))
    story.here[folder] = {file: story.here[file]}
    story.last = folder


def _copy_there(story: FileStory) -> None:
    file, folder = story.file(), story.last
    phrases = (
        "Copy {file} into that folder too.",
        "Also keep a copy of {file} there.",
        "Put a copy of {file} into the same folder.",
        "Now copy {file} to that folder.",
    )
    story.turn(story.phrase(phrases, file=file), call("cp", source=file, destination=folder))
    story.here[folder][file] = story.here[file]


def _can_copy_there(story: FileStory) -> bool:
    return has_file_and_folder(story) and story.last in story.folders


COPIES: Final = Family(
    "copies",
    flat_tree,
    (
        Move(make, 1),
        Move(_copy_as, 1, has_file, weight=2),
        Move(_copy_into, 1, has_file_and_folder, weight=2),
        Move(_copy_there, 1, _can_copy_there, weight=2),
        Move(_back_up, 2, has_file_and_folder, weight=4),
    ),
)
