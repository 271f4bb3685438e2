"""What every process of a running server knows of it; inherited over the fork."""

from dataclasses import dataclass
from pathlib import Path

from ringfence.engine.segment import Segment
from ringfence.server.config import Config


@dataclass(frozen=True)
class Installation:
    """A configuration, its place in shared memory and its secrets."""

    config: Config
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

    def open_segment(self) -> Segment:
        """Maps the shared segment into this process."""
        return Segment.open(
            self.run_folder / "segment",
            capacity_numbers=self.config.server.capacity_numbers,
            ring_entries=self.config.server.ring_entries,
            folder_id=self.folder_id,
        )
