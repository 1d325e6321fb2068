"""Which URLs and addresses may be called."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callward_ingest.domain.webhook_addresses import AddressRules
from callward_ingest.domain.webhook_errors import WebhookUrlRefused
from callward_ingest.domain.webhook_urls import UrlRules, host_of

PUBLIC = AddressRules()
LOCAL = AddressRules(loopback=True)
IPV4 = st.integers(0, 2**32 - 1).map(IPv4Address)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.0.0.1",
        "100.64.0.1",
        "100.100.100.200",
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.169.254",
        "169.254.170.2",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "::10.0.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b::169.254.169.254",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::1",
        "2002:a9fe:a9fe::",
        "3fff::1",
        "4000::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
    ],
)
def test_what_is_not_public_is_refused(address: str) -> None:
    assert not PUBLIC.admits(ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1",
        "172.15.255.255",
        "172.32.0.0",
        "198.41.0.4",
        "223.255.255.255",
        "2606:4700::1",
        "::ffff:1.1.1.1",
        "64:ff9b::1.1.1.1",
        "2002:101:101::1",
    ],
)
def test_what_is_public_is_admitted(address: str) -> None:
    assert PUBLIC.admits(ip_address(address))


@given(IPV4)
def test_no_writing_of_an_ipv4_address_is_judged_otherwise(address: IPv4Address) -> None:
    number = int(address)
    writings = [
        IPv6Address(0xFFFF << 32 | number),
        IPv6Address((0x0064FF9B << 96) | number),
        IPv6Address((0x2002 << 112) | (number << 80) | 1),
    ]
    assert {PUBLIC.admits(each) for each in writings} == {PUBLIC.admits(address)}


@given(IPV4)
def test_at_least_what_the_standard_library_knows_to_be_private(address: IPv4Address) -> None:
    if PUBLIC.admits(address):
        assert address.is_global
        assert not address.is_multicast


@given(st.integers(0, 2**128 - 1).map(IPv6Address))
def test_of_ipv6_only_global_unicast_and_what_stands_for_ipv4(address: IPv6Address) -> None:
    if PUBLIC.admits(address):
        assert any(address in IPv6Network(each) for each in ("2000::/3", "::ffff:0:0/96", "64:ff9b::/96"))


def test_an_installation_refuses_networks_of_its_own() -> None:
    rules = AddressRules(refused=[ip_network("198.41.0.0/24"), ip_network("2606:4700::/32")])
    for text in ("198.41.0.4", "::ffff:198.41.0.4", "64:ff9b::198.41.0.4", "2606:4700::1"):
        assert not rules.admits(ip_address(text)), text
    assert rules.admits(ip_address("198.41.1.4"))


def test_loopback_is_admitted_where_a_setting_says_so_and_nothing_else_is() -> None:
    assert LOCAL.admits(ip_address("127.0.0.1"))
    assert LOCAL.admits(ip_address("::1"))
    for text in ("::ffff:127.0.0.1", "10.0.0.1", "169.254.169.254", "2002:7f00:1::1"):
        assert not LOCAL.admits(ip_address(text)), text


@pytest.mark.parametrize(
    ("url", "host", "port", "path", "authority"),
    [
        ("https://Hooks.Example/a/b?c=d", "hooks.example", 443, "/a/b?c=d", "hooks.example"),
        ("https://hooks.example", "hooks.example", 443, "/", "hooks.example"),
        ("https://hooks.example./", "hooks.example", 443, "/", "hooks.example"),
        ("https://hooks.example:8443/x", "hooks.example", 8443, "/x", "hooks.example:8443"),
        ("https://xn--bcher-kva.example/%20", "xn--bcher-kva.example", 443, "/%20", "xn--bcher-kva.example"),
        ("https://1.1.1.1/", "1.1.1.1", 443, "/", "1.1.1.1"),
        ("https://[2606:4700::1]/", "2606:4700::1", 443, "/", "[2606:4700::1]"),
        ("https://[2606:4700::1]:8443/", "2606:4700::1", 8443, "/", "[2606:4700::1]:8443"),
    ],
)
def test_urls_are_read(url: str, host: str, port: int, path: str, authority: str) -> None:
    target = UrlRules(ports=(443, 8443)).read(url)
    assert (target.host, target.port, target.path, target.authority) == (host, port, path, authority)
    assert target.secure
    assert host_of(url) == host


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://hooks.example/", "not-https"),
        ("ftp://hooks.example/", "not-https"),
        ("file:///etc/passwd", "not-https"),
        ("gopher://hooks.example/", "not-https"),
        ("//hooks.example/", "not-https"),
        ("hooks.example", "not-https"),
        ("https:///x", "not-https"),
        ("https:hooks.example", "not-https"),
        ("https://user@hooks.example/", "userinfo"),
        ("https://user:secret@hooks.example/", "userinfo"),
        ("https://hooks.example@169.254.169.254/", "userinfo"),
        ("https://@hooks.example/", "userinfo"),
        ("https://hooks.example/#x", "fragment"),
        ("https://hooks.example/#", "fragment"),
        ("https://hooks.example:22/", "port"),
        ("https://hooks.example:0/", "port"),
        ("https://hooks.example:80/", "port"),
        ("https://hooks.example:99999/", "malformed"),
        ("https://hooks.example:x/", "malformed"),
        ("https://hooks.example:/", "malformed"),
        ("https://hooks .example/", "malformed"),
        ("https://hooks.example/\n", "malformed"),
        ("https://hooks.example/\t", "malformed"),
        ("https://hooks.example\\@evil.example/", "malformed"),
        ("https://bücher.example/", "malformed"),
        ("https://[::1", "malformed"),
        ("https://[fe80::1%25eth0]/", "malformed"),
        ("https://[2606:4700::1]evil.example/", "malformed"),
        ("https://hooks.example/" + "x" * 2000, "malformed"),
        ("https://2130706433/", "host"),
        ("https://0x7f000001/", "host"),
        ("https://0177.0.0.1/", "host"),
        ("https://127.1/", "host"),
        ("https://1.2.3.0x4/", "host"),
        ("https://127.0.0.1/", "host"),
        ("https://169.254.169.254/latest/meta-data/", "host"),
        ("https://[::1]/", "host"),
        ("https://[::ffff:127.0.0.1]/", "host"),
        ("https://a..example/", "host"),
        ("https://-a.example/", "host"),
        ("https://%31%32%37.0.0.1/", "malformed"),
        ("https://" + "a" * 64 + ".example/", "host"),
        ("https://" + "a." * 130 + "example/", "host"),
        ("http://localhost:8080/", "not-https"),
        ("http://127.0.0.1:8080/", "not-https"),
    ],
)
def test_urls_that_are_refused(url: str, reason: str) -> None:
    with pytest.raises(WebhookUrlRefused) as refused:
        UrlRules().read(url)
    assert refused.value.extra == {"reason": reason}
    assert url not in str(refused.value)


def test_loopback_may_be_plain_and_at_any_port_where_a_setting_says_so() -> None:
    rules = UrlRules(addresses=LOCAL)
    for url in (
        "http://127.0.0.1:8080/",
        "http://localhost:1/",
        "http://[::1]:3000/x",
        "https://127.0.0.1:9/",
    ):
        assert rules.read(url).path
    for url in ("http://hooks.example/", "http://10.0.0.1/", "https://hooks.example:8080/", "http://127.1/"):
        with pytest.raises(WebhookUrlRefused):
            rules.read(url)


@given(st.text(max_size=60))
def test_no_text_makes_reading_fail_otherwise(text: str) -> None:
    for url in (text, f"https://{text}", f"https://hooks.example{text}"):
        try:
            target = UrlRules().read(url)
        except WebhookUrlRefused:
            continue
        assert target.secure
        assert target.port == 443
        assert target.path.isascii()


def test_no_addresses_are_no_permission() -> None:
    rules = UrlRules()
    target = rules.read("https://hooks.example/")
    for found in ([], [ip_address("1.1.1.1"), ip_address("10.0.0.1")]):
        with pytest.raises(WebhookUrlRefused):
            rules.demand(target, found)
    rules.demand(target, [ip_address("1.1.1.1"), ip_address("2606:4700::1")])
