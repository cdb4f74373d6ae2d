"""Where loopd keeps its files: where the platform wants them, or all under `LOOPD_HOME`."""

import os
from pathlib import Path

import platformdirs

from loop.errors import CannotCreate, ConfigError
from loop.runtime import database_url
from loop.types import Policy, Record

NAME = "loopd"


class Paths(Record):
    """The directories of one loopd. Private: mode 0700."""

    data: Path
    """Database, models, lock, control token."""
    logs: Path
    config: Path
    """Where the user's own loopd.toml may lie."""

    @property
    def models(self) -> Path:
        """Base models and published adapters, immutable directories."""
        return self.data / "models"

    @property
    def policies(self) -> Path:
        """Per policy its model card, gate report, data card and training configuration; made anew at any time."""
        return self.data / "policies"

    @property
    def run(self) -> Path:
        """What lives as long as a daemon: pids, tokens, the state that `loopd status` reads."""
        return self.data / "run"

    @property
    def prefixes(self) -> Path:
        """Keys and values that the student's server computed and the next one may use; may be deleted at any time."""
        return self.data / "prefixes"

    @property
    def scratch(self) -> Path:
        """Half-done work of the trainer; nothing here is believed without its manifest."""
        return self.data / "scratch"

    @property
    def database(self) -> str:
        """The default store."""
        return database_url.of_file(self.data / "loopd.db")

    def adapter(self, policy: Policy) -> Path | None:
        """Tell where a policy's adapter lies, wherever it was published; None for the stock model."""
        return self.models / policy.adapter if policy.adapter else None

    def create(self) -> "Paths":
        """Make the directories.

        Raises:
            CannotCreate: one cannot be made.
        """
        for path in (self.data, self.logs, self.models, self.run, self.scratch):
            try:
                path.mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                raise CannotCreate(
                    f"{path} cannot be created: {error.strerror}. Set LOOPD_HOME to a directory of yours."
                ) from error
        return self


def find() -> Paths:
    """Look up the directories for this user; makes none.

    Raises:
        ConfigError: `LOOPD_HOME` is no text, or names a home that nobody has.
    """
    home = os.environ.get("LOOPD_HOME")
    if home:
        root = _absolute(home)
        return Paths(data=root / "data", logs=root / "logs", config=root / "config")
    dirs = platformdirs.PlatformDirs(NAME, appauthor=False)
    try:
        return Paths(data=dirs.user_data_path, logs=dirs.user_log_path, config=dirs.user_config_path)
    except RuntimeError as error:
        raise ConfigError("This user has no home directory. Set LOOPD_HOME to a directory of yours.") from error


def _absolute(home: str) -> Path:
    try:
        home.encode()
        return Path(home).expanduser().absolute()
    except (UnicodeEncodeError, RuntimeError) as error:
        raise ConfigError(f"LOOPD_HOME={home!r} is not a directory: {error}. Give its full path in UTF-8.") from error
