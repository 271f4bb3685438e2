"""SMPP over TLS, on both sides, with certificates that a program of its own has made."""

import asyncio
import ssl
import subprocess
from pathlib import Path

import pytest
from support import smpp_pdus as made
from support.programs import needs
from support.smpp_peer import NAME, PASSWORD, PATIENCE_S, centre

from ringfence.adapters.smpp import pdu as smpp
from ringfence.adapters.smpp import smsc
from ringfence.adapters.smpp.desk import Desk
from ringfence.adapters.smpp.esme import Esme
from ringfence.adapters.smpp.hearing import Hearing
from ringfence.adapters.smpp.reader import SmppReader
from ringfence.wording.dialled import DialPlan

pytestmark = needs("openssl")


@pytest.fixture
def contexts(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Of a server for 127.0.0.1, and of who trusts it."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650"),
            *("-keyout", str(key), "-out", str(certificate), "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
        ],
        check=True,
        capture_output=True,
    )
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(certificate, key)
    return server, ssl.create_default_context(cafile=certificate)


def test_a_gateway_binds_over_tls_and_not_without(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    server, client = contexts

    async def test() -> int:
        async with centre(tls=server) as adapter:
            gateway = await adapter.gateway(client)
            assert await gateway.bind() == smpp.OK
            assert (await gateway.ask(smpp.SUBMIT_SM, made.message())).status == smpp.OK
            plain = await adapter.gateway()
            plain.send(smpp.ENQUIRE_LINK)
            assert await plain.next() is None
        return len(adapter.sink.sent)

    assert asyncio.run(test()) == 1


def test_a_handshake_that_does_not_end_is_cut_off(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, _ = contexts
    monkeypatch.setattr(smsc, "HANDSHAKE_S", 0.05)

    async def test() -> None:
        async with centre(tls=server) as adapter:
            assert await (await adapter.gateway()).next() is None

    asyncio.run(test())


def test_the_adapter_binds_over_tls_to_a_centre_that_it_can_trust(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    server, client = contexts
    account = NAME.decode(), PASSWORD.decode()

    async def binds(trusting: ssl.SSLContext) -> str:
        said: asyncio.Queue[str] = asyncio.Queue()
        async with centre(tls=server) as adapter:
            hearing = Hearing([account[0]], adapter.sink.lose, 0)
            desk = Desk(SmppReader(DialPlan.of_country(44)), adapter.sink, hearing)
            esme = Esme(desk, account, "127.0.0.1", adapter.port, say=said.put_nowait, tls=trusting)
            await esme.start()
            first = await asyncio.wait_for(said.get(), PATIENCE_S)
            await esme.close()
        return first

    assert asyncio.run(binds(client)) == "bound"
    assert "CERTIFICATE_VERIFY_FAILED" in asyncio.run(binds(ssl.create_default_context()))
