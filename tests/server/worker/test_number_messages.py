"""What a worker and the keeper say of one number, asked one after the other, fits together."""

from ringfence.server.link.keeper_service_pb2 import LookUpNumberResponse
from ringfence.server.worker.number_messages import add_place
from ringfence.v1 import number_service_pb2 as pb
from ringfence.v1 import types_pb2

NUMBER = 447700900123


def test_a_number_that_was_clean_when_it_was_looked_at_is_in_no_reservation_made_since():
    number = pb.Number(number=NUMBER, verdict=types_pb2.VERDICT_CLEAN)
    add_place(number, LookUpNumberResponse(reservation="made-since"))
    assert (number.reservation, number.queue_position) == ("", 0)


def test_a_number_that_was_reserved_when_it_was_looked_at_has_no_place_in_the_queue():
    number = pb.Number(number=NUMBER, verdict=types_pb2.VERDICT_RESERVED)
    add_place(number, LookUpNumberResponse(queue_position=7))
    assert (number.reservation, number.queue_position) == ("", 0)


def test_each_has_what_goes_with_its_verdict():
    place = LookUpNumberResponse(reservation="it", queue_position=7)
    clean = pb.Number(number=NUMBER, verdict=types_pb2.VERDICT_CLEAN)
    reserved = pb.Number(number=NUMBER, verdict=types_pb2.VERDICT_RESERVED)
    add_place(clean, place)
    add_place(reserved, place)
    assert (clean.reservation, clean.queue_position) == ("", 7)
    assert (reserved.reservation, reserved.queue_position) == ("it", 0)
