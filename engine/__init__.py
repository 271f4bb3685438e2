"""The decision: memory and arithmetic. No sockets, no protobuf, no asyncio.

Read `memory/record.h` first: it draws the record and the segment. `core.Engine` is the data plane
(insert, look up, evaluate), `control.TableWriter` the control plane (everything that changes a
header), `segment.Segment` the memory both share.
"""
