"""What the database refuses, whoever asks: rules 4 and 5 where a key alone cannot hold them."""

from typing import Final, NamedTuple

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


class Refusal(NamedTuple):
    """One trigger: on which event of which table, under which condition, and what it says."""

    name: str
    event: str
    table: str
    condition: str
    message: str


CHAMPION: Final = "(select p.id from policy p where p.standing = 'champion')"
JUDGED: Final = f"from gate_result g where g.candidate = new.candidate and g.champion = {CHAMPION}"
CROWNED: Final = "from promotion o where o.decision in ('first', 'promoted', 'rollback')"
EARLIER: Final = f"select 1 {CROWNED}"
LATEST: Final = f"select o.candidate {CROWNED} order by o.id desc limit 1"

REFUSALS: Final = (
    Refusal(
        "promotion_gates",
        "insert",
        "promotion",
        f"new.decision = 'promoted' and (new.gates < 1 or exists (select 1 {JUDGED} and g.verdict <> 'holds') "
        f"or (select count(*) {JUDGED} and g.verdict = 'holds') <> new.gates)",
        "not every gate holds for exactly this candidate beside the present champion",
    ),
    Refusal(
        "promotion_paused",
        "insert",
        "promotion",
        "new.decision = 'promoted' and exists (select 1 from gate_pause)",
        "a gate is paused",
    ),
    Refusal(
        "promotion_first",
        "insert",
        "promotion",
        f"new.decision = 'first' and exists ({EARLIER})",
        "there was a champion before",
    ),
    Refusal(
        "promotion_rollback",
        "insert",
        "promotion",
        f"new.decision = 'rollback' and not exists ({EARLIER} and o.candidate = new.candidate)",
        "it never was champion",
    ),
    Refusal("promotion_rewrite", "update", "promotion", "1 = 1", "a decision stands"),
    Refusal("promotion_erase", "delete", "promotion", "1 = 1", "a decision stands"),
    Refusal(
        "policy_born_champion",
        "insert",
        "policy",
        "new.standing = 'champion'",
        "a champion is made by a decision",
    ),
    Refusal(
        "policy_crown",
        "update",
        "policy",
        f"new.standing = 'champion' and old.standing <> 'champion' and new.id is distinct from ({LATEST})",
        "the latest decision crowned another policy, or none",
    ),
    Refusal("policy_identity", "update", "policy", "new.id <> old.id", "a policy keeps its digest"),
    Refusal(
        "suite_task_split",
        "insert",
        "suite_task",
        "exists (select 1 from task t where t.id = new.task and t.split = 'train')",
        "a suite holds held-out and sealed tasks only",
    ),
)

SQLITE: Final = """
create trigger refuse_{name} before {event} on {table} when {condition}
begin select raise(abort, 'loopd: refused: {message}'); end
"""
POSTGRESQL: Final = (
    """
create function refuse_{name}() returns trigger language plpgsql as $$
begin
  if {condition} then
    raise exception 'loopd: refused: {message}' using errcode = 'integrity_constraint_violation';
  end if;
  return {row};
end $$
""",
    "create trigger refuse_{name} before {event} on {table} for each row execute function refuse_{name}()",
)


def upgrade() -> None:
    """Create the triggers."""
    postgresql = op.get_bind().dialect.name == "postgresql"
    for refusal in REFUSALS:
        words = refusal._asdict() | {"row": "old" if refusal.event == "delete" else "new"}
        for statement in POSTGRESQL if postgresql else (SQLITE.replace("is distinct from", "is not"),):
            op.get_bind().exec_driver_sql(statement.format(**words))


def downgrade() -> None:
    """Drop the triggers."""
    postgresql = op.get_bind().dialect.name == "postgresql"
    for refusal in REFUSALS:
        op.execute(f"drop trigger refuse_{refusal.name}" + (f" on {refusal.table}" if postgresql else ""))
        if postgresql:
            op.execute(f"drop function refuse_{refusal.name}()")
