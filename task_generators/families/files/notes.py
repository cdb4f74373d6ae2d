"""Doing what a note says: the name that the next call needs stands in a file, not in the user's words."""

from collections.abc import Callable
from typing import Final

from loop.types import From
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
    phrases = (
        "What does {note} say?",
        "Read {note} to me.",
        "Show me what is in {note}.",
        "What is written in {note}?",
    )
    story.read = story.turn(story.phrase(phrases, note=note), call("cat", file_name=note))
    story.last = story.notes.pop(note)


def _make_that(story: FileStory) -> None:
    assert story.read is not None
    phrases = ("Create a folder with that name.", "Make a directory of that name.", "Now make a folder called that.")
    story.turn(story.phrase(phrases), call("mkdir", dir_name=result(story.read, "file_content")))
    story.here[story.last] = {}
    story.read = None


def _make_noted(story: FileStory) -> None:
    note = _note(story, _new_folder)
    phrases = (
        "Read {note} and create the folder that it names.",
        "{note} holds the name of a folder. Create that folder.",
        "Make a directory with the name that is written in {note}.",
        "Look into {note} and make the folder that it asks for.",
    )
    story.turn(story.phrase(phrases, note=note), call("cat", file_name=note), call("mkdir", dir_name=_said(story)))
    story.here[story.notes.pop(note)] = {}


def _touch_noted(story: FileStory) -> None:
    note = _note(story, _new_file)
    phrases = (
        "Read {note} and create the empty file that it names.",
        "{note} holds the name of a new file. Create that file.",
        "Make an empty file with the name that is written in {note}.",
        "Look into {note} and make the empty file that it asks for.",
    )
    story.turn(story.phrase(phrases, note=note), call("cat", file_name=note), call("touch", file_name=_said(story)))
    story.here[story.notes.pop(note)] = ""


def _remove_noted(story: FileStory) -> None:
    note = _note(story, _a_file)
    phrases = (
        "Read {note} and delete the file that it names.",
        "{note} holds the name of a file. Delete that file.",
        "Remove the file whose name is written in {note}.",
        "Look into {note} and remove the file that it names.",
    )
    story.turn(story.phrase(phrases, note=note), call("cat", file_name=note), call("rm", file_name=_said(story)))
    del story.here[story.notes.pop(note)]


def _move_noted(story: FileStory) -> None:
    note, file = _note(story, _a_folder), story.unheld.pop()
    phrases = (
        "Read {note} and move {file} into the folder that it names.",
        "{note} holds the name of a folder. Move {file} there.",
        "Move {file} to the folder whose name is written in {note}.",
        "Look into {note} and put {file} into the folder that it names.",
    )
    user = story.phrase(phrases, note=note, file=file)
    story.turn(user, call("cat", file_name=note), call("mv", source=file, destination=_said(story)))
    story.here[story.notes.pop(note)][file] = story.here.pop(file)


def _rename_noted(story: FileStory) -> None:
    note, file = _note(story, _new_file), story.unheld.pop()
    phrases = (
        "Read {note} and rename {file} to the name in it.",
        "{note} holds the new name of {file}. Rename it.",
        "Give {file} the name that is written in {note}.",
        "Look into {note} and rename {file} to what it says.",
    )
    user = story.phrase(phrases, note=note, file=file)
    story.turn(user, call("cat", file_name=note), call("mv", source=file, destination=_said(story)))
    story.here[story.notes.pop(note)] = story.here.pop(file)


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
