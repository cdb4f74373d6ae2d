"""The tables: columns, keys and constraints, no behaviour.

Times are integer microseconds since the epoch (UTC); words of an enumeration are checked text; booleans are 0 or 1.
Bodies are canonical JSON text (`loop.canonical`), byte for byte the same on SQLite and PostgreSQL. Composite foreign
keys carry `split` and `purpose` along, so the database itself refuses a held-out trajectory in a dataset (rule 4).
What needs more than a key is a trigger: `migrations/versions/0002_refusals.py`.
"""

from loop.store.tables.base import Table
from loop.store.tables.learned import Arm, Dataset, DatasetRow, Policy, Topics, TrainingStep
from loop.store.tables.measured import (
    Decision,
    GatePart,
    GatePause,
    GateResult,
    Growth,
    Opening,
    Promotion,
    Score,
    Suite,
    SuiteTask,
)
from loop.store.tables.played import (
    Audit,
    Catalogue,
    Message,
    Prompt,
    RequiredChecker,
    ToolCall,
    Trajectory,
    TrajectoryWords,
    Verdict,
)
from loop.store.tables.running import CallState, Event, Lease, Quota, TeacherCall
from loop.store.tables.traced import Correction, CorrectionKind, CorrectionScore, Trace
from loop.store.tables.work import Defect, LeakGroup, Play, PlayState, Replay, Round, StageTime, Task, TaskBackend

__all__ = [
    "Arm",
    "Audit",
    "CallState",
    "Catalogue",
    "Correction",
    "CorrectionKind",
    "CorrectionScore",
    "Dataset",
    "DatasetRow",
    "Decision",
    "Defect",
    "Event",
    "GatePart",
    "GatePause",
    "GateResult",
    "Growth",
    "LeakGroup",
    "Lease",
    "Message",
    "Opening",
    "Play",
    "PlayState",
    "Policy",
    "Promotion",
    "Prompt",
    "Quota",
    "Replay",
    "RequiredChecker",
    "Round",
    "Score",
    "StageTime",
    "Suite",
    "SuiteTask",
    "Table",
    "Task",
    "TaskBackend",
    "TeacherCall",
    "ToolCall",
    "Topics",
    "Trace",
    "TrainingStep",
    "Trajectory",
    "TrajectoryWords",
    "Verdict",
]
