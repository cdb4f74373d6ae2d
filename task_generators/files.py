"""Tasks on the file system: tidying up, walking deep trees, and doing what a file says."""

from typing import Final

from task_generators.families.files.copies import COPIES
from task_generators.families.files.look import LOOK
from task_generators.families.files.notes import NOTES
from task_generators.families.files.project import PROJECT
from task_generators.families.files.story import BACKEND
from task_generators.families.files.tidy import TIDY
from task_generators.families.files.walk import WALK
from task_generators.writing.generator import Domain, Generator

__all__ = ["Files"]

TOOLS: Final = ("ls", "cd", "mkdir", "touch", "mv", "cp", "rm", "cat")

DOMAIN: Final = Domain((BACKEND,), TOOLS, (TIDY, WALK, NOTES, COPIES, LOOK, PROJECT))


class Files(Generator):
    """Tasks on GorillaFileSystem. Everything that a call needs stands in the user's words, but for what notes say."""

    domains = (DOMAIN,)
