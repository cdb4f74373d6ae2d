"""Routed sets: policies that several answer for, and what they read requests by."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
ISO: Final = {
    "sqlite": "strftime('%Y-%m-%dT%H:%M:%fZ', {0} / 1000000.0, 'unixepoch')",
    "postgresql": """to_char(to_timestamp({0} / 1000000.0) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')""",
}
"""Microseconds since the epoch as ISO 8601, in UTC."""

V_POLICIES: Final = """
select p.id as policy, p.standing, p.round, p.parent, p.base, p.adapter, p.adapter_path, p.template,
  s.content as system_prompt,
  case when d.id is null then null else
  (select count(*) from dataset_row w where w.dataset = d.id and w.left_out is null) end as dataset_rows,
  c.decision, c.reason, {decided} as decided,
  {added} as added, coalesce(p.precision, 'base') as precision,
  case when p.standing = 'specialist' then 1 else 0 end as routed_only{more}
from policy p
join prompt s on s.id = p.system
left join round r on r.id = p.round
left join dataset d on d.id = r.dataset
left join promotion c on c.id = (select max(o.id) from promotion o where o.candidate = p.id)
"""


def upgrade() -> None:
    """Add table and column, and show the column."""
    op.create_table(
        "topics",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("added", BIG, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_topics")),
        sqlite_strict=True,
    )
    op.execute("alter table policy add column routing text")
    _replace(", p.routing")


def downgrade() -> None:
    """Take both away."""
    _replace("")
    op.execute("alter table policy drop column routing")
    op.drop_table("topics")


def _replace(more: str) -> None:
    connection = op.get_bind()
    iso = ISO[connection.dialect.name]
    query = V_POLICIES.format(decided=iso.format("c.decided"), added=iso.format("p.added"), more=more)
    connection.exec_driver_sql("drop view v_policies")
    connection.exec_driver_sql(f"create view v_policies as {query}")
