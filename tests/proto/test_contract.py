"""The contract says itself in full: fresh generated code, comments everywhere, one set of words."""

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path
from types import ModuleType

import pytest
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from support.places import ROOT

from ringfence.engine import words
from ringfence.v1 import types_pb2

PROTO_ROOT = ROOT / "proto"
PACKAGE_FOLDER = PROTO_ROOT / "ringfence" / "v1"
GENERATED_SUFFIXES = ("_pb2.py", "_pb2.pyi", "_pb2_grpc.py")

# Field numbers that descriptor.proto gives to the parts of a file, an enum, a message, a service.
FILE_MESSAGE, FILE_ENUM, FILE_SERVICE = 4, 5, 6
ENUM_VALUE, MESSAGE_FIELD, SERVICE_METHOD = 2, 2, 2


def load_generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", PROTO_ROOT / "generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[FileDescriptorProto]:
    descriptors = tmp_path_factory.mktemp("contract") / "contract.binpb"
    load_generator().run_protoc("--include_source_info", f"--descriptor_set_out={descriptors}")
    return list(FileDescriptorSet.FromString(descriptors.read_bytes()).file)


def test_committed_code_is_what_the_generator_writes(tmp_path: Path) -> None:
    subprocess.run([sys.executable, PROTO_ROOT / "generate.py", tmp_path], check=True)
    fresh = {path.name: path.read_bytes() for path in (tmp_path / "ringfence" / "v1").iterdir()}
    committed = {
        path.name: path.read_bytes()
        for path in PACKAGE_FOLDER.iterdir()
        if path.name.endswith(GENERATED_SUFFIXES)
    }
    assert sorted(fresh) == sorted(committed)
    stale = [name for name in fresh if fresh[name] != committed[name]]
    assert stale == [], "run: python proto/generate.py"
    internal = tmp_path / "ringfence" / "server"
    written = [path for path in internal.rglob("*") if path.is_file()]
    assert len(written) == 4
    for path in written:
        committed_too = PROTO_ROOT.parent / "server" / path.relative_to(internal)
        assert committed_too.read_bytes() == path.read_bytes(), "run: python proto/generate.py"


def test_every_element_has_a_comment(files: list[FileDescriptorProto]) -> None:
    for file in files:
        commented = {
            tuple(place.path)
            for place in file.source_code_info.location
            if place.leading_comments.strip()
        }
        bare = [name for name, path in elements(file) if path not in commented]
        assert bare == [], file.name


def elements(file: FileDescriptorProto) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Every message, field, enum, enum value, service and rpc with its path in the file."""
    for i, message in enumerate(file.message_type):
        yield message.name, (FILE_MESSAGE, i)
        for j, field in enumerate(message.field):
            yield f"{message.name}.{field.name}", (FILE_MESSAGE, i, MESSAGE_FIELD, j)
    for i, enum in enumerate(file.enum_type):
        yield enum.name, (FILE_ENUM, i)
        for j, value in enumerate(enum.value):
            yield value.name, (FILE_ENUM, i, ENUM_VALUE, j)
    for i, service in enumerate(file.service):
        yield service.name, (FILE_SERVICE, i)
        for j, method in enumerate(service.method):
            yield f"{service.name}.{method.name}", (FILE_SERVICE, i, SERVICE_METHOD, j)


def test_path_package_and_import_path_are_one(files: list[FileDescriptorProto]) -> None:
    assert sorted(file.name for file in files) == [
        "ringfence/v1/event_service.proto",
        "ringfence/v1/number_service.proto",
        "ringfence/v1/quarantine_service.proto",
        "ringfence/v1/types.proto",
    ]
    assert {file.package for file in files} == {"ringfence.v1"}
    assert {file.syntax for file in files} == {"proto3"}


def test_enum_values_carry_the_name_of_their_enum_and_start_unspecified(
    files: list[FileDescriptorProto],
) -> None:
    for enum in all_enums(files):
        prefix = "".join(f"_{c}" if c.isupper() else c.upper() for c in enum.name)[1:]
        assert [v.name for v in enum.value if not v.name.startswith(f"{prefix}_")] == []
        assert (enum.value[0].name, enum.value[0].number) == (f"{prefix}_UNSPECIFIED", 0)


def all_enums(files: list[FileDescriptorProto]) -> list[EnumDescriptorProto]:
    return [enum for file in files for enum in file.enum_type]


def test_each_rpc_takes_a_request_of_its_own(files: list[FileDescriptorProto]) -> None:
    methods = [method for file in files for service in file.service for method in service.method]
    assert len(methods) == 32
    for method in methods:
        assert method.input_type == f".ringfence.v1.{method.name}Request"
    streams = {m.name: (m.client_streaming, m.server_streaming) for m in methods}
    assert {name: kind for name, kind in streams.items() if any(kind)} == {
        "StreamEvents": (True, True),
        "WatchNumbers": (False, True),
        "QuarantineNumbers": (True, False),
    }


def test_stream_and_record_have_the_same_messages(files: list[FileDescriptorProto]) -> None:
    messages = {message.name: message for file in files for message in file.message_type}
    for end in ("Request", "Response"):
        stream, record = messages[f"StreamEvents{end}"], messages[f"RecordEvents{end}"]
        assert shape(stream) == shape(record)


def shape(message: DescriptorProto) -> list[tuple[int, str, int, int, str]]:
    return [(f.number, f.name, f.type, f.label, f.type_name) for f in message.field]


@pytest.mark.parametrize(
    ("engine", "contract"),
    [
        (words.Verdict, types_pb2.Verdict),
        (words.EventKind, types_pb2.EventKind),
        (words.Measure, types_pb2.Measure),
        (words.DisconnectReason, types_pb2.DisconnectReason),
    ],
)
def test_engine_and_contract_have_the_same_words(
    engine: type[IntEnum], contract: EnumTypeWrapper
) -> None:
    prefix = contract.Name(0).removesuffix("UNSPECIFIED")
    ours = {f"{prefix}{word.name}": word.value for word in engine} | {f"{prefix}UNSPECIFIED": 0}
    assert ours == dict(contract.items())
