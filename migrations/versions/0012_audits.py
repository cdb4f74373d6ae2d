"""Audits of wins: whether they hold in a second world and before the checkers of today, and the view of them."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

MOMENT: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
ISO: Final = {
    "sqlite": "strftime('%Y-%m-%dT%H:%M:%fZ', {0} / 1000000.0, 'unixepoch')",
    "postgresql": """to_char(to_timestamp({0} / 1000000.0) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')""",
}
"""Microseconds since the epoch as ISO 8601, in UTC."""

V_AUDITS: Final = """
select a.round, a.trajectory, a.passed as held, a.checker, a.version, a.reason, t.player, t.policy, k.arm, k.backends,
  k.family, k.tier, t.task, {iso} as audited
from audit a
join trajectory t on t.id = a.trajectory
join task k on k.id = t.task
"""


def upgrade() -> None:
    """Create the table and the view."""
    op.create_table(
        "audit",
        sa.Column("trajectory", sa.Text(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("passed", sa.Integer(), nullable=False),
        sa.Column("checker", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("audited", MOMENT, nullable=False),
        sa.CheckConstraint("passed in (0, 1)", name=op.f("ck_audit_passed")),
        sa.ForeignKeyConstraint(["round"], ["round.id"], name=op.f("fk_audit_round")),
        sa.ForeignKeyConstraint(["trajectory"], ["trajectory.id"], name=op.f("fk_audit_trajectory")),
        sa.PrimaryKeyConstraint("trajectory", name=op.f("pk_audit")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_audit_round"), "audit", ["round"])
    connection = op.get_bind()
    audited = ISO[connection.dialect.name].format("a.audited")
    connection.exec_driver_sql(f"create view v_audits as {V_AUDITS.format(iso=audited)}")


def downgrade() -> None:
    """Drop them."""
    op.execute("drop view v_audits")
    op.drop_table("audit")
