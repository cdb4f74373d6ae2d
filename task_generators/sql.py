"""Tasks on small databases: names of tables, ids and numbers come from results; the rest is told."""

from typing import Final

from task_generators.families.sql.look import LOOK
from task_generators.families.sql.lookup import NOTE, SAME, TOP
from task_generators.families.sql.read import READ
from task_generators.families.sql.story import BACKEND
from task_generators.families.sql.write import WRITE
from task_generators.writing.generator import Domain, Generator

__all__ = ["Sql"]

TOOLS: Final = ("list_tables", "describe_table", "query", "execute")

DOMAIN: Final = Domain((BACKEND,), TOOLS, (READ, LOOK, WRITE, NOTE, TOP, SAME))


class Sql(Generator):
    """Tasks on SQL: every task has a database of its own."""

    domains = (DOMAIN,)
