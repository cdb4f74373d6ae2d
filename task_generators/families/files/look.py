"""Looking into folders: what lies there, only the listing tells."""

from typing import Final

from loop.types import From
from task_generators.families.files.story import BACKEND, FileStory, file_names, folder_names, state_of
from task_generators.families.files.walk import is_down, up
from task_generators.writing.draws import Draws
from task_generators.writing.story import Family, Move, call, result


def _boxes(rng: Draws) -> FileStory:
    """Ten folders with one file each."""
    files, folders = file_names(rng, 24), folder_names(rng, 10)
    root = {folder: {files.pop(): "text"} for folder in folders}
    story = FileStory(rng, {BACKEND: {"root": {"workspace": state_of(root)}}}, root=root, fresh_files=files)
    story.fresh_folders = list(folders)
    return story


def _enter(story: FileStory) -> None:
    folder = story.fresh_folders.pop()
    story.add("enter", call("cd", folder=folder), folder=folder)
    story.path.append(folder)


def _list(story: FileStory) -> None:
    story.read = story.add("list", call("ls"), tells={"names": _all_listed(story.steps)})


def _enter_and_list(story: FileStory) -> None:
    folder, names = story.fresh_folders.pop(), _all_listed(story.steps + 1)
    story.read = story.add(
        "enter_and_list", call("cd", folder=folder), call("ls"), tells={"names": names}, folder=folder
    )
    story.path.append(folder)


def _remove_it(story: FileStory) -> None:
    name = _listed(story.read)
    story.add("remove_it", call("rm", file_name=name), names={"name": name})
    story.read = None


def _rename_it(story: FileStory) -> None:
    file, name = _listed(story.read), story.fresh_files.pop()
    story.add("rename_it", call("mv", source=file, destination=name), names={"file": file}, name=name)
    story.read = None


def _clear(story: FileStory) -> None:
    folder, name = story.fresh_folders.pop(), _listed(story.steps + 1)
    looking = call("cd", folder=folder), call("ls")
    story.add("clear", *looking, call("rm", file_name=name), names={"name": name}, folder=folder)
    story.path.append(folder)


def _rename_found(story: FileStory) -> None:
    folder, file, name = story.fresh_folders.pop(), _listed(story.steps + 1), story.fresh_files.pop()
    looking = call("cd", folder=folder), call("ls")
    renaming = call("mv", source=file, destination=name)
    story.add("rename_found", *looking, renaming, names={"file": file}, folder=folder, name=name)
    story.path.append(folder)


def _all_listed(step: int) -> From:
    """The names that the listing of this step shows."""
    return result(step, "current_directory_content")


def _listed(step: int | None) -> From:
    """The one name that the listing of this step shows."""
    assert step is not None
    return result(step, "current_directory_content", 0)


def _is_up(story: FileStory) -> bool:
    return not story.path and bool(story.fresh_folders)


def _has_entered(story: FileStory) -> bool:
    """Whether the user went into a folder in the last turn, and has not seen what lies there."""
    return is_down(story) and bool(story.turns) and [call.name for call in story.turns[-1].plan] == ["cd"]


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
        Move(_list, 1, _has_entered, weight=3),
        Move(_forget_and_go_up, 1, is_down),
        Move(_remove_it, 1, _has_listed, weight=3),
        Move(_rename_it, 1, _has_listed, weight=3),
        Move(_enter_and_list, 2, _is_up, weight=3),
        Move(_clear, 3, _is_up, weight=2),
        Move(_rename_found, 3, _is_up, weight=2),
    ),
)
