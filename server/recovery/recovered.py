"""What a start found in the data folder, handed from the recovery process to the supervisor."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from ringfence.server.folder.data_folder import StartError

_NAME = "recovered.json"


@dataclass(frozen=True)
class Recovered:
    """How a start came to its table; the text of it stands in the ready line."""

    source: str = ""
    """What it began with: memory, the name of a snapshot, or journal; "" = nothing was there."""
    values: int = 0
    """Values that were replayed from journals, or that a segment in memory lacks."""
    events: int = 0
    """Events in them that were inserted again."""
    duration_s: float = 0.0
    refusal: str = ""
    """Why the server must not start; "" = it may."""

    def __str__(self) -> str:
        if not self.source:
            return "fresh"
        return (
            f"recovered={self.source} values={self.values} events={self.events}"
            f" in {self.duration_s:.1f}s"
        )

    def write(self, folder: Path) -> None:
        """Leaves it for the supervisor."""
        (folder / _NAME).write_text(json.dumps(asdict(self)), "utf-8")

    @staticmethod
    def read(folder: Path) -> "Recovered":
        """What the recovery process left; raises StartError if that is a refusal, or nothing."""
        path = folder / _NAME
        if not path.exists():
            raise StartError("the recovery process ended before it was done: the log says why")
        found = Recovered(**json.loads(path.read_text("utf-8")))
        path.unlink()
        if found.refusal:
            raise StartError(found.refusal)
        return found
