"""Walking a deep tree, one folder at a time, and working where one stands."""

from collections.abc import Callable
from typing import Final

from task_generators.families.files.story import FileStory, Folder, deep_tree
from task_generators.families.files.tidy import (
    has_file,
    has_place,
    has_unlisted,
    make,
    move,
    rename,
    show_all,
    touch,
)
from task_generators.writing.story import Family, Move, call


def _enter(story: FileStory) -> None:
    folder = story.folder()
    story.add("enter", call("cd", folder=folder), folder=folder)
    _step_into(story, folder)


def _descend(depth: int) -> Callable[[FileStory], None]:
    """Walk down several levels at once."""

    def write(story: FileStory) -> None:
        way = _way_down(story, depth)
        story.add("descend", *(call("cd", folder=folder) for folder in way), way="/".join(way))
        _step_into(story, *way)

    return write


def _descend_and_make(story: FileStory) -> None:
    folder, name = story.folder(), story.fresh_folders.pop()
    story.add("descend_and_make", call("cd", folder=folder), call("mkdir", dir_name=name), folder=folder, name=name)
    _step_into(story, folder)
    story.here[name] = {}
    story.last = name


def _descend_and_touch(story: FileStory) -> None:
    folder, name = story.folder(), story.fresh_files.pop()
    story.add("descend_and_touch", call("cd", folder=folder), call("touch", file_name=name), folder=folder, name=name)
    _step_into(story, folder)
    story.here[name] = ""


def up(story: FileStory) -> None:
    """Ask to leave the folder."""
    story.add("up", call("cd", folder=".."))
    story.last = story.path.pop()


def _up_and_make(story: FileStory) -> None:
    name = story.fresh_folders.pop()
    story.add("up_and_make", call("cd", folder=".."), call("mkdir", dir_name=name), name=name)
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
        Move(show_all, 1, has_unlisted),
        Move(move, 1, lambda story: is_down(story) and has_place(story)),
        Move(rename, 1, lambda story: is_down(story) and has_file(story)),
        Move(_descend(2), 2, _reaches(2), weight=2),
        Move(_descend_and_make, 2, _reaches(1), weight=2),
        Move(_descend_and_touch, 2, _reaches(1), weight=2),
        Move(_up_and_make, 2, is_down),
        Move(_descend(3), 3, _reaches(3), weight=2),
    ),
)
