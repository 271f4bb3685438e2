"""What every process of a running server knows of it; inherited over the fork."""

from dataclasses import dataclass
from pathlib import Path

from ringfence.engine.memory.segment import Segment
from ringfence.server.config.config import Config
from ringfence.server.folder.data_folder import SEGMENT


@dataclass(frozen=True)
class Installation:
    """A configuration, its place in shared memory and its secrets."""

    config: Config
    data: Path
    run_folder: Path
    folder_id: bytes
    caller_key: bytes

    @property
    def keeper_address(self) -> str:
        """Where the keeper listens for the workers."""
        return f"unix:{self.keeper_socket}"

    @property
    def keeper_socket(self) -> Path:
        """The file of the keeper's socket."""
        return self.run_folder / "keeper.sock"

    @property
    def history_address(self) -> str:
        """Where the history process listens for the workers."""
        return f"unix:{self.history_socket}"

    @property
    def history_socket(self) -> Path:
        """The file of the history process's socket."""
        return self.run_folder / "history.sock"

    @property
    def segment_path(self) -> Path:
        """The file of the shared segment."""
        return self.run_folder / SEGMENT

    @property
    def journals(self) -> Path:
        """The folder of all journals."""
        return self.data / "journal"

    @property
    def snapshots(self) -> Path:
        """The folder of all snapshots."""
        return self.data / "snapshots"

    def journal_folder(self, name: str) -> Path:
        """The folder of one journal, KEEPER's or that of a `worker_name`."""
        return self.journals / name

    def open_segment(self) -> Segment:
        """Maps the shared segment into this process."""
        return Segment.open(
            self.segment_path,
            capacity_numbers=self.config.server.capacity_numbers,
            ring_entries=self.config.server.ring_entries,
            folder_id=self.folder_id,
            callers=self.config.spray_settings.callers,
        )
