"""The tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
REAL = sa.Double().with_variant(sa.REAL(), "sqlite")
OUTSIDE = """
insert into round (id, state, seed, config, attempts, reason, started, changed)
values (0, 'done', '0', '', 0, 'plays outside any round', 0, 0)
"""


def upgrade() -> None:
    """Create every table, and round 0."""
    op.create_table(
        "arm",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("backends", sa.Text(), nullable=False),
        sa.Column("family", sa.Text(), nullable=False),
        sa.Column("tier", sa.Text(), nullable=False),
        sa.Column("alpha", REAL, nullable=False),
        sa.Column("beta", REAL, nullable=False),
        sa.Column("low", REAL, nullable=False),
        sa.Column("high", REAL, nullable=False),
        sa.Column("plays", BIG, nullable=False),
        sa.Column("wins", BIG, nullable=False),
        sa.Column("last_round", sa.Integer(), nullable=True),
        sa.Column("teacher_plays", BIG, nullable=False),
        sa.Column("at_promotion", REAL, nullable=True),
        sa.Column("frozen", sa.Integer(), nullable=False),
        sa.Column("weight", REAL, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("changed", BIG, nullable=False),
        sa.CheckConstraint("tier in ('easy', 'moderate', 'hard', 'veryhard')", name=op.f("ck_arm_tier")),
        sa.CheckConstraint("frozen in (0, 1)", name=op.f("ck_arm_frozen")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_arm")),
        sqlite_strict=True,
    )
    op.create_table(
        "catalogue",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tools", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_catalogue")),
        sqlite_strict=True,
    )
    op.create_table(
        "dataset",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("counts", sa.Text(), nullable=False),
        sa.Column("rules", sa.Text(), nullable=False),
        sa.Column("made", BIG, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dataset")),
        sqlite_strict=True,
    )
    op.create_table(
        "event",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("fields", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_event_kind"), "event", ["kind"], unique=False)
    op.create_table(
        "gate_pause",
        sa.Column("gate", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("paused", BIG, nullable=False),
        sa.PrimaryKeyConstraint("gate", name=op.f("pk_gate_pause")),
        sqlite_strict=True,
    )
    op.create_table(
        "leak_group",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("split", sa.Text(), nullable=False),
        sa.CheckConstraint("split in ('train', 'heldout', 'sealed')", name=op.f("ck_leak_group_split")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leak_group")),
        sa.UniqueConstraint("name", "split", name=op.f("uq_leak_group_name_split")),
        sqlite_strict=True,
    )
    op.create_table(
        "lease",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("expires", BIG, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_lease")),
        sqlite_strict=True,
    )
    op.create_table(
        "prompt",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_prompt")),
        sqlite_strict=True,
    )
    op.create_table(
        "quota",
        sa.Column("credential", sa.Text(), nullable=False),
        sa.Column("until", REAL, nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("changed", BIG, nullable=False),
        sa.PrimaryKeyConstraint("credential", name=op.f("pk_quota")),
        sqlite_strict=True,
    )
    op.create_table(
        "required_checker",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_required_checker")),
        sqlite_strict=True,
    )
    op.create_table(
        "suite",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("tasks", sa.Integer(), nullable=False),
        sa.Column("added", BIG, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_suite")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_suite_name"), "suite", ["name"], unique=False)
    op.create_table(
        "policy",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("base", sa.Text(), nullable=False),
        sa.Column("adapter", sa.Text(), nullable=True),
        sa.Column("system", sa.Text(), nullable=False),
        sa.Column("template", sa.Text(), nullable=False),
        sa.Column("parent", sa.Text(), nullable=True),
        sa.Column("standing", sa.Text(), nullable=False),
        sa.Column("adapter_path", sa.Text(), nullable=True),
        sa.Column("round", sa.Integer(), nullable=True),
        sa.Column("added", BIG, nullable=False),
        sa.Column("changed", BIG, nullable=False),
        sa.CheckConstraint(
            "standing in ('champion', 'candidate', 'rejected', 'retired', 'specialist')",
            name=op.f("ck_policy_standing"),
        ),
        sa.ForeignKeyConstraint(["parent"], ["policy.id"], name=op.f("fk_policy_parent")),
        sa.ForeignKeyConstraint(["system"], ["prompt.id"], name=op.f("fk_policy_system")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_policy")),
        sqlite_strict=True,
    )
    op.create_index(
        "uq_policy_champion",
        "policy",
        ["standing"],
        unique=True,
        sqlite_where=sa.text("standing = 'champion'"),
        postgresql_where=sa.text("standing = 'champion'"),
    )
    op.create_table(
        "task",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("generator", sa.Text(), nullable=False),
        sa.Column("family", sa.Text(), nullable=False),
        sa.Column("tier", sa.Text(), nullable=False),
        sa.Column("seed", sa.Text(), nullable=False),
        sa.Column("arm", sa.Text(), nullable=False),
        sa.Column("backends", sa.Text(), nullable=False),
        sa.Column("split", sa.Text(), nullable=False),
        sa.Column("leak_group", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("turns", sa.Integer(), nullable=False),
        sa.Column("planned_calls", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("added", BIG, nullable=False),
        sa.CheckConstraint("tier in ('easy', 'moderate', 'hard', 'veryhard')", name=op.f("ck_task_tier")),
        sa.ForeignKeyConstraint(
            ["leak_group", "split"], ["leak_group.name", "leak_group.split"], name=op.f("fk_task_leak_group_split")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task")),
        sa.UniqueConstraint("id", "split", name=op.f("uq_task_id_split")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_task_arm"), "task", ["arm"], unique=False)
    op.create_index(op.f("ix_task_leak_group"), "task", ["leak_group"], unique=False)
    op.create_table(
        "defect",
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("added", BIG, nullable=False),
        sa.ForeignKeyConstraint(["task"], ["task.id"], name=op.f("fk_defect_task")),
        sa.PrimaryKeyConstraint("task", "kind", "source", name=op.f("pk_defect")),
        sqlite_strict=True,
    )
    op.create_table(
        "round",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("seed", sa.Text(), nullable=False),
        sa.Column("config", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("dataset", sa.Text(), nullable=True),
        sa.Column("candidate", sa.Text(), nullable=True),
        sa.Column("started", BIG, nullable=False),
        sa.Column("changed", BIG, nullable=False),
        sa.CheckConstraint(
            "state in ('sample', 'collect', 'check', 'train', 'gate', 'promote', 'done', 'failed')",
            name=op.f("ck_round_state"),
        ),
        sa.ForeignKeyConstraint(["candidate"], ["policy.id"], name=op.f("fk_round_candidate")),
        sa.ForeignKeyConstraint(["dataset"], ["dataset.id"], name=op.f("fk_round_dataset")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_round")),
        sqlite_strict=True,
    )
    op.create_table(
        "suite_task",
        sa.Column("suite", sa.Text(), nullable=False),
        sa.Column("place", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["suite"], ["suite.id"], name=op.f("fk_suite_task_suite")),
        sa.ForeignKeyConstraint(["task"], ["task.id"], name=op.f("fk_suite_task_task")),
        sa.PrimaryKeyConstraint("suite", "place", name=op.f("pk_suite_task")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_suite_task_task"), "suite_task", ["task"], unique=False)
    op.create_table(
        "task_backend",
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("backend", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["task"], ["task.id"], name=op.f("fk_task_backend_task")),
        sa.PrimaryKeyConstraint("task", "backend", name=op.f("pk_task_backend")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_task_backend_backend"), "task_backend", ["backend"], unique=False)
    op.create_table(
        "gate_result",
        sa.Column("candidate", sa.Text(), nullable=False),
        sa.Column("champion", sa.Text(), nullable=False),
        sa.Column("gate", sa.Text(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("champion_rate", REAL, nullable=False),
        sa.Column("candidate_rate", REAL, nullable=False),
        sa.Column("difference", REAL, nullable=False),
        sa.Column("low", REAL, nullable=False),
        sa.Column("high", REAL, nullable=False),
        sa.Column("margin", REAL, nullable=False),
        sa.Column("tasks", sa.Integer(), nullable=False),
        sa.Column("samples", sa.Integer(), nullable=False),
        sa.Column("improved", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("judged", BIG, nullable=False),
        sa.CheckConstraint("verdict in ('holds', 'fails', 'inconclusive')", name=op.f("ck_gate_result_verdict")),
        sa.CheckConstraint("improved in (0, 1)", name=op.f("ck_gate_result_improved")),
        sa.ForeignKeyConstraint(["candidate"], ["policy.id"], name=op.f("fk_gate_result_candidate")),
        sa.ForeignKeyConstraint(["champion"], ["policy.id"], name=op.f("fk_gate_result_champion")),
        sa.ForeignKeyConstraint(["round"], ["round.id"], name=op.f("fk_gate_result_round")),
        sa.PrimaryKeyConstraint("candidate", "champion", "gate", name=op.f("pk_gate_result")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_gate_result_round"), "gate_result", ["round"], unique=False)
    op.create_table(
        "opening",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("suite", sa.Text(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("opened", BIG, nullable=False),
        sa.ForeignKeyConstraint(["policy"], ["policy.id"], name=op.f("fk_opening_policy")),
        sa.ForeignKeyConstraint(["round"], ["round.id"], name=op.f("fk_opening_round")),
        sa.ForeignKeyConstraint(["suite"], ["suite.id"], name=op.f("fk_opening_suite")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_opening")),
        sa.UniqueConstraint("suite", "policy", "round", name=op.f("uq_opening_suite_policy_round")),
        sqlite_strict=True,
    )
    op.create_table(
        "play",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("position", BIG, nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("part", sa.Text(), nullable=False),
        sa.Column("player", sa.Text(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=True),
        sa.Column("suite", sa.Text(), nullable=True),
        sa.Column("system", sa.Text(), nullable=False),
        sa.Column("sample", sa.Integer(), nullable=False),
        sa.Column("seed", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("steps_per_turn", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("failure_message", sa.Text(), nullable=True),
        sa.Column("retry_at", REAL, nullable=True),
        sa.Column("owed", BIG, nullable=False),
        sa.Column("ended", BIG, nullable=True),
        sa.CheckConstraint("purpose in ('train', 'gate')", name=op.f("ck_play_purpose")),
        sa.CheckConstraint("state in ('owed', 'done', 'dead')", name=op.f("ck_play_state")),
        sa.ForeignKeyConstraint(["policy"], ["policy.id"], name=op.f("fk_play_policy")),
        sa.ForeignKeyConstraint(["round"], ["round.id"], name=op.f("fk_play_round")),
        sa.ForeignKeyConstraint(["suite"], ["suite.id"], name=op.f("fk_play_suite")),
        sa.ForeignKeyConstraint(["system"], ["prompt.id"], name=op.f("fk_play_system")),
        sa.ForeignKeyConstraint(["task"], ["task.id"], name=op.f("fk_play_task")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_play")),
        sa.UniqueConstraint("key", name=op.f("uq_play_key")),
        sqlite_strict=True,
    )
    op.create_index(
        op.f("ix_play_round_purpose_state_position"), "play", ["round", "purpose", "state", "position"], unique=False
    )
    op.create_table(
        "promotion",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("round", sa.Integer(), nullable=True),
        sa.Column("candidate", sa.Text(), nullable=False),
        sa.Column("champion", sa.Text(), nullable=True),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("gates", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("decided", BIG, nullable=False),
        sa.CheckConstraint(
            "decision in ('first', 'promoted', 'rejected', 'rollback')", name=op.f("ck_promotion_decision")
        ),
        sa.ForeignKeyConstraint(["candidate"], ["policy.id"], name=op.f("fk_promotion_candidate")),
        sa.ForeignKeyConstraint(["champion"], ["policy.id"], name=op.f("fk_promotion_champion")),
        sa.ForeignKeyConstraint(["round"], ["round.id"], name=op.f("fk_promotion_round")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_promotion")),
        sa.UniqueConstraint("round", "candidate", name=op.f("uq_promotion_round_candidate")),
        sqlite_strict=True,
    )
    op.create_table(
        "teacher_call",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("teacher", sa.Text(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=True),
        sa.Column("play", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("requests", BIG, nullable=False),
        sa.Column("prompt_tokens", BIG, nullable=False),
        sa.Column("cached_tokens", BIG, nullable=False),
        sa.Column("completion_tokens", BIG, nullable=False),
        sa.Column("cost", REAL, nullable=False),
        sa.Column("reserved", BIG, nullable=False),
        sa.Column("settled", BIG, nullable=True),
        sa.CheckConstraint("state in ('sent', 'settled')", name=op.f("ck_teacher_call_state")),
        sa.ForeignKeyConstraint(["play"], ["play.id"], name=op.f("fk_teacher_call_play")),
        sa.ForeignKeyConstraint(["round"], ["round.id"], name=op.f("fk_teacher_call_round")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_teacher_call")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_teacher_call_round"), "teacher_call", ["round"], unique=False)
    op.create_index(op.f("ix_teacher_call_teacher_reserved"), "teacher_call", ["teacher", "reserved"], unique=False)
    op.create_table(
        "trajectory",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("split", sa.Text(), nullable=False),
        sa.Column("player", sa.Text(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=True),
        sa.Column("suite", sa.Text(), nullable=True),
        sa.Column("sample", sa.Integer(), nullable=False),
        sa.Column("seed", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("steps_per_turn", sa.Integer(), nullable=False),
        sa.Column("catalogue", sa.Text(), nullable=False),
        sa.Column("ending", sa.Text(), nullable=False),
        sa.Column("passed", sa.Integer(), nullable=True),
        sa.Column("turns", sa.Integer(), nullable=False),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("requests", BIG, nullable=False),
        sa.Column("prompt_tokens", BIG, nullable=False),
        sa.Column("cached_tokens", BIG, nullable=False),
        sa.Column("completion_tokens", BIG, nullable=False),
        sa.Column("cost", REAL, nullable=False),
        sa.Column("started", BIG, nullable=False),
        sa.Column("seconds", REAL, nullable=False),
        sa.Column("stored", BIG, nullable=False),
        sa.CheckConstraint("ending in ('closed', 'cap', 'failed')", name=op.f("ck_trajectory_ending")),
        sa.CheckConstraint("purpose in ('train', 'gate')", name=op.f("ck_trajectory_purpose")),
        sa.CheckConstraint("passed in (0, 1)", name=op.f("ck_trajectory_passed")),
        sa.ForeignKeyConstraint(["catalogue"], ["catalogue.id"], name=op.f("fk_trajectory_catalogue")),
        sa.ForeignKeyConstraint(["id"], ["play.id"], name=op.f("fk_trajectory_id")),
        sa.ForeignKeyConstraint(["policy"], ["policy.id"], name=op.f("fk_trajectory_policy")),
        sa.ForeignKeyConstraint(["round"], ["round.id"], name=op.f("fk_trajectory_round")),
        sa.ForeignKeyConstraint(["task", "split"], ["task.id", "task.split"], name=op.f("fk_trajectory_task_split")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trajectory")),
        sa.UniqueConstraint("id", "split", "purpose", name=op.f("uq_trajectory_id_split_purpose")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_trajectory_policy"), "trajectory", ["policy"], unique=False)
    op.create_index(
        op.f("ix_trajectory_round_purpose_passed_policy"),
        "trajectory",
        ["round", "purpose", "passed", "policy"],
        unique=False,
    )
    op.create_index(op.f("ix_trajectory_task"), "trajectory", ["task"], unique=False)
    op.create_table(
        "dataset_row",
        sa.Column("dataset", sa.Text(), nullable=False),
        sa.Column("place", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("trajectory", sa.Text(), nullable=False),
        sa.Column("split", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.CheckConstraint("purpose = 'train'", name=op.f("ck_dataset_row_purpose")),
        sa.CheckConstraint("split = 'train'", name=op.f("ck_dataset_row_split")),
        sa.ForeignKeyConstraint(["dataset"], ["dataset.id"], name=op.f("fk_dataset_row_dataset")),
        sa.ForeignKeyConstraint(
            ["trajectory", "split", "purpose"],
            ["trajectory.id", "trajectory.split", "trajectory.purpose"],
            name=op.f("fk_dataset_row_trajectory_split_purpose"),
        ),
        sa.PrimaryKeyConstraint("dataset", "place", name=op.f("pk_dataset_row")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_dataset_row_trajectory"), "dataset_row", ["trajectory"], unique=False)
    op.create_table(
        "message",
        sa.Column("trajectory", sa.Text(), nullable=False),
        sa.Column("place", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("prompt", sa.Text(), nullable=True),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["prompt"], ["prompt.id"], name=op.f("fk_message_prompt")),
        sa.ForeignKeyConstraint(["trajectory"], ["trajectory.id"], name=op.f("fk_message_trajectory")),
        sa.PrimaryKeyConstraint("trajectory", "place", name=op.f("pk_message")),
        sqlite_strict=True,
    )
    op.create_table(
        "score",
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("suite", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("sample", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("policy", sa.Text(), nullable=True),
        sa.Column("passed", sa.Integer(), nullable=False),
        sa.Column("measures", sa.Text(), nullable=False),
        sa.Column("trajectory", sa.Text(), nullable=True),
        sa.Column("scored", BIG, nullable=False),
        sa.CheckConstraint("passed in (0, 1)", name=op.f("ck_score_passed")),
        sa.ForeignKeyConstraint(["policy"], ["policy.id"], name=op.f("fk_score_policy")),
        sa.ForeignKeyConstraint(["suite"], ["suite.id"], name=op.f("fk_score_suite")),
        sa.ForeignKeyConstraint(["task"], ["task.id"], name=op.f("fk_score_task")),
        sa.ForeignKeyConstraint(["trajectory"], ["trajectory.id"], name=op.f("fk_score_trajectory")),
        sa.PrimaryKeyConstraint("subject", "suite", "fingerprint", "task", "sample", name=op.f("pk_score")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_score_policy"), "score", ["policy"], unique=False)
    op.create_index(op.f("ix_score_suite"), "score", ["suite"], unique=False)
    op.create_table(
        "tool_call",
        sa.Column("trajectory", sa.Text(), nullable=False),
        sa.Column("place", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("message", sa.Integer(), nullable=False),
        sa.Column("tool", sa.Text(), nullable=False),
        sa.Column("arguments", sa.Text(), nullable=False),
        sa.Column("ok", sa.Integer(), nullable=True),
        sa.Column("result", sa.Integer(), nullable=True),
        sa.CheckConstraint("ok in (0, 1)", name=op.f("ck_tool_call_ok")),
        sa.ForeignKeyConstraint(["trajectory"], ["trajectory.id"], name=op.f("fk_tool_call_trajectory")),
        sa.PrimaryKeyConstraint("trajectory", "place", name=op.f("pk_tool_call")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_tool_call_tool"), "tool_call", ["tool"], unique=False)
    op.create_table(
        "verdict",
        sa.Column("trajectory", sa.Text(), nullable=False),
        sa.Column("checker", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("passed", sa.Integer(), nullable=False),
        sa.Column("score", REAL, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("judged", BIG, nullable=False),
        sa.CheckConstraint("passed in (0, 1)", name=op.f("ck_verdict_passed")),
        sa.ForeignKeyConstraint(["trajectory"], ["trajectory.id"], name=op.f("fk_verdict_trajectory")),
        sa.PrimaryKeyConstraint("trajectory", "checker", "version", name=op.f("pk_verdict")),
        sqlite_strict=True,
    )
    op.execute(OUTSIDE)


def downgrade() -> None:
    """Drop every table."""
    for table in (
        "verdict",
        "tool_call",
        "score",
        "message",
        "dataset_row",
        "trajectory",
        "teacher_call",
        "promotion",
        "play",
        "opening",
        "gate_result",
        "task_backend",
        "suite_task",
        "round",
        "defect",
        "task",
        "policy",
        "suite",
        "required_checker",
        "quota",
        "prompt",
        "lease",
        "leak_group",
        "gate_pause",
        "event",
        "dataset",
        "catalogue",
        "arm",
    ):
        op.drop_table(table)
