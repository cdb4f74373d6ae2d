"""What the author of a file task keeps in mind: the tree, and where the play stands in it."""

from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from pydantic import JsonValue

from task_generators.writing import words
from task_generators.writing.story import Story

BACKEND: Final = "GorillaFileSystem"

Folder = dict[str, Any]
"""A name's value is a file's text, or another folder."""


@dataclass
class FileStory(Story):
    """What the author knows of the tree by now, and where the play stands in it."""

    root: Folder = field(default_factory=dict)
    path: list[str] = field(default_factory=list)
    fresh_files: list[str] = field(default_factory=list)
    """Names that stand nowhere yet."""
    fresh_folders: list[str] = field(default_factory=list)
    last: str = ""
    """The folder that the last turn was about, where it lies in the present folder."""
    notes: dict[str, str] = field(default_factory=dict)
    """Notes that nobody has read yet, and the name that each one holds."""
    unheld: list[str] = field(default_factory=list)
    """Files here that no note names: the user may."""
    read: int | None = None
    """The step that read a note whose name nothing has been done with."""

    @property
    def here(self) -> Folder:
        """The folder in which the play stands."""
        folder = self.root
        for name in self.path:
            folder = folder[name]
        return folder

    @property
    def files(self) -> list[str]:
        """Files here."""
        return [name for name, value in self.here.items() if isinstance(value, str)]

    @property
    def folders(self) -> list[str]:
        """Folders here."""
        return [name for name, value in self.here.items() if isinstance(value, dict)]

    def file(self) -> str:
        """Draw a file of this folder."""
        return self.rng.choice(self.files)

    def folder(self) -> str:
        """Draw a folder of this folder."""
        return self.rng.choice(self.folders)


# --- openings --------------------------------------------------------------------------------------------------------


def file_names(rng: Random, count: int) -> list[str]:
    """Draw file names of different topics."""
    return [f"{topic}.{rng.choice(words.EXTENSIONS)}" for topic in words.some(rng, words.TOPICS, count)]


def _story(rng: Random, root: Folder, files: list[str], folders: list[str]) -> FileStory:
    initial: dict[str, JsonValue] = {BACKEND: {"root": {"workspace": state_of(root)}}}
    return FileStory(rng=rng, initial=initial, root=root, fresh_files=files, fresh_folders=folders)


def state_of(value: Folder | str) -> dict[str, JsonValue]:
    """Spell a tree in the backend's own words."""
    if isinstance(value, str):
        return {"type": "file", "content": value}
    return {"type": "directory", "contents": {name: state_of(inner) for name, inner in value.items()}}


def flat_tree(rng: Random) -> FileStory:
    """Some files and one or two folders, side by side."""
    files, folders = file_names(rng, 36), words.some(rng, words.PLACES, 16)
    root: Folder = {files.pop(): "text" for _ in range(rng.randint(3, 5))}
    root |= {folders.pop(): {} for _ in range(rng.randint(1, 2))}
    return _story(rng, root, files, folders)


def deep_tree(rng: Random) -> FileStory:
    """A tree of four levels; every folder holds files and one or two folders."""
    files, folders = file_names(rng, 60), words.some(rng, words.PLACES, 40)

    def grow(levels: int) -> Folder:
        tree: Folder = {files.pop(): "text" for _ in range(rng.randint(1, 2))}
        if levels:
            tree |= {folders.pop(): grow(levels - 1) for _ in range(rng.randint(1, 2))}
        return tree

    return _story(rng, grow(4), files, folders)


def noted_tree(rng: Random) -> FileStory:
    """Files, folders, and notes, each with one name in it: of something here, or of something to be made."""
    story = flat_tree(rng)
    for name in story.fresh_files[-3:]:
        story.root[name] = "text"
    del story.fresh_files[-3:]
    story.unheld = story.files[2:]
    held = [*story.fresh_folders[:5], *story.fresh_files[:5], *story.files[:2], *story.folders]
    story.notes = {story.fresh_files.pop().split(".")[0] + ".txt": name for name in held}
    story.fresh_files, story.fresh_folders = story.fresh_files[5:], story.fresh_folders[5:]
    story.initial[BACKEND] = {"root": {"workspace": state_of(story.root | story.notes)}}
    return story
