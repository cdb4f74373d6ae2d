"""Tidying up one folder: every name stands in the user's words, or in those of an earlier turn."""

from typing import Final

from task_generators.families.files.story import FileStory, flat_tree
from task_generators.writing.story import Family, Move, call, result


def make(story: FileStory) -> None:
    """Ask for a new folder here."""
    name = story.fresh_folders.pop()
    story.add("make", call("mkdir", dir_name=name), name=name)
    story.here[name] = {}
    story.last = name


def touch(story: FileStory) -> None:
    """Ask for a new file here."""
    name = story.fresh_files.pop()
    story.add("touch", call("touch", file_name=name), name=name)
    story.here[name] = ""


def move(story: FileStory) -> None:
    """Ask to move a file into a folder beside it."""
    _move_into(story, "move", *story.placed())


def _move_there(story: FileStory) -> None:
    _move_into(story, "move_there", story.rng.choice(story.free_of(story.last)), story.last)


def _move_into(story: FileStory, how: str, file: str, folder: str) -> None:
    story.add(how, call("mv", source=file, destination=folder), file=file, folder=folder)
    story.here[folder][file] = story.here.pop(file)
    story.last = folder


def _make_and_move(story: FileStory) -> None:
    file, folder = story.file(), story.fresh_folders.pop()
    moving = call("mv", source=file, destination=folder)
    story.add("make_and_move", call("mkdir", dir_name=folder), moving, file=file, folder=folder)
    story.here[folder] = {file: story.here.pop(file)}
    story.last = folder


def copy(story: FileStory) -> None:
    """Ask for a copy of a file in a folder beside it."""
    file, folder = story.placed()
    story.add("copy", call("cp", source=file, destination=folder), file=file, folder=folder)
    story.here[folder][file] = story.here[file]
    story.last = folder


def rename(story: FileStory) -> None:
    """Ask to rename a file."""
    file, name = story.file(), story.fresh_files.pop()
    story.add("rename", call("mv", source=file, destination=name), file=file, name=name)
    story.here[name] = story.here.pop(file)


def remove(story: FileStory) -> None:
    """Ask to delete a file."""
    file = story.file()
    story.add("remove", call("rm", file_name=file), file=file)
    del story.here[file]


def show_all(story: FileStory) -> None:
    """Ask what lies here."""
    story.add("list", call("ls"), tells={"names": result(story.steps, "current_directory_content")})
    story.listed = True


def has_unlisted(story: FileStory) -> bool:
    """Whether something lies here that the user has not seen as it is now."""
    return bool(story.here) and not story.listed


def has_place(story: FileStory) -> bool:
    """Whether some file here can be moved or copied into some folder here."""
    return any(story.free_of(folder) for folder in story.folders)


def can_go_there(story: FileStory) -> bool:
    """Whether some file here can be moved or copied into the folder that the last turn was about."""
    return story.last in story.folders and bool(story.free_of(story.last))


def has_file(story: FileStory) -> bool:
    """Whether there is a file here."""
    return bool(story.files)


TIDY: Final = Family(
    "tidy",
    flat_tree,
    (
        Move(make, 1),
        Move(touch, 1),
        Move(move, 1, has_place, weight=2),
        Move(_move_there, 1, can_go_there),
        Move(copy, 1, has_place),
        Move(rename, 1, has_file),
        Move(remove, 1, has_file),
        Move(show_all, 1, has_unlisted),
        Move(_make_and_move, 2, has_file, weight=4),
    ),
)
