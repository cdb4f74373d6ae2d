"""Tasks on the file system: tidying up, walking deep trees, and doing what a file says."""

from typing import Final

from task_generators.families.files.copies import COPIES
from task_generators.families.files.look import LOOK
from task_generators.families.files.notes import NOTES
from task_generators.families.files.project import PROJECT
from task_generators.families.files.story import BACKEND, FileStory
from task_generators.families.files.tidy import TIDY
from task_generators.families.files.walk import WALK
from task_generators.writing.generator import Generator
from task_generators.writing.story import Family

__all__ = ["Files"]

TOOLS: Final = ("ls", "cd", "mkdir", "touch", "mv", "cp", "rm", "cat")


class Files(Generator):
    """Tasks on GorillaFileSystem. Everything that a call needs stands in the user's words, but for what notes say."""

    @property
    def name(self) -> str:
        """The module's name."""
        return "files"

    @property
    def backends(self) -> tuple[str, ...]:
        """The file system alone."""
        return (BACKEND,)

    @property
    def some(self) -> tuple[str, ...]:
        """The tools that the families need, and `ls`."""
        return TOOLS

    @property
    def families(self) -> tuple[Family[FileStory], ...]:
        """The kinds of task."""
        return TIDY, WALK, NOTES, COPIES, LOOK, PROJECT
