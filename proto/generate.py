"""Generates the Python code of the contract from its .proto files.

`python proto/generate.py` writes it beside them, `python proto/generate.py FOLDER` into
`FOLDER/ringfence/v1`. The output depends on the .proto files and the version of grpcio-tools only.
"""

import subprocess
import sys
from pathlib import Path

PROTO_ROOT = Path(__file__).resolve().parent
SOURCES = tuple(
    path.relative_to(PROTO_ROOT).as_posix()
    for path in sorted((PROTO_ROOT / "ringfence" / "v1").glob("*.proto"))
)


def run_protoc(*options: str) -> None:
    """Runs protoc over the contract; raises CalledProcessError when it does not take it."""
    protoc = [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTO_ROOT}"]
    subprocess.run([*protoc, *options, *SOURCES], check=True)


def generate(folder: Path) -> None:
    """Writes the generated modules and stubs under `folder`, which exists."""
    run_protoc(f"--python_out={folder}", f"--pyi_out={folder}", f"--grpc_python_out={folder}")


if __name__ == "__main__":
    generate(Path(sys.argv[1]) if len(sys.argv) > 1 else PROTO_ROOT)
