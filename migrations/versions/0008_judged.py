"""A gate's play is accepted where its score says so; an adapter's directory is named within the models.

A suite's own checkers had left a play without an answer, and the whole path broke when the data were moved.
"""

from typing import Final

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

ACCEPTED: Final = """
update trajectory set passed = judged.passed
from (select trajectory, max(passed) as passed from score where trajectory is not null group by trajectory) as judged
where judged.trajectory = trajectory.id and trajectory.purpose = 'gate'
"""
ADAPTERS: Final = "update policy set adapter_path = adapter"


def upgrade() -> None:
    """Say both anew, in the rows that are there."""
    for statement in (ACCEPTED, ADAPTERS):
        op.execute(statement)


def downgrade() -> None:
    """Leave the rows: no column has changed."""
