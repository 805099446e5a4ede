"""Which addresses are called: none that is private, whatever it is written as, unless the operator says so."""

import ipaddress

import pytest
from channel_bench import NOW, PUBLIC, Local, Stub, caller
from hypothesis import given
from hypothesis import strategies as st

from alerts.channels.fence import Blocked, Fence, Names, Unresolved, allowed, base, is_public
from alerts.channels.http import Answer, Web
from alerts.outcome import NotSent, Refused
from market.clock import FixedClock

NAMED = {  # what hostile and unlucky names resolve to
    "public.example.com": [[PUBLIC]],
    "six.example.com": [["2606:2800:220:1:248:1893:25c8:1946"]],
    "ten.example.com": [["10.0.0.5"]],
    "loop.example.com": [["127.0.0.1"]],
    "loop6.example.com": [["::1"]],
    "mapped.example.com": [["::ffff:127.0.0.1"]],
    "mapped10.example.com": [["::ffff:a00:1"]],
    "compat.example.com": [["::127.0.0.1"]],
    "nat64.example.com": [["64:ff9b::7f00:1"]],
    "nat64local.example.com": [["64:ff9b:1::a00:1"]],
    "sixtofour.example.com": [["2002:7f00:1::"]],
    "teredo.example.com": [["2001:0:4136:e378:8000:63bf:f5ff:fffe"]],
    "isatap.example.com": [["2606:2800::5efe:10.0.0.1"]],
    "meta.example.com": [["169.254.169.254"]],
    "meta6.example.com": [["fd00:ec2::254"]],
    "azure.example.com": [["168.63.129.16"]],
    "alibaba.example.com": [["100.100.100.200"]],
    "cgnat.example.com": [["100.64.0.1"]],
    "multicast.example.com": [["224.0.0.1"]],
    "multicast6.example.com": [["ff02::1"]],
    "zero.example.com": [["0.0.0.0"]],
    "zero6.example.com": [["::"]],
    "broadcast.example.com": [["255.255.255.255"]],
    "reserved.example.com": [["240.0.0.1"]],
    "bench.example.com": [["198.18.0.1"]],
    "doc.example.com": [["192.0.2.1"]],
    "doc6.example.com": [["2001:db8::1"]],
    "link6.example.com": [["fe80::1"]],
    "scoped.example.com": [["fe80::1%eth0"]],
    "site6.example.com": [["fec0::1"]],
    "private172.example.com": [["172.31.255.255"]],
    "private192.example.com": [["192.168.1.1"]],
    "both.example.com": [[PUBLIC, "10.0.0.1"]],
    "both6.example.com": [[PUBLIC, "::1"]],
    "garbage.example.com": [["not an address"]],
    "127.0.0.1.nip.example.com": [["127.0.0.1"]],
}
LITERALS = [
    "https://127.0.0.1/", "https://127.1/", "https://2130706433/", "https://0x7f000001/", "https://0x7f.0.0.1/",
    "https://0177.0.0.1/", "https://017700000001/", "https://127.0.0.1./", "https://0/", "https://10.0.0.1/",
    "https://169.254.169.254/latest/meta-data/", "https://[::1]/", "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/", "https://[0:0:0:0:0:0:0:1]/", "https://[fe80::1%25eth0]/", "https://[::]/",
    "https://[64:ff9b::a00:1]/", "https://[2002:a00:1::]/", "https://\uff11\uff12\uff17.0.0.1/",
    "https://127\u30020\u30020\u30021/", "https://\u2460\u2461\u2466.0.0.1/",
    "https://2852039166/", "https://0xA9FEA9FE/", "https://192.168.0.1:443/",
    "https://public.example.com@127.0.0.1/", "https://127.0.0.1#@public.example.com/",
    "https://user:pw@public.example.com/", "https://127.0.0.1\\@public.example.com/", "https://localhost/",
    "https://LOCALHOST./", "https://\u24dbocalhost/", "https://foo.localhost/", "https://printer.local/",
    "https://metadata.google.internal/", "https://metadata/", "https://public.example.com:8443/",
    "https://public.example.com:22/", "http://public.example.com/", "ftp://public.example.com/",
    "file:///etc/passwd", "gopher://public.example.com/", "//public.example.com/", "public.example.com",
    "https://", "https:///", "https://public.example.com:99999/", "https://public.example.com:0/",
    "https://public.example.com:/", "https://pub lic.example.com/", "https://public.example.com/a b",
    "https://public.example.com/\r\nHost: x", "https://public.example.com\t/", "https://.example.com/",
    "https://public..example.com/", "https://public.example.com../", "https://%31%32%37.0.0.1/",
    "https://[::1/", "https://::1/", "https://[127.0.0.1]/", "https://-a.example.com/", "",
    "https://" + "a" * 64 + ".example.com/", "https://public.example.com/" + "x" * 2000,
]  # fmt: skip
HOSTILE = LITERALS + [
    f"https://{name}/" for name in NAMED if not name.startswith(("public", "six"))
]
WELCOME = [
    "https://public.example.com/", "https://public.example.com", "https://PUBLIC.example.com:443/a?b=c%20d",
    "https://public.example.com./hook", "https://six.example.com/", f"https://{PUBLIC}/",
]  # fmt: skip


def fence(*allow: tuple[str, int]) -> Fence:
    return Fence(Stub({name: [*answers] for name, answers in NAMED.items()}), allow)


@pytest.mark.parametrize("entry", [(), (("127.0.0.1", 8080),)], ids=["nothing let through", "one entry"])  # fmt: skip
@pytest.mark.parametrize("url", HOSTILE)
async def test_a_hostile_address_is_refused_when_it_is_saved_and_when_it_is_called(
    url: str, entry: tuple[tuple[str, int], ...]
) -> None:
    with pytest.raises(Blocked):
        await fence(*entry).check(url)
    web = Web(fence(*entry), FixedClock(NOW))
    assert await web.post(url, b"{}", {}) == Refused("the address is not allowed")


@pytest.mark.parametrize("url", WELCOME)
async def test_a_public_address_is_welcome(url: str) -> None:
    target = await fence().check(url)
    assert target.addresses in ((PUBLIC,), ("2606:2800:220:1:248:1893:25c8:1946",))
    assert target.place.port == 443


def test_the_list_is_long_enough() -> None:
    assert len(set(HOSTILE)) >= 90


async def test_an_entry_lets_exactly_its_host_and_port_through() -> None:
    let = fence(("127.0.0.1", 8080), ("hooks.lan", 90), ("::1", 70))
    assert (await let.check("http://127.0.0.1:8080/x")).addresses == ("127.0.0.1",)
    assert (await let.check("https://127.0.0.1:8080/x")).place.scheme == "https"
    assert (await let.check("http://[::1]:70/")).addresses == ("::1",)
    for url in (
        "http://127.0.0.1/", "http://127.0.0.1:8081/", "https://127.0.0.1/", "http://2130706433:8080/",
        "http://127.1:8080/", "http://[::ffff:127.0.0.1]:8080/", "http://localhost:8080/",
        "http://loop.example.com:8080/", "http://u@127.0.0.1:8080/", "http://hooks.lan:91/",
    ):  # fmt: skip
        with pytest.raises(Blocked):
            await let.check(url)
    with pytest.raises(Unresolved):
        await let.check("http://hooks.lan:90/")


async def test_letters_of_other_scripts_are_asked_for_in_their_one_spelling() -> None:
    stub = Stub({"xn--strae-oqa.example.com": [[PUBLIC]]})
    target = await Fence(stub).check("https://straße.example.com/ok")
    assert target.place.url == "https://xn--strae-oqa.example.com/ok"
    assert stub.asked == ["xn--strae-oqa.example.com"]


async def test_a_name_that_turns_private_after_it_was_saved_is_not_called() -> None:
    async with Local().open() as server:
        stub = Stub({"turn.example.com": [[PUBLIC], ["127.0.0.1"]]})
        web = Web(Fence(stub, [("other.example.com", server.port)]), FixedClock(NOW))
        url = "https://turn.example.com/hook"
        assert (await web.fence.check(url)).addresses == (PUBLIC,)
        assert await web.post(url, b"{}", {}) == Refused("the address is not allowed")
        assert server.calls == []


async def test_the_connection_goes_to_the_address_that_was_checked_and_names_are_asked_once() -> (
    None
):
    async with Local().open() as server:
        stub = Stub({"pin.example.com": [["127.0.0.1"], ["203.0.113.9"]]})
        web = Web(Fence(stub, [("pin.example.com", server.port)]), FixedClock(NOW))
        answer = await web.post(f"http://pin.example.com:{server.port}/a?b=1", b"{}", {})
        assert isinstance(answer, Answer)
        assert answer.status == 200
        assert stub.asked == ["pin.example.com"]
        (call,) = server.calls
        assert call.headers["host"] == f"pin.example.com:{server.port}"
        assert call.path == "/a?b=1"


async def test_a_redirect_is_not_followed() -> None:
    from aiohttp import web as aio

    async with Local().open() as private:

        def away(_call: object) -> aio.Response:
            return aio.Response(status=307, headers={"Location": private.url})

        async with Local(away).open() as public:
            web = caller(public.url, private.url)
            outcome = web.outcome(await web.post(public.url + "/", b"{}", {}))
            assert outcome == Refused("HTTP 307, redirects are not followed")
            assert private.calls == []


async def test_a_name_nobody_knows_is_tried_again_later() -> None:
    with pytest.raises(Unresolved):
        await fence().check("https://nowhere.example.com/")
    web = Web(fence(), FixedClock(NOW))
    assert isinstance(await web.post("https://nowhere.example.com/", b"", {}), NotSent)


async def test_the_systems_own_names_are_asked_in_threads_of_their_own() -> None:
    names = Names()
    assert set(await names("localhost", 80)) <= {"127.0.0.1", "::1"}
    names.close()


@given(st.integers(0, 2**32 - 1))
def test_no_ipv4_that_python_calls_local_is_public_here(number: int) -> None:
    address = ipaddress.IPv4Address(number)
    if not address.is_global or address.is_multicast or address.is_reserved:
        assert not is_public(str(address))
    assert not is_public(f"::ffff:{address}")
    assert not is_public(str(ipaddress.IPv6Address((0x64FF9B << 96) | number)))
    assert not is_public(str(ipaddress.IPv6Address((0x2002 << 112) | (number << 80))))


@given(
    st.sampled_from([0x20, 0x24, 0x2A, 0x26, 0xFC, 0xFE, 0xFF, 0x00]), st.integers(0, 2**120 - 1)
)
def test_no_ipv6_that_python_calls_local_is_public_here(first: int, rest: int) -> None:
    address = ipaddress.IPv6Address((first << 120) | rest)
    if not address.is_global or address.is_multicast:
        assert not is_public(str(address))


def test_entries_are_hosts_with_ports() -> None:
    found = allowed("127.0.0.1:8080, Hooks.LAN:90 [::1]:70,127.0.0.1:8080")
    assert found == (("127.0.0.1", 8080), ("hooks.lan", 90), ("::1", 70))
    assert allowed("") == ()
    for bad in (
        "127.0.0.1",
        "http://a.b:80",
        "a.b:",
        "a.b:0",
        "*:80",
        "u@a.b:80",
        "::1:80",
        "0x7f.1:80",
    ):
        with pytest.raises(ValueError, match="is not host:port"):
            allowed(bad)


def test_an_api_address_of_the_operator_is_inside_the_fence_too() -> None:
    assert base("https://discord.com/api/", ()) == "https://discord.com/api"
    assert base("http://127.0.0.1:90", [("127.0.0.1", 90)]) == "http://127.0.0.1:90"
    for bad in (
        "http://127.0.0.1:90",
        "http://discord.com",
        "https://10.0.0.1",
        "https://a.b/?x=1",
        "x",
    ):
        with pytest.raises(ValueError, match=r"WEBHOOK_ALLOW|write an address"):
            base(bad, ())
