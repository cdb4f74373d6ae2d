"""A gate's suite that was drawn larger, since too little of it could be gained, and why."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "growth",
        sa.Column("suite", sa.Text(), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("grown", BIG, nullable=False),
        sa.ForeignKeyConstraint(["round"], ["round.id"], name=op.f("fk_growth_round")),
        sa.PrimaryKeyConstraint("suite", name=op.f("pk_growth")),
        sqlite_strict=True,
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("growth")
