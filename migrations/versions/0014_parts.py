"""A judgement's comparisons are rows; a dataset says which rows were left out; what is reported decides nothing."""

import json
from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

REAL = sa.Double().with_variant(sa.REAL(), "sqlite")
ISO: Final = {
    "sqlite": "strftime('%Y-%m-%dT%H:%M:%fZ', {0} / 1000000.0, 'unixepoch')",
    "postgresql": """to_char(to_timestamp({0} / 1000000.0) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')""",
}
"""Microseconds since the epoch as ISO 8601, in UTC."""
FIGURES: Final = ("champion_rate", "candidate_rate", "difference", "low", "high", "bound", "margin")

V_POLICIES: Final = """
select p.id as policy, p.standing, p.round, p.parent, p.base, p.adapter, p.adapter_path, p.template,
  s.content as system_prompt, {rows} as dataset_rows, c.decision, c.reason, {decided} as decided,
  {added} as added, coalesce(p.precision, 'base') as precision,
  case when p.standing = 'specialist' then 1 else 0 end as routed_only
from policy p
join prompt s on s.id = p.system
left join round r on r.id = p.round
left join dataset d on d.id = r.dataset
left join promotion c on c.id = (select max(o.id) from promotion o where o.candidate = p.id)
"""
CHOSEN_FROM: Final = "d.rows"
TRAINED_ON: Final = """case when d.id is null then null else
  (select count(*) from dataset_row w where w.dataset = d.id and w.left_out is null) end"""

V_GATES: Final = """
select g.round, g.gate, g.verdict, g.reason, g.champion_rate, g.candidate_rate, g.difference, g.low, g.high, g.margin,
  g.tasks, g.samples, g.improved,
  case when exists (select 1 from gate_pause w where w.gate in (g.gate, 'all')) then 1 else 0 end as paused,
  g.candidate, g.champion, {judged} as judged, g.plays{more}
from gate_result g{parts}
"""
NOW: Final = "replace(replace(g.gate, '-sealed', ''), '-external', '') = g.gate"
DECIDES: Final = f"case when {NOW} then 1 else 0 end"
WORDS: Final = {"known_words": "known words", "new_words": "new words", "unseen_families": "unseen families"}
PART: Final = """
left join gate_part {0} on {0}.candidate = g.candidate and {0}.champion = g.champion and {0}.gate = g.gate
  and {0}.part = '{1}'"""

V_GATE_PARTS: Final = """
select g.round, q.gate, q.part, q.verdict, case when {decides} = 0 then 0 else q.decides end as decides,
  q.champion_rate, q.candidate_rate, q.difference, q.low, q.high, q.bound, q.margin, q.tasks, q.samples, q.unit,
  q.beside, q.candidate, q.champion, {judged} as judged
from gate_part q
join gate_result g on g.candidate = q.candidate and g.champion = q.champion and g.gate = q.gate
"""

SOUND: Final = " where not exists (select 1 from defect f where f.task = score.task and f.kind = 'unsound')"
V_TRANSFER: Final = """
with of_task as (
  select policy, suite, fingerprint, task, avg(passed) as rate
  from score{sound} and policy is not null group by policy, suite, fingerprint, task
), evaluated as (
  select o.policy, o.suite, o.fingerprint, b.backend, count(*) as tasks, cast(avg(o.rate) as double precision) as rate
  from of_task o join task_backend b on b.task = o.task group by o.policy, o.suite, o.fingerprint, b.backend
), lesson as (
  select r.candidate as policy, r.id as round, w.dataset, w.trajectory
  from round r join dataset_row w on w.dataset = r.dataset where r.candidate is not null{left_out}
), whole as (
  select policy, round, count(*) as rows from lesson group by policy, round
), trained as (
  select l.policy, l.round, b.backend, count(*) as rows
  from lesson l
  join trajectory t on t.id = l.trajectory
  join task_backend b on b.task = t.task
  group by l.policy, l.round, b.backend
)
select n.round, n.policy, p.standing, n.backend as trained_backend, n.rows as trained_rows,
  cast(n.rows as double precision) / nullif(a.rows, 0) as trained_share, e.backend as evaluated_backend,
  s.name as suite, e.tasks, e.rate as pass_rate, o.rate as parent_pass_rate, e.rate - o.rate as difference
from trained n
join whole a on a.policy = n.policy and a.round = n.round
join policy p on p.id = n.policy
join evaluated e on e.policy = n.policy
join suite s on s.id = e.suite
left join evaluated o on o.policy = p.parent and o.suite = e.suite and o.fingerprint = e.fingerprint
  and o.backend = e.backend
"""

JUDGED: Final = (
    "from gate_result g where g.candidate = new.candidate "
    "and g.champion = (select p.id from policy p where p.standing = 'champion') and {counts}"
)
BEFORE: Final = "replace(g.gate, '-sealed', '') = g.gate"
REFUSED: Final = (
    "new.decision = 'promoted' and (new.gates < 1 "
    f"or exists (select 1 {JUDGED} and g.verdict <> 'holds') "
    f"or (select count(*) {JUDGED} and g.verdict = 'holds') <> new.gates)"
)
MESSAGE: Final = "loopd: refused: not every gate holds for exactly this candidate beside the present champion"
SQLITE: Final = (
    "drop trigger refuse_promotion_gates",
    f"""
create trigger refuse_promotion_gates before insert on promotion when {REFUSED}
begin select raise(abort, '{MESSAGE}'); end
""",
)
POSTGRESQL: Final = (
    f"""
create or replace function refuse_promotion_gates() returns trigger language plpgsql as $$
begin
  if {REFUSED} then
    raise exception '{MESSAGE}' using errcode = 'integrity_constraint_violation';
  end if;
  return new;
end $$
""",
)


def upgrade() -> None:
    """Add table and column, fill the table from the judgements that are there, and show all of it."""
    op.create_table(
        "gate_part",
        sa.Column("candidate", sa.Text(), nullable=False),
        sa.Column("champion", sa.Text(), nullable=False),
        sa.Column("gate", sa.Text(), nullable=False),
        sa.Column("place", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("part", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("decides", sa.Integer(), nullable=False),
        *(sa.Column(name, REAL, nullable=False) for name in FIGURES),
        sa.Column("tasks", sa.Integer(), nullable=False),
        sa.Column("samples", sa.Integer(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("beside", sa.Text(), nullable=True),
        sa.CheckConstraint("decides in (0, 1)", name=op.f("ck_gate_part_decides")),
        sa.CheckConstraint("verdict in ('holds', 'fails', 'inconclusive')", name=op.f("ck_gate_part_verdict")),
        sa.ForeignKeyConstraint(
            ["candidate", "champion", "gate"],
            ["gate_result.candidate", "gate_result.champion", "gate_result.gate"],
            name=op.f("fk_gate_part_candidate_champion_gate"),
        ),
        sa.PrimaryKeyConstraint("candidate", "champion", "gate", "place", name=op.f("pk_gate_part")),
        sqlite_strict=True,
    )
    op.execute("alter table dataset_row add column left_out integer")
    _fill()
    _refuse(NOW)
    _replace("v_policies", V_POLICIES, rows=TRAINED_ON)
    _replace("v_transfer", V_TRANSFER, sound=SOUND, left_out=" and w.left_out is null")
    words = [f"{name}.{column} as {name}_{told}" for name in WORDS for column, told in TOLD.items()]
    joins = "".join(PART.format(name, part) for name, part in WORDS.items())
    _replace("v_gates", V_GATES, more=", ".join(["", f"{DECIDES} as decides", *words]), parts=joins)
    _create("v_gate_parts", V_GATE_PARTS, decides=DECIDES)


TOLD: Final = {"candidate_rate": "rate", "difference": "difference"}


def downgrade() -> None:
    """Take it away."""
    op.execute("drop view v_gate_parts")
    _replace("v_gates", V_GATES, more="", parts="")
    _replace("v_transfer", V_TRANSFER, sound=SOUND, left_out="")
    _replace("v_policies", V_POLICIES, rows=CHOSEN_FROM)
    _refuse(BEFORE)
    op.execute("alter table dataset_row drop column left_out")
    op.drop_table("gate_part")


def _fill() -> None:
    """Make rows of the comparisons that stand in the judgements' texts; all of those decided."""
    connection, names = op.get_bind(), ("candidate", "champion", "gate")
    table = sa.table("gate_part", *(sa.column(name) for name in (*names, "place", "part", *COLUMNS)))
    for judged in connection.execute(sa.text("select candidate, champion, gate, body from gate_result")).all():
        whose = {name: getattr(judged, name) for name in names}
        rows = [
            whose
            | {"place": place, "part": part["name"], "decides": 1, "unit": part.get("unit", "rate"), "beside": None}
            | {name: part[name] for name in (*FIGURES, "verdict", "tasks", "samples")}
            for place, part in enumerate(json.loads(judged.body).get("parts", []))
        ]  # fmt: skip
        if rows:
            op.bulk_insert(table, rows)


COLUMNS: Final = ("verdict", "decides", *FIGURES, "tasks", "samples", "unit", "beside")


def _refuse(counts: str) -> None:
    connection = op.get_bind()
    for statement in POSTGRESQL if connection.dialect.name == "postgresql" else SQLITE:
        connection.exec_driver_sql(statement.format(counts=counts))


def _replace(view: str, query: str, **words: str) -> None:
    op.execute(f"drop view {view}")
    _create(view, query, **words)


def _create(view: str, query: str, **words: str) -> None:
    connection = op.get_bind()
    iso = ISO[connection.dialect.name]
    moments = {"decided": iso.format("c.decided"), "added": iso.format("p.added"), "judged": iso.format("g.judged")}
    connection.exec_driver_sql(f"create view {view} as {query.format(**moments | words)}")
