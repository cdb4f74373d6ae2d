"""Looking into folders: what lies there, only the listing tells."""

from random import Random
from typing import Final

from loop.types import From, PlannedCall
from task_generators.families.files.story import BACKEND, FileStory, file_names, state_of
from task_generators.families.files.walk import is_down, up
from task_generators.writing import words
from task_generators.writing.story import Family, Move, call, result


def _boxes(rng: Random) -> FileStory:
    """Ten folders with one file each."""
    files, folders = file_names(rng, 24), words.some(rng, words.PLACES, 10)
    root = {folder: {files.pop(): "text"} for folder in folders}
    story = FileStory(rng, {BACKEND: {"root": {"workspace": state_of(root)}}}, root=root, fresh_files=files)
    story.fresh_folders = list(folders)
    return story


def _enter(story: FileStory) -> None:
    folder = story.fresh_folders.pop()
    phrases = ("Go into the folder {folder}.", "Open {folder}.", "Change to the folder {folder}.", "Go to {folder}.")
    story.turn(story.phrase(phrases, folder=folder), call("cd", folder=folder))
    _step_into(story, folder)


def _enter_and_list(story: FileStory) -> None:
    folder = story.fresh_folders.pop()
    phrases = (
        "Go into {folder} and show me what is there.",
        "Open the folder {folder} and list it.",
        "Change to {folder}, then tell me what it holds.",
        "What is in the folder {folder}? Go there and look.",
    )
    story.read = story.turn(story.phrase(phrases, folder=folder), call("cd", folder=folder), call("ls"))
    _step_into(story, folder)


def _remove_it(story: FileStory) -> None:
    phrases = (
        "Delete that file.",
        "Remove the file that is there.",
        "I do not need it, delete that file.",
        "Delete it.",
    )
    story.turn(story.phrase(phrases), call("rm", file_name=_listed(story.read)))
    story.read = None


def _rename_it(story: FileStory) -> None:
    name = story.fresh_files.pop()
    phrases = (
        "Rename it to {name}.",
        "Call that file {name}.",
        "Change its name to {name}.",
        "Rename that file {name}.",
    )
    user = story.phrase(phrases, name=name)
    story.turn(user, call("mv", source=_listed(story.read), destination=name))
    story.read = None


def _clear(story: FileStory) -> None:
    folder = story.fresh_folders.pop()
    phrases = (
        "Go into {folder}, look which file is there and delete it.",
        "Open {folder}, list it and remove the one file in it.",
        "Change to {folder}, see what it holds and delete that file.",
        "There is one file in {folder}. Go there, list the folder and delete the file.",
    )
    story.turn(story.phrase(phrases, folder=folder), *_looking(folder), call("rm", file_name=_listed(story.steps + 1)))
    _step_into(story, folder)


def _rename_found(story: FileStory) -> None:
    folder, name = story.fresh_folders.pop(), story.fresh_files.pop()
    phrases = (
        "Go into {folder}, look which file is there and rename it to {name}.",
        "Open {folder}, list it and give the one file in it the name {name}.",
        "Change to {folder}, see what it holds and call that file {name}.",
        "There is one file in {folder}. Go there, list the folder and rename the file to {name}.",
    )
    user = story.phrase(phrases, folder=folder, name=name)
    story.turn(user, *_looking(folder), call("mv", source=_listed(story.steps + 1), destination=name))
    _step_into(story, folder)


def _looking(folder: str) -> tuple[PlannedCall, PlannedCall]:
    return call("cd", folder=folder), call("ls")


def _listed(step: int | None) -> From:
    """The one name that the listing of this step shows."""
    assert step is not None
    return result(step, "current_directory_content", 0)


def _step_into(story: FileStory, folder: str) -> None:
    story.path.append(folder)


def _is_up(story: FileStory) -> bool:
    return not story.path and bool(story.fresh_folders)


def _has_listed(story: FileStory) -> bool:
    return story.read is not None and is_down(story)


def _forget_and_go_up(story: FileStory) -> None:
    story.read = None
    up(story)


LOOK: Final = Family(
    "look",
    _boxes,
    (
        Move(_enter, 1, _is_up),
        Move(_forget_and_go_up, 1, is_down),
        Move(_remove_it, 1, _has_listed, weight=3),
        Move(_rename_it, 1, _has_listed, weight=3),
        Move(_enter_and_list, 2, _is_up, weight=3),
        Move(_clear, 3, _is_up, weight=2),
        Move(_rename_found, 3, _is_up, weight=2),
    ),
)
