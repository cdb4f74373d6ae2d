"""Doing what a note says: the name that the next call needs stands in a file, not in the user's words."""

from collections.abc import Callable
from typing import Final

from loop.types import From, PlannedCall
from task_generators.families.files.story import FileStory, noted_tree
from task_generators.writing.story import Family, Move, call, result


def _note(story: FileStory, wanted: Callable[[FileStory, str], bool]) -> str:
    """Take an unread note whose name is of the kind that is wanted."""
    return story.rng.choice([note for note, held in story.notes.items() if wanted(story, held)])


def _holds(wanted: Callable[[FileStory, str], bool]) -> Callable[[FileStory], bool]:
    return lambda story: any(wanted(story, held) for held in story.notes.values())


def _new_folder(story: FileStory, held: str) -> bool:
    return "." not in held and held not in story.here


def _new_file(story: FileStory, held: str) -> bool:
    return "." in held and held not in story.here


def _a_file(story: FileStory, held: str) -> bool:
    return held in story.files


def _a_folder(story: FileStory, held: str) -> bool:
    return held in story.folders


def _read(story: FileStory) -> None:
    note = _note(story, _new_folder)
    text = result(story.steps, "file_content")
    story.read = story.add("read_note", call("cat", file_name=note), tells={"text": text}, note=note)
    story.last = story.notes.pop(note)


def _make_that(story: FileStory) -> None:
    assert story.read is not None
    name = result(story.read, "file_content")
    story.add("make_that", call("mkdir", dir_name=name), names={"name": name})
    story.here[story.last] = {}
    story.read = None


def _make_noted(story: FileStory) -> None:
    note, name = _note(story, _new_folder), _said(story)
    story.add("make_noted", _reading(note), call("mkdir", dir_name=name), names={"name": name}, note=note)
    story.here[story.notes.pop(note)] = {}


def _touch_noted(story: FileStory) -> None:
    note, name = _note(story, _new_file), _said(story)
    story.add("touch_noted", _reading(note), call("touch", file_name=name), names={"name": name}, note=note)
    story.here[story.notes.pop(note)] = ""


def _remove_noted(story: FileStory) -> None:
    note, name = _note(story, _a_file), _said(story)
    story.add("remove_noted", _reading(note), call("rm", file_name=name), names={"name": name}, note=note)
    del story.here[story.notes.pop(note)]


def _move_noted(story: FileStory) -> None:
    note, file, folder = _note(story, _a_folder), story.unheld.pop(), _said(story)
    moving = call("mv", source=file, destination=folder)
    story.add("move_noted", _reading(note), moving, names={"folder": folder}, note=note, file=file)
    story.here[story.notes.pop(note)][file] = story.here.pop(file)


def _rename_noted(story: FileStory) -> None:
    note, file, name = _note(story, _new_file), story.unheld.pop(), _said(story)
    moving = call("mv", source=file, destination=name)
    story.add("rename_noted", _reading(note), moving, names={"name": name}, note=note, file=file)
    story.here[story.notes.pop(note)] = story.here.pop(file)


def _reading(note: str) -> PlannedCall:
    return call("cat", file_name=note)


def _said(story: FileStory) -> From:
    """What the note says that the next call reads."""
    return result(story.steps, "file_content")


def _has_read(story: FileStory) -> bool:
    return story.read is not None


NOTES: Final = Family(
    "notes",
    noted_tree,
    (
        Move(_read, 1, _holds(_new_folder)),
        Move(_make_that, 1, _has_read, weight=4),
        Move(_make_noted, 2, _holds(_new_folder), weight=2),
        Move(_touch_noted, 2, _holds(_new_file), weight=2),
        Move(_remove_noted, 2, _holds(_a_file)),
        Move(_move_noted, 2, lambda story: _holds(_a_folder)(story) and bool(story.unheld)),
        Move(_rename_noted, 2, lambda story: _holds(_new_file)(story) and bool(story.unheld)),
    ),
)
