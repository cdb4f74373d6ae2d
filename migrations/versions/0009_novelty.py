"""A task says what is new in it besides its values: known words, new words, or a family that is never trained."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Leave it open for the tasks that are there."""
    op.add_column("task", sa.Column("novelty", sa.Text()))


def downgrade() -> None:
    """Forget it."""
    op.drop_column("task", "novelty")
