"""Where a webhook cannot be sent: server-side request forgery in its known shapes, against real sockets."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from callward_common.clock import SystemClock
from callward_common.errors import Unavailable
from callward_embedded.authority import CertificateAuthority
from callward_ingest.domain.webhook_addresses import AddressRules
from callward_ingest.domain.webhook_errors import WebhookUrlRefused
from callward_ingest.domain.webhook_urls import UrlRules
from callward_ingest.domain.webhooks import AttemptError, Outcome
from callward_ingest.webhooks.receivers import HttpReceivers
from callward_ingest.webhooks.resolver import SystemResolver
from tests.integration.ingest.webhook_receiver import answers, receiver
from tests.integration.ingest.webhook_rig import QUICK, Names
from tests.support.clock import ManualClock

HOST = "receiver.callward.internal"  # what the certificate of `tls` is for
HEADERS = {"webhook-id": "x"}
METADATA = "169.254.169.254"


def over(
    names: Names,
    *,
    ports: tuple[int, ...] = (443,),
    loopback: bool = False,
    trust: ssl.SSLContext | None = None,
) -> HttpReceivers:
    rules = UrlRules(ports, AddressRules(loopback=loopback))
    return HttpReceivers(rules=rules, resolve=names, clock=SystemClock(), limits=QUICK, trust=trust)


@pytest.fixture(scope="module")
def authority() -> CertificateAuthority:
    return CertificateAuthority()


@pytest.fixture(scope="module")
def trust(authority: CertificateAuthority) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=authority.trust_bundle.decode())


@contextmanager
def certificate(folder: Path, authority: CertificateAuthority, component: str) -> Iterator[ssl.SSLContext]:
    """The server's side of TLS, with a certificate for <component>.callward.internal."""
    identity = authority.issue(component)
    (folder / "chain.pem").write_bytes(identity.certificate_chain)
    (folder / "key.pem").write_bytes(identity.private_key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "chain.pem", folder / "key.pem")
    yield context


async def test_over_tls_to_the_address_that_was_checked(
    tmp_path: Path, authority: CertificateAuthority, trust: ssl.SSLContext
) -> None:
    names = Names(receiver_callward_internal=["127.0.0.1"])
    with certificate(tmp_path, authority, "receiver") as tls:
        async with receiver(tls=tls) as there:
            outside = over(names, ports=(there.port,), loopback=True, trust=trust)
            outcome = await outside.post(f"https://{HOST}:{there.port}/hook", HEADERS, b"{}")
    assert outcome == Outcome(204)
    assert names.asked == [HOST], "one resolution: the checked address is the one that is called"
    assert there.requests[0].headers["host"] == f"{HOST}:{there.port}"


async def test_a_certificate_for_another_name_does_not_count(
    tmp_path: Path, authority: CertificateAuthority, trust: ssl.SSLContext
) -> None:
    names = Names(receiver_callward_internal=["127.0.0.1"])
    with certificate(tmp_path, authority, "somebody-else") as tls:
        async with receiver(tls=tls) as there:
            outside = over(names, ports=(there.port,), loopback=True, trust=trust)
            outcome = await outside.post(f"https://{HOST}:{there.port}/", HEADERS, b"{}")
    assert outcome == Outcome(error=AttemptError.certificate)
    assert not there.requests


async def test_a_certificate_of_an_unknown_authority_does_not_count(
    tmp_path: Path, authority: CertificateAuthority
) -> None:
    names = Names(receiver_callward_internal=["127.0.0.1"])
    with certificate(tmp_path, authority, "receiver") as tls:
        async with receiver(tls=tls) as there:
            outside = over(names, ports=(there.port,), loopback=True)
            outcome = await outside.post(f"https://{HOST}:{there.port}/", HEADERS, b"{}")
    assert outcome == Outcome(error=AttemptError.certificate)
    assert not there.requests


async def test_a_name_that_is_bound_anew_after_its_registration() -> None:
    async with receiver() as inside:
        names = Names(evil_example=["198.41.0.4", "127.0.0.1"])
        outside = over(names, ports=(443, inside.port))
        url = f"https://evil.example:{inside.port}/"
        await outside.check(url)
        assert await outside.post(url, HEADERS, b"{}") == Outcome(error=AttemptError.url)
        assert inside.connections == 0


@pytest.mark.parametrize(
    "answer",
    [
        METADATA,
        f"198.41.0.4,{METADATA}",
        "127.0.0.1",
        "10.1.2.3",
        "198.41.0.4,::1",
        "fd00:ec2::254",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "fe80::1",
        "0.0.0.0",
        "224.0.0.1",
    ],
)
async def test_a_name_that_stands_for_anything_not_public_is_refused(answer: str) -> None:
    outside = over(Names(evil_example=[answer]))
    with pytest.raises(WebhookUrlRefused) as refused:
        await outside.check("https://evil.example/")
    assert refused.value.extra == {"reason": "host"}
    assert (await outside.post("https://evil.example/", HEADERS, b"{}")).error is AttemptError.url


async def test_an_unknown_name_looks_like_a_private_one() -> None:
    outside = over(Names(inside_example=["10.0.0.1"]))
    with pytest.raises(WebhookUrlRefused) as private:
        await outside.check("https://inside.example/")
    with pytest.raises(WebhookUrlRefused) as unknown:
        await outside.check("https://unknown.example/")
    assert (private.value.detail, private.value.extra) == (unknown.value.detail, unknown.value.extra)


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiver() as there, receiver() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url(""))
        outcome = await over(Names(), loopback=True).post(there.url(), HEADERS, b"{}")
    assert (outcome, proxy.connections) == (Outcome(204), 0)


async def test_cookies_of_one_receiver_are_not_sent_to_the_next() -> None:
    async with receiver(answers(200, Set_Cookie="a=b; Path=/")) as there:
        outside = over(Names(), loopback=True)
        for _ in range(2):
            await outside.post(there.url(), HEADERS, b"{}")
    assert not any("cookie" in each.headers for each in there.requests)


@pytest.mark.parametrize(
    ("stated", "seconds"),
    [
        ("120", 120.0),
        ("Tue, 24 Nov 2026 09:01:00 GMT", 60.0),
        ("Tue, 24 Nov 2026 08:59:00 GMT", 0.0),
        ("-5", None),
        ("soon", None),
        ("9" * 400, 999_999_999.0),
    ],
)
async def test_retry_after_in_seconds_or_as_a_date(stated: str, seconds: float | None) -> None:
    rules = UrlRules(addresses=AddressRules(loopback=True))
    outside = HttpReceivers(rules=rules, resolve=Names(), clock=ManualClock(), limits=QUICK)
    async with receiver(answers(503, Retry_After=stated)) as there:
        outcome = await outside.post(there.url(), HEADERS, b"{}")
    assert outcome == Outcome(503, AttemptError.status, seconds)


async def test_the_next_address_is_tried_where_one_is_not_reached() -> None:
    async with receiver() as there:
        names = Names(localhost=["127.0.0.2,127.0.0.1"])
        outcome = await over(names, loopback=True).post(f"http://localhost:{there.port}/", HEADERS, b"{}")
    assert outcome == Outcome(204)


async def test_http_is_for_loopback_alone() -> None:
    names = Names(localhost=["198.41.0.4"])
    outcome = await over(names, loopback=True).post("http://localhost:8080/", HEADERS, b"{}")
    assert outcome == Outcome(error=AttemptError.url)


async def test_the_machines_resolver_knows_this_machine() -> None:
    found = await SystemResolver()("localhost")
    assert any(address.is_loopback for address in found)
    with pytest.raises(OSError, match="gaierror"):
        await SystemResolver()("no-such-host.invalid")


async def test_too_many_names_at_once_are_not_the_receivers_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("callward_ingest.webhooks.resolver._AT_ONCE", 0)
    outside = HttpReceivers(rules=UrlRules(), resolve=SystemResolver(), clock=SystemClock(), limits=QUICK)
    assert (await outside.post("https://example.com/", HEADERS, b"{}")).error is AttemptError.busy
    with pytest.raises(Unavailable):
        await outside.check("https://example.com/")
