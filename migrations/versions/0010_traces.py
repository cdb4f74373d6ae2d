"""Conversations that happened elsewhere, what was made of them, and what people said of answers."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
ISO: Final = {
    "sqlite": "strftime('%Y-%m-%dT%H:%M:%fZ', {0} / 1000000.0, 'unixepoch')",
    "postgresql": """to_char(to_timestamp({0} / 1000000.0) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')""",
}
"""Microseconds since the epoch as ISO 8601, in UTC."""
KINDS: Final = "'up', 'down', 'edit', 'retry', 'override'"
APPENDED: Final = ("correction_rewrite", "update"), ("correction_erase", "delete")
MESSAGE: Final = "loopd: refused: what was said of an answer stays"
SQLITE: Final = """
create trigger refuse_{name} before {event} on correction
begin select raise(abort, '{message}'); end
"""
POSTGRESQL: Final = (
    """
create function refuse_{name}() returns trigger language plpgsql as $$
begin raise exception '{message}' using errcode = 'integrity_constraint_violation'; end $$
""",
    "create trigger refuse_{name} before {event} on correction for each row execute function refuse_{name}()",
)

V_TRACES: Final = """
select c.trajectory, c.format, c.source, c.line, c.licence, c.conversation, c.speaker, c.model,
  case when c.happened = 0 then null else {happened} end as happened, c.replaced, t.split, t.turns, t.calls,
  t.passed as accepted,
  (select count(*) from verdict v where v.trajectory = c.trajectory and v.passed = 0) as failed_filters,
  c.origin, c.arm, c.changes, {imported} as imported
from trace c
join trajectory t on t.id = c.trajectory
"""
V_CORRECTIONS: Final = """
select c.id as correction, c.trajectory, c.place, c.kind, c.author, c.note, c.body as correction_text,
  t.player, t.policy, c.request, {said} as said
from correction c
left join trajectory t on t.id = c.trajectory
"""
V_LEARNED: Final = """
select s.correction, c.kind, s.policy, p.standing, s.learned, s.answer, {scored} as scored
from correction_score s
join correction c on c.id = s.correction
left join policy p on p.id = s.policy
"""


def upgrade() -> None:
    """Create the tables, the triggers that keep corrections as they are, and the views."""
    _tables()
    connection = op.get_bind()
    dialect = connection.dialect.name
    for name, event in APPENDED:
        for statement in POSTGRESQL if dialect == "postgresql" else (SQLITE,):
            connection.exec_driver_sql(statement.format(name=name, event=event, message=MESSAGE))
    iso = ISO[dialect].format
    for view, query in (
        ("v_traces", V_TRACES.format(happened=iso("c.happened"), imported=iso("c.imported"))),
        ("v_corrections", V_CORRECTIONS.format(said=iso("c.said"))),
        ("v_learned", V_LEARNED.format(scored=iso("s.scored"))),
    ):
        connection.exec_driver_sql(f"create view {view} as {query}")


def _to(table: str, name: str) -> sa.ForeignKey:
    return sa.ForeignKey(f"{table}.id", name=op.f(name))


def _tables() -> None:
    op.create_table(
        "trace",
        sa.Column(
            "trajectory", sa.Text(), sa.ForeignKey("trajectory.id", name=op.f("fk_trace_trajectory")), nullable=False
        ),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("format", "source")),
        sa.Column("line", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("licence", "conversation", "speaker", "model")),
        sa.Column("happened", BIG, nullable=False),
        sa.Column("replaced", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), _to("trajectory", "fk_trace_origin"), nullable=True),
        sa.Column("arm", sa.Text(), nullable=False),
        sa.Column("changes", sa.Text(), nullable=False),
        sa.Column("imported", BIG, nullable=False),
        sa.PrimaryKeyConstraint("trajectory", name=op.f("pk_trace")),
        sqlite_strict=True,
    )
    op.create_index("ix_trace_origin", "trace", ["origin"])
    op.create_table(
        "correction",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column(
            "trajectory",
            sa.Text(),
            sa.ForeignKey("trajectory.id", name=op.f("fk_correction_trajectory")),
            nullable=True,
        ),
        sa.Column("place", sa.Integer(), nullable=True),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("kind", "author", "note", "request", "body")),
        sa.Column("said", BIG, nullable=False),
        sa.CheckConstraint(f"kind in ({KINDS})", name=op.f("ck_correction_kind")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_correction")),
        sa.UniqueConstraint("key", name=op.f("uq_correction_key")),
        sqlite_strict=True,
    )
    op.create_index("ix_correction_trajectory", "correction", ["trajectory"])
    op.create_table(
        "correction_score",
        sa.Column("correction", sa.Integer(), _to("correction", "fk_correction_score_correction"), nullable=False),
        sa.Column(
            "policy", sa.Text(), sa.ForeignKey("policy.id", name=op.f("fk_correction_score_policy")), nullable=False
        ),
        sa.Column("learned", sa.Integer(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("scored", BIG, nullable=False),
        sa.CheckConstraint("learned in (0, 1)", name=op.f("ck_correction_score_learned")),
        sa.PrimaryKeyConstraint("correction", "policy", name=op.f("pk_correction_score")),
        sqlite_strict=True,
    )


def downgrade() -> None:
    """Drop everything."""
    for view in ("v_learned", "v_corrections", "v_traces"):
        op.execute(f"drop view {view}")
    postgresql = op.get_bind().dialect.name == "postgresql"
    for name, _ in APPENDED:
        op.execute(f"drop trigger refuse_{name}" + (" on correction" if postgresql else ""))
        if postgresql:
            op.execute(f"drop function refuse_{name}()")
    for table in ("correction_score", "correction", "trace"):
        op.drop_table(table)
