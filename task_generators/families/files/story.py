"""What the author of a file task keeps in mind: the tree, and where the play stands in it."""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from pydantic import JsonValue

from loop.types import PlannedCall
from task_generators.writing import words
from task_generators.writing.draws import Draws
from task_generators.writing.story import Story

BACKEND: Final = "GorillaFileSystem"

Folder = dict[str, Any]
"""A name's value is a file's text, or another folder."""


@dataclass
class FileStory(Story):
    """What the author knows of the tree by now, and where the play stands in it."""

    words: ClassVar[str] = "files"

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
    listed: bool = False
    """Whether the user has seen what lies here."""

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

    def turn(self, user: str, *plan: PlannedCall, **more: Any) -> int:  # noqa: ANN401 - as the story takes it
        """Add a turn: what the user has seen of the folder may be past."""
        self.listed = False
        return super().turn(user, *plan, **more)

    def placed(self) -> tuple[str, str]:
        """Draw a file, and a folder beside it that holds none of its name."""
        return self.rng.choice([(file, folder) for folder in self.folders for file in self.free_of(folder)])

    def free_of(self, folder: str) -> list[str]:
        """Files here whose name does not stand in a folder here: moving or copying another one there would fail."""
        return [file for file in self.files if file not in self.here[folder]]

    def file(self) -> str:
        """Draw a file of this folder."""
        return self.rng.choice(self.files)

    def folder(self) -> str:
        """Draw a folder of this folder."""
        return self.rng.choice(self.folders)


# --- openings --------------------------------------------------------------------------------------------------------

TWINS: Final = 0.3
"""Share of files beside which another one lies that differs by its ending or by a word."""

JOINED: Final = 0.25
"""Share of files with two words in their name."""


def file_names(rng: Draws, count: int) -> list[str]:
    """Draw file names, some of which are easily mistaken for each other."""
    topics = rng.alike(words.TOPICS, count)
    names: dict[str, None] = {}
    for topic in topics:
        stem, ending, luck = topic, rng.choice(words.EXTENSIONS), rng.random()
        if luck > 1 - JOINED and topic != topics[0]:
            stem = f"{topic}-{topics[0]}"
        names[f"{stem}.{ending}"] = None
        if luck < TWINS:
            names[_twin(rng, stem, ending)] = None
        if len(names) >= count:
            break
    return list(names)[:count]


def _twin(rng: Draws, stem: str, ending: str) -> str:
    """Name a file that is easily mistaken for another."""
    form = rng.choice(("{0}.{2}", "{0}-old.{1}", "new-{0}.{1}", "{0}2.{1}", "{0}-final.{1}"))
    return form.format(stem, ending, "csv" if ending == "txt" else "txt")


def folder_names(rng: Draws, count: int) -> list[str]:
    """Draw names of folders, some of which are easily mistaken for each other."""
    return rng.alike(words.PLACES, count)


def _story(rng: Draws, root: Folder, files: list[str], folders: list[str]) -> FileStory:
    initial: dict[str, JsonValue] = {BACKEND: {"root": {"workspace": state_of(root)}}}
    return FileStory(rng=rng, initial=initial, root=root, fresh_files=files, fresh_folders=folders)


def state_of(value: Folder | str) -> dict[str, JsonValue]:
    """Spell a tree in the backend's own words."""
    if isinstance(value, str):
        return {"type": "file", "content": value}
    return {"type": "directory", "contents": {name: state_of(inner) for name, inner in value.items()}}


def flat_tree(rng: Draws) -> FileStory:
    """Some files and one or two folders, side by side."""
    files, folders = file_names(rng, 28), folder_names(rng, 16)
    root: Folder = {files.pop(): "text" for _ in range(rng.randint(3, 5))}
    root |= {folders.pop(): {} for _ in range(rng.randint(1, 2))}
    return _story(rng, root, files, folders)


def deep_tree(rng: Draws) -> FileStory:
    """A tree of four levels; every folder holds files and one or two folders."""
    files, folders = file_names(rng, 60), folder_names(rng, 40)

    def grow(levels: int) -> Folder:
        tree: Folder = {files.pop(): "text" for _ in range(rng.randint(1, 2))}
        if levels:
            tree |= {folders.pop(): grow(levels - 1) for _ in range(rng.randint(1, 2))}
        return tree

    return _story(rng, grow(4), files, folders)


def noted_tree(rng: Draws) -> FileStory:
    """Files, folders, and notes, each with one name in it: of something here, or of something to be made."""
    story = flat_tree(rng)
    for name in story.fresh_files[-3:]:
        story.root[name] = "text"
    del story.fresh_files[-3:]
    story.unheld = story.files[2:]
    held = [*story.fresh_folders[:5], *story.fresh_files[:5], *story.files[:2], *story.folders]
    story.fresh_files, story.fresh_folders = story.fresh_files[5:], story.fresh_folders[5:]
    story.notes = dict(zip(_note_names(rng, len(held)), held, strict=True))
    story.initial[BACKEND] = {"root": {"workspace": state_of(story.root | story.notes)}}
    return story


def _note_names(rng: Draws, count: int) -> list[str]:
    """Draw names of notes, which no other file has."""
    return [f"{topic}-{rng.choice(('note', 'memo', 'hint'))}.txt" for topic in rng.some(words.TOPICS, count)]
