"""Tidying up one folder: every name stands in the user's words, or in those of an earlier turn."""

from typing import Final

from task_generators.families.files.story import FileStory, flat_tree
from task_generators.writing.story import Family, Move, call


def make(story: FileStory) -> None:
    """Ask for a new folder here."""
    name = story.fresh_folders.pop()
    phrases = (
        "Create a folder named {name}.",
        "Please make a new directory called {name}.",
        "I need a folder {name} here.",
        "Make a directory {name}.",
    )
    story.turn(story.phrase(phrases, name=name), call("mkdir", dir_name=name))
    story.here[name] = {}
    story.last = name


def touch(story: FileStory) -> None:
    """Ask for a new file here."""
    name = story.fresh_files.pop()
    phrases = (
        "Create an empty file {name}.",
        "I want a new file called {name}.",
        "Make a file named {name}.",
        "Please add an empty file {name}.",
    )
    story.turn(story.phrase(phrases, name=name), call("touch", file_name=name))
    story.here[name] = ""


def move(story: FileStory) -> None:
    """Ask to move a file into a folder beside it."""
    file, folder = story.file(), story.folder()
    phrases = (
        "Move {file} into {folder}.",
        "Put {file} in the {folder} folder.",
        "{file} belongs in {folder}, move it there.",
        "Please move {file} to the folder {folder}.",
    )
    _move_into(story, story.phrase(phrases, file=file, folder=folder), file, folder)


def _move_there(story: FileStory) -> None:
    file, folder = story.file(), story.last
    phrases = (
        "Now move {file} into that folder.",
        "Put {file} in that folder too.",
        "Move {file} there as well.",
        "{file} goes into the same folder.",
    )
    _move_into(story, story.phrase(phrases, file=file), file, folder)


def _move_into(story: FileStory, user: str, file: str, folder: str) -> None:
    story.turn(user, call("mv", source=file, destination=folder))
    story.here[folder][file] = story.here.pop(file)
    story.last = folder


def _make_and_move(story: FileStory) -> None:
    file, folder = story.file(), story.fresh_folders.pop()
    phrases = (
        "Make a folder {folder} and move {file} into it.",
        "Create {folder}, then put {file} inside it.",
        "I need a new folder {folder} with {file} in it.",
        "Create the directory {folder} and move {file} there.",
    )
    user = story.phrase(phrases, file=file, folder=folder)
    story.turn(user, call("mkdir", dir_name=folder), call("mv", source=file, destination=folder))
    story.here[folder] = {file: story.here.pop(file)}
    story.last = folder


def _copy(story: FileStory) -> None:
    file, folder = story.file(), story.folder()
    phrases = (
        "Copy {file} to {folder}.",
        "Put a copy of {file} in {folder}.",
        "Please copy {file} into the folder {folder}.",
        "Keep a copy of {file} in {folder}.",
    )
    story.turn(story.phrase(phrases, file=file, folder=folder), call("cp", source=file, destination=folder))
    story.here[folder][file] = story.here[file]
    story.last = folder


def rename(story: FileStory) -> None:
    """Ask to rename a file."""
    file, name = story.file(), story.fresh_files.pop()
    phrases = (
        "Rename {file} to {name}.",
        "Change the name of {file} to {name}.",
        "{file} should be called {name}.",
        "Please rename {file}, the new name is {name}.",
    )
    story.turn(story.phrase(phrases, file=file, name=name), call("mv", source=file, destination=name))
    story.here[name] = story.here.pop(file)


def _remove(story: FileStory) -> None:
    file = story.file()
    phrases = (
        "Delete {file}.",
        "Remove the file {file}.",
        "I no longer need {file}, delete it.",
        "Please get rid of {file}.",
    )
    story.turn(story.phrase(phrases, file=file), call("rm", file_name=file))
    del story.here[file]


def has_file_and_folder(story: FileStory) -> bool:
    """Whether any file here can be moved or copied into any folder here."""
    return bool(story.files and story.folders) and not (set(story.files) & _inside(story))


def _inside(story: FileStory) -> set[str]:
    """Names that already stand in a folder of this folder: moving or copying such a file there would fail."""
    return {name for folder in story.folders for name in story.here[folder]}


def _can_move_there(story: FileStory) -> bool:
    return has_file_and_folder(story) and story.last in story.folders


def has_file(story: FileStory) -> bool:
    """Whether there is a file here."""
    return bool(story.files)


TIDY: Final = Family(
    "tidy",
    flat_tree,
    (
        Move(make, 1),
        Move(touch, 1),
        Move(move, 1, has_file_and_folder, weight=2),
        Move(_move_there, 1, _can_move_there),
        Move(_copy, 1, has_file_and_folder),
        Move(rename, 1, has_file),
        Move(_remove, 1, has_file),
        Move(_make_and_move, 2, has_file_and_folder, weight=4),
    ),
)
