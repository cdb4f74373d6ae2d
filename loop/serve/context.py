"""What the routes of the public endpoint work with."""

from collections.abc import Callable
from dataclasses import dataclass

from loop.config import Config
from loop.control.progress import Board
from loop.parts import Base
from loop.runtime.paths import Paths
from loop.serve.capture import Capture
from loop.serve.errors import Refusal
from loop.serve.loaded_models import LoadedModels
from loop.store import Store
from loop.types import Policy


def stock_policy(config: Config, base: Base) -> Policy:
    """Name the base model as it came, under a configuration's prompt and template."""
    return Policy(base=base.digest, system=config.student.system, template=config.student.template)


@dataclass(frozen=True)
class Context:
    """What one daemon, or one `loopd serve`, answers with."""

    config: Config
    paths: Paths
    store: Store
    board: Board
    base: Base
    models: LoadedModels
    """The policies that are in memory to answer people."""
    capture: Capture
    """Keeps a sample of the answers, where the settings say so."""
    busy: Callable[[], bool] = lambda: False
    """Whether the loop plays, trains or measures at this moment."""

    def admit(self) -> None:
        """Let a request in.

        Raises:
            Refusal: the machine is reserved for the loop, which works.
        """
        if self.config.serve.priority == "loop" and self.busy():
            why = "serve.priority is 'loop', and the loop is at work. Ask later, or set it to 'people'."
            raise Refusal(503, why, code="reserved_for_the_loop", retry_after=60)

    @property
    def stock(self) -> Policy:
        """The base model as it came, under this configuration's prompt and template."""
        return stock_policy(self.config, self.base)

    def champion(self) -> Policy:
        """Give the policy that is best now; the stock model where nobody is champion yet."""
        return self.store.policies.champion() or self.stock
