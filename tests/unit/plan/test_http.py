"""How requests find their way: the texts of the settings, and the values that they come to."""

from __future__ import annotations

import ssl
from ipaddress import IPv4Address, IPv6Address

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from loads.errors import UsageError
from loads.plan.http import (
    DnsPolicy,
    HttpOptions,
    Resolve,
    find_bundle_problem,
    merge_resolves,
    parse_dns,
    parse_resolve,
    parse_source_address,
    parse_timeout_us,
    parse_user_agent,
)

BUNDLE = trustme.CA().cert_pem.bytes()
ports = st.integers(1, 65_535)
ip_addresses = st.ip_addresses().map(str)
names = st.from_regex(r"(xn--|_)?[a-z]([a-z0-9-]{0,8}[a-z0-9])?(\.[a-z][a-z0-9]{0,5}){0,3}", fullmatch=True)
hosts = st.one_of(names, ip_addresses)
resolves = st.builds(Resolve, hosts, ports, st.lists(ip_addresses, min_size=1, max_size=4).map(tuple))


def problem_of(parse: object, text: str) -> UsageError:
    assert callable(parse)
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert caught.value.hint
    return caught.value


# Time.


@pytest.mark.parametrize(
    ("text", "timeout_us"), [("60s", 60_000_000), ("2.5", 2_500_000), ("1us", 1), ("1m30s", 9 * 10**7)]
)
def test_a_timeout_is_a_time(text: str, timeout_us: int) -> None:
    assert parse_timeout_us(text) == timeout_us


@pytest.mark.parametrize("text", ["0", "0s", "0.0000001s", "-1", "soon", "", "inf"])
def test_a_timeout_of_nothing_is_refused(text: str) -> None:
    assert repr(text) in problem_of(parse_timeout_us, text).message


# Names.


@pytest.mark.parametrize("policy", DnsPolicy)
def test_ways_to_look_up_names(policy: DnsPolicy) -> None:
    assert parse_dns(policy.value) is parse_dns(policy.value.upper()) is policy


@pytest.mark.parametrize("text", ["", "never", "60s", "ttl,once"])
def test_other_ways_are_refused_with_those_that_there_are(text: str) -> None:
    assert problem_of(parse_dns, text).hint == "the ways are ttl, once, always"


@given(resolves)
def test_what_stands_for_a_name_is_read_as_it_is_written(resolve: Resolve) -> None:
    assert parse_resolve(str(resolve)) == resolve


@given(hosts, ports, st.lists(ip_addresses, min_size=1, max_size=4))
def test_spelling_makes_no_difference(host: str, port: int, addresses: list[str]) -> None:
    """Upper case, IPv6 in full, spaces after commas, addresses with and without brackets."""
    shown = f"[{IPv6Address(host).exploded}]" if ":" in host else host
    said = [f"[{IPv6Address(each).exploded}]" if ":" in each else each for each in addresses]
    text = f"{shown}:{port:05}:{', '.join(said)}".upper()
    assert parse_resolve(text) == Resolve(host, port, tuple(addresses)) == parse_resolve(text.lower())
    assert parse_resolve(f"{shown}:{port}:{','.join(addresses)}") == Resolve(host, port, tuple(addresses))


@given(st.text(alphabet="ab1.:[],%- \n\x00\xe4") | st.text())
def test_any_text_stands_for_a_name_or_is_refused_with_a_hint(text: str) -> None:
    problem = resolve = None
    try:
        resolve = parse_resolve(text)
    except UsageError as error:
        problem = error
    if problem is not None:
        assert problem.message.isprintable()
        assert problem.hint
    else:
        assert parse_resolve(str(resolve)) == resolve


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", ["is not HOST:PORT:ADDRESS"]),
        ("shop.example:443", ["is not HOST:PORT:ADDRESS"]),
        ("[::1]443:10.0.0.7", ["'[' is not a name or an address"]),
        (":443:10.0.0.7", ["'' is not a name or an address"]),
        ("sh op:443:10.0.0.7", ["'sh op' is not a name"]),
        ("-shop:443:10.0.0.7", ["'-shop' is not a name"]),
        ("shop-.example:443:10.0.0.7", ["'shop-.example' is not a name"]),
        ("shop..example:443:10.0.0.7", ["'shop..example' is not a name"]),
        ("shop.example.:443:10.0.0.7", ["'shop.example.' is not a name"]),
        (f"{'a' * 64}:443:10.0.0.7", ["is not a name"]),
        (f"{'a.' * 127}a:443:10.0.0.7", ["is not a name"]),
        ("10.0.0:443:10.0.0.7", ["'10.0.0' is not a name or an address"]),
        ("10.0.0.256:443:10.0.0.7", ["'10.0.0.256' is not a name or an address"]),
        ("[10.0.0.7]:443:10.0.0.7", ["'[10.0.0.7]' is not a name or an address"]),
        ("[fe80::1%eth0]:443:10.0.0.7", ["'[fe80::1%eth0]' is not a name or an address"]),
        ("\u212aelvin:443:10.0.0.7", ["'\u212aelvin' is not a name or an address"]),
        ("http://shop.example:443:10.0.0.7", ["'//shop.example' is not a port"]),
        ("shop:0:10.0.0.7", ["'0' is not a port"]),
        ("shop:65536:10.0.0.7", ["'65536' is not a port"]),
        ("shop:000443:10.0.0.7", ["'000443' is not a port"]),
        ("shop:https:10.0.0.7", ["'https' is not a port"]),
        ("shop:-1:10.0.0.7", ["'-1' is not a port"]),
        ("shop:\u0664:10.0.0.7", ["is not a port"]),
        ("shop:443:", ["'' is not an IP address"]),
        ("shop:443:10.0.0.7,", ["'' is not an IP address"]),
        ("shop:443:other.example", ["'other.example' is not an IP address"]),
        ("shop:443:10.0.0", ["'10.0.0' is not an IP address"]),
        ("shop:443:[10.0.0.7]", ["'[10.0.0.7]' is not an IP address"]),
        ("shop:443:fe80::1%eth0", ["'fe80::1%eth0' is not an IP address"]),
        ("-:no:1,2", ["'-' is not a name", "'no' is not a port", "'1' is not an IP address and '2' is not an IP"]),
    ],
)
def test_all_that_is_wrong_with_what_stands_for_a_name_is_told(text: str, wrong: list[str]) -> None:
    problem = problem_of(parse_resolve, text)
    assert repr(text) in problem.message
    assert all(part in problem.message for part in wrong)


def test_a_name_of_other_letters_is_to_be_given_as_it_goes_over_the_wire() -> None:
    assert "xn--mnchen-3ya.example" in problem_of(parse_resolve, "m\xfcnchen.example:443:10.0.0.7").hint
    assert parse_resolve("xn--mnchen-3ya.example:443:10.0.0.7").host == "xn--mnchen-3ya.example"


def test_addresses_of_one_host_and_port_become_one() -> None:
    said = ["b:80:10.0.0.1", "a:80:10.0.0.2", "B:80:10.0.0.3,10.0.0.1", "b:81:10.0.0.4"]
    assert [str(each) for each in merge_resolves(map(parse_resolve, said))] == [
        "b:80:10.0.0.1,10.0.0.3,10.0.0.1",
        "a:80:10.0.0.2",
        "b:81:10.0.0.4",
    ]


@given(st.lists(resolves, max_size=6))
def test_merged_no_address_is_lost_and_no_host_is_there_twice(said: list[Resolve]) -> None:
    merged = merge_resolves(said)
    keys = [(each.host, each.port) for each in merged]
    assert len(set(keys)) == len(keys)
    for host, port in {(each.host, each.port) for each in said}:
        addresses = [address for each in said if (each.host, each.port) == (host, port) for address in each.addresses]
        assert Resolve(host, port, tuple(addresses)) in merged
    assert merge_resolves(merged) == merged


# Addresses to connect from.


@pytest.mark.parametrize(
    ("text", "address"),
    [("10.0.0.5", "10.0.0.5"), (" 127.0.0.2 ", "127.0.0.2"), ("[::1]", "::1"), ("FD00::0:5", "fd00::5")],
)
def test_a_source_address_is_an_ip_address(text: str, address: str) -> None:
    assert parse_source_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        *("", "eth0", "localhost", "10.0.0", "10.0.0.5:80", "10.0.0.0/24", "10.0.0.5,10.0.0.6", "fe80::1%eth0"),
        *("0.0.0.0", "::", "255.255.255.255", "224.0.0.1", "ff02::1"),
    ],
)
def test_anything_else_is_no_source_address(text: str) -> None:
    assert repr(text) in problem_of(parse_source_address, text).message


# What requests call themselves.


@pytest.mark.parametrize(
    ("text", "agent"),
    [
        ("shop-load/1.0", "shop-load/1.0"),
        (" a  b ", "a  b"),
        ("Caf\xe9 (X11; n)", "Caf\xe9 (X11; n)"),
        ("\xa0", "\xa0"),
    ],
)
def test_a_user_agent_is_a_line_of_latin_1(text: str, agent: str) -> None:
    assert parse_user_agent(text) == agent


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "there is nothing in it"),
        ("   ", "there is nothing in it"),
        ("a\r\nHost: b", "holds a control character"),
        ("a\tb", "holds a control character"),
        ("a\n", "holds a control character"),
        ("a\x7f", "holds a control character"),
        ("a\x85", "holds a control character"),
        ("5 \u20ac", "holds '\u20ac'"),
        ("\udcff", "holds '\\udcff'"),
    ],
)
def test_a_user_agent_that_no_header_can_hold_is_refused(text: str, message: str) -> None:
    assert message in problem_of(parse_user_agent, text).message


@given(st.text())
def test_a_user_agent_goes_into_a_header_whole(text: str) -> None:
    try:
        agent = parse_user_agent(text)
    except UsageError:
        return
    line = agent.encode("latin-1")
    assert line == line.strip(b" \t\r\n")
    assert not any(byte < 0x20 or byte == 0x7F for byte in line)


# Certificates.


def openssl_takes(data: bytes) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=data.decode("ascii"))
    except (ssl.SSLError, ValueError):
        return False
    return True


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_a_bundle_may_hold_several_certificates_and_notes(newline: bytes) -> None:
    other = trustme.CA().cert_pem.bytes()
    data = (b"# ours\n" + BUNDLE + b"\n\nSerial: 5\n" + other).replace(b"\n", newline)
    assert openssl_takes(data)
    assert find_bundle_problem(data) is None


@given(st.integers(0, len(BUNDLE)))
def test_a_bundle_that_was_cut_off_is_told_as_openssl_would(cut: int) -> None:
    assert (find_bundle_problem(BUNDLE[:cut]) is None) == openssl_takes(BUNDLE[:cut])


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "holds no certificate in PEM"),
        (b"-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n", "holds no certificate in PEM"),
        (b"\x30\x82\x01\x00" + bytes(256), "holds no certificate in PEM"),
        (b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", "is broken at its certificate 1"),
        (b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n", "is broken at its certificate 1"),
        (b"-----BEGIN CERTIFICATE-----\nhello\n-----END CERTIFICATE-----\n", "is broken at its certificate 1"),
        (BUNDLE + BUNDLE.replace(b"\nM", b"\n!", 1), "is broken at its certificate 2"),
        (BUNDLE + BUNDLE[:-200], "is broken at its certificate 2"),
    ],
)
def test_what_is_no_bundle_is_told_where(data: bytes, problem: str) -> None:
    assert find_bundle_problem(data) == problem


@given(st.binary() | st.binary().map(lambda data: BUNDLE[:40] + data + BUNDLE[40:]))
def test_any_bytes_are_looked_at_without_harm(data: bytes) -> None:
    find_bundle_problem(data)


# The plan.


def test_nothing_is_peculiar_about_the_defaults() -> None:
    assert HttpOptions().describe() == ""
    assert HttpOptions(timeout_us=1, ca_bundle="/ca.pem", dns=DnsPolicy.ONCE, user_agent="a").describe() == ""


def test_what_makes_another_load_of_the_same_tests_is_told() -> None:
    resolve = Resolve("shop.example", 443, ("10.0.0.7", "::1"))
    told = HttpOptions(insecure_tls=True, keepalive=False, resolve=(resolve,), source_addresses=("10.0.0.5",))
    assert told.describe() == (
        "certificates are not verified; a connection for each; resolved as shop.example:443:10.0.0.7,[::1]; "
        "from 10.0.0.5"
    )


def test_many_addresses_are_cut_and_the_rest_is_counted() -> None:
    addresses = tuple(str(IPv4Address(number)) for number in range(1, 6))
    assert HttpOptions(source_addresses=addresses).describe() == "from 0.0.0.1, 0.0.0.2, 0.0.0.3 and 2 more"
