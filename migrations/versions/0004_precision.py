"""A policy's precision, and the plays that a judgement rests on."""

from typing import Final

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ISO: Final = {
    "sqlite": "strftime('%Y-%m-%dT%H:%M:%fZ', {0} / 1000000.0, 'unixepoch')",
    "postgresql": """to_char(to_timestamp({0} / 1000000.0) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')""",
}
"""Microseconds since the epoch as ISO 8601, in UTC."""

V_POLICIES: Final = """
select p.id as policy, p.standing, p.round, p.parent, p.base, p.adapter, p.adapter_path, p.template,
  s.content as system_prompt, d.rows as dataset_rows, c.decision, c.reason, {decided} as decided,
  {added} as added{more}
from policy p
join prompt s on s.id = p.system
left join round r on r.id = p.round
left join dataset d on d.id = r.dataset
left join promotion c on c.id = (select max(o.id) from promotion o where o.candidate = p.id)
"""
MORE_OF_POLICIES: Final = """, coalesce(p.precision, 'base') as precision,
  case when p.standing = 'specialist' then 1 else 0 end as routed_only"""

V_GATES: Final = """
select g.round, g.gate, g.verdict, g.reason, g.champion_rate, g.candidate_rate, g.difference, g.low, g.high, g.margin,
  g.tasks, g.samples, g.improved,
  case when exists (select 1 from gate_pause w where w.gate in (g.gate, 'all')) then 1 else 0 end as paused,
  g.candidate, g.champion, {judged} as judged{more}
from gate_result g
"""
MORE_OF_GATES: Final = ", g.plays"


def upgrade() -> None:
    """Add both columns, and show them."""
    for table, column in (("policy", "precision text"), ("gate_result", "plays integer")):
        op.execute(f"alter table {table} add column {column}")
    _replace(MORE_OF_POLICIES, MORE_OF_GATES)


def downgrade() -> None:
    """Take both away."""
    _replace("", "")
    for table, column in (("policy", "precision"), ("gate_result", "plays")):
        op.execute(f"alter table {table} drop column {column}")


def _replace(of_policies: str, of_gates: str) -> None:
    connection = op.get_bind()
    moments = {name: ISO[connection.dialect.name].format(column) for name, column in MOMENTS.items()}
    for name, query, more in (("v_policies", V_POLICIES, of_policies), ("v_gates", V_GATES, of_gates)):
        connection.exec_driver_sql(f"drop view {name}")
        connection.exec_driver_sql(f"create view {name} as {query.format(**moments, more=more)}")


MOMENTS: Final = {"decided": "c.decided", "added": "p.added", "judged": "g.judged"}
