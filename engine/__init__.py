"""The decision: memory and arithmetic. No sockets, no protobuf, no asyncio.

Read `memory/record.h` first: it draws the record and the segment. The data plane goes in by
`events.inserter.EventInserter` and out by `verdict.reader.VerdictReader`; the control plane,
everything that changes a header, is `table.writer.TableWriter`.
"""
