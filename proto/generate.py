"""Generates the Python code of the contract, and of the server's own messages, from .proto files.

`python proto/generate.py` writes it beside them, `python proto/generate.py FOLDER` below
`FOLDER/ringfence`, in the same folders. The output depends on the .proto files and the version of
grpcio-tools only.
"""

import subprocess
import sys
from pathlib import Path

PROTO_ROOT = Path(__file__).resolve().parent
SOURCE_ROOT = PROTO_ROOT.parent / "src"  # where `ringfence/server` is
SOURCES = tuple(
    path.relative_to(PROTO_ROOT).as_posix()
    for path in sorted((PROTO_ROOT / "ringfence" / "v1").glob("*.proto"))
)
SERVER_SOURCES = (
    "ringfence/server/link/keeper_service.proto",
    "ringfence/server/journal/keeper_value.proto",
)


def run_protoc(*options: str, sources: tuple[str, ...] = SOURCES) -> None:
    """Runs protoc, over the contract unless told; raises CalledProcessError when it fails."""
    protoc = [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTO_ROOT}", f"-I{SOURCE_ROOT}"]
    subprocess.run([*protoc, *options, *sources], check=True)


def generate(contract_root: Path, server_root: Path) -> None:
    """Writes the generated modules and stubs under these folders, which exist."""
    run_protoc(
        f"--python_out={contract_root}",
        f"--pyi_out={contract_root}",
        f"--grpc_python_out={contract_root}",
    )
    run_protoc(f"--python_out={server_root}", f"--pyi_out={server_root}", sources=SERVER_SOURCES)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        generate(Path(sys.argv[1]), Path(sys.argv[1]))
    else:
        generate(PROTO_ROOT, SOURCE_ROOT)
