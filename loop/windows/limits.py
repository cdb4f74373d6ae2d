"""The settings that say when the loop may use the GPU."""

from typing import Annotated

from pydantic import AfterValidator, Field

from loop.types import Record
from loop.windows.hours import spelled
from loop.windows.machine import Pressure


class Windows(Record):
    """When the loop may use the GPU. Teachers, checkers and people who ask the champion are not bound by it."""

    hours: tuple[Annotated[str, AfterValidator(spelled)], ...] = ()
    """By the machine's clock: `22:00-07:00`, `mon-fri 22:00-07:00`, `sat,sun 00:00-24:00`. Empty for any hour."""
    mains: bool = False
    """Only on mains power."""
    idle_minutes: int = Field(default=0, ge=0)
    """Only after so many minutes without keyboard or mouse; 0 asks for none."""
    pressure: Pressure | None = None
    """Only with thermal pressure up to this; None allows any."""
    memory_gib: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """GiB that the loop's model may take while it plays, trains or measures; None takes what is free."""
    awake: bool = True
    """Hold off the machine's sleep while the loop works; while it waits, the machine may sleep."""

    @property
    def bounded(self) -> bool:
        """Whether anything is asked at all."""
        return bool(self.hours or self.mains or self.idle_minutes or self.pressure)
