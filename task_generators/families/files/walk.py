"""Walking a deep tree, one folder at a time, and working where one stands."""

from collections.abc import Callable
from typing import Final

from task_generators.families.files.story import FileStory, Folder, deep_tree
from task_generators.families.files.tidy import has_file, has_file_and_folder, make, move, rename, touch
from task_generators.writing.story import Family, Move, call


def _enter(story: FileStory) -> None:
    folder = story.folder()
    phrases = ("Go into the folder {folder}.", "Open the folder {folder}.", "Change to {folder}.", "Enter {folder}.")
    story.turn(story.phrase(phrases, folder=folder), call("cd", folder=folder))
    _step_into(story, folder)


def _descend(depth: int) -> Callable[[FileStory], None]:
    """Walk down several levels at once."""

    def write(story: FileStory) -> None:
        way = _way_down(story, depth)
        phrases = ("Go to {way}.", "Go into {way}.", "Change to the folder {way}.", "Please open {way}.")
        user = story.phrase(phrases, way="/".join(way))
        story.turn(user, *(call("cd", folder=folder) for folder in way))
        _step_into(story, *way)

    return write


def _descend_and_make(story: FileStory) -> None:
    folder, name = story.folder(), story.fresh_folders.pop()
    phrases = (
        "Go into {folder} and create a folder {name} there.",
        "Open {folder} and make a directory {name} in it.",
        "Change to {folder}, then make the folder {name}.",
        "In the folder {folder} I need a new folder {name}; go there and make it.",
    )
    user = story.phrase(phrases, folder=folder, name=name)
    story.turn(user, call("cd", folder=folder), call("mkdir", dir_name=name))
    _step_into(story, folder)
    story.here[name] = {}
    story.last = name


def _descend_and_touch(story: FileStory) -> None:
    folder, name = story.folder(), story.fresh_files.pop()
    phrases = (
        "Go into {folder} and create an empty file {name} there.",
        "Open {folder} and add a file {name}.",
        "Change to {folder}, then make a new file {name}.",
        "In the folder {folder} I need an empty file {name}; go there and make it.",
    )
    user = story.phrase(phrases, folder=folder, name=name)
    story.turn(user, call("cd", folder=folder), call("touch", file_name=name))
    _step_into(story, folder)
    story.here[name] = ""


def up(story: FileStory) -> None:
    """Ask to leave the folder."""
    phrases = (
        "Go back up one folder.",
        "Go up one level.",
        "Now leave this folder, one level up.",
        "Go one folder up.",
    )
    story.turn(story.phrase(phrases), call("cd", folder=".."))
    story.last = story.path.pop()


def _up_and_make(story: FileStory) -> None:
    name = story.fresh_folders.pop()
    phrases = (
        "Go up one level and make a folder {name} there.",
        "Go back up one folder, then create a directory {name}.",
        "One level up I need a folder {name}; go there and make it.",
        "Go one folder up and add a folder {name}.",
    )
    story.turn(story.phrase(phrases, name=name), call("cd", folder=".."), call("mkdir", dir_name=name))
    story.path.pop()
    story.here[name] = {}
    story.last = name


def _way_down(story: FileStory, depth: int) -> list[str]:
    """Draw a way of so many folders down from here. `_reaches` says whether there is one."""
    way: list[str] = []
    folder = story.here
    for left in range(depth - 1, -1, -1):
        name = story.rng.choice([name for name, inner in folder.items() if _depth(inner) >= left + 1])
        way.append(name)
        folder = folder[name]
    return way


def _depth(value: Folder | str) -> int:
    """Levels of folders, this one included; a file has none."""
    return 0 if isinstance(value, str) else 1 + max((_depth(inner) for inner in value.values()), default=0)


def _reaches(depth: int) -> Callable[[FileStory], bool]:
    return lambda story: _depth(story.here) > depth


def _step_into(story: FileStory, *way: str) -> None:
    story.path.extend(way)
    story.last = ""


def is_down(story: FileStory) -> bool:
    """Whether there is a folder to go up to."""
    return bool(story.path)


WALK: Final = Family(
    "walk",
    deep_tree,
    (
        Move(_enter, 1, _reaches(1)),
        Move(up, 1, is_down),
        Move(make, 1, is_down),
        Move(touch, 1, is_down),
        Move(move, 1, lambda story: is_down(story) and has_file_and_folder(story)),
        Move(rename, 1, lambda story: is_down(story) and has_file(story)),
        Move(_descend(2), 2, _reaches(2), weight=2),
        Move(_descend_and_make, 2, _reaches(1), weight=2),
        Move(_descend_and_touch, 2, _reaches(1), weight=2),
        Move(_up_and_make, 2, is_down),
        Move(_descend(3), 3, _reaches(3), weight=2),
    ),
)
