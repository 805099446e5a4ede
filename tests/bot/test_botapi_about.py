"""What the bot can ask: itself, chats, members, menus; and the door of the server."""

import aiohttp
import pytest
from botapi_bench import ADA, GROUP, SAM, SUPER, TOKEN, TOM, bench, client
from telegram import (
    Bot,
    BotCommand,
    BotCommandScopeAllGroupChats,
    BotCommandScopeChat,
    BotCommandScopeChatMember,
)
from telegram.error import BadRequest, EndPointNotFound, Forbidden, InvalidToken
from telegram.ext import ExtBot


def port_of(bot: Bot) -> int:
    return int(bot.base_url.split(":")[2].split("/")[0])


async def test_the_bot_knows_itself() -> None:
    async with bench() as (_, bot, _clock):
        me = await bot.get_me()
        assert (me.id, me.username, me.is_bot) == (4242, "tidemark_bot", True)
        assert me.can_read_all_group_messages is False


async def test_an_extended_bot_works_as_well() -> None:
    async with bench() as (_, bot, _clock):
        root = f"http://127.0.0.1:{port_of(bot)}"
        async with ExtBot(TOKEN, base_url=f"{root}/bot", base_file_url=f"{root}/file/bot") as other:
            assert (await other.send_message(ADA, "x")).chat.id == ADA


async def test_wrong_tokens_are_rejected() -> None:
    async with bench() as (_, bot, _clock):
        for token, status in (("4242:wrong", 401), ("nonsense", 404)):
            async with aiohttp.ClientSession() as session:
                url = f"http://127.0.0.1:{port_of(bot)}/bot{token}/getMe"
                async with session.get(url) as answer:
                    assert answer.status == status
        stranger = client(port_of(bot), "4242:wrong")
        with pytest.raises(InvalidToken):
            await stranger.initialize()
        await stranger.shutdown()


async def test_unknown_methods_are_not_found() -> None:
    async with bench() as (_, bot, _clock):
        with pytest.raises(EndPointNotFound):
            await bot.do_api_request("sendRichMessage", {"chat_id": ADA})
        assert await bot.do_api_request("SETMYDESCRIPTION", {"description": "x"}) is True


async def test_the_same_call_in_every_form_of_http() -> None:
    async with bench() as (server, bot, _), aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{port_of(bot)}/bot{TOKEN}/sendMessage"
        keys = {"inline_keyboard": [[{"text": "a", "callback_data": "b"}]]}
        calls = [
            session.get(url, params={"chat_id": ADA, "text": "x"}),
            session.post(url, data={"chat_id": ADA, "text": "x"}),
            session.post(url, json={"chat_id": ADA, "text": "x", "reply_markup": keys}),
        ]
        for call in calls:
            async with call as answer:
                body = await answer.json()
                assert (body["ok"], body["result"]["text"]) == (True, "x")
        assert server.messages(ADA)[-1]["reply_markup"] == keys
        assert server.calls[-1].params["reply_markup"] == keys
        async with session.post(
            url, data="{", headers={"Content-Type": "application/json"}
        ) as answer:
            assert answer.status == 400


async def test_chats_and_members() -> None:
    async with bench() as (server, bot, _):
        assert (await bot.get_chat(ADA)).first_name == "Ada"
        group = await bot.get_chat(SUPER)
        assert (group.title, group.type, group.is_forum) == ("Floor", "supergroup", True)
        statuses = [
            (await bot.get_chat_member(GROUP, user)).status for user in (ADA, TOM, SAM, bot.id)
        ]
        assert statuses == ["creator", "member", "left", "member"]
        with pytest.raises(BadRequest, match=r"(?i)user not found"):
            await bot.get_chat_member(GROUP, 1087968824)
        assert [m.user.id for m in await bot.get_chat_administrators(GROUP)] == [ADA]
        with pytest.raises(BadRequest, match=r"(?i)no administrators in the private chat"):
            await bot.get_chat_administrators(ADA)
        server.kick_bot(GROUP)
        with pytest.raises(Forbidden):
            await bot.get_chat_member(GROUP, ADA)


async def test_menus_are_kept_by_scope_and_language() -> None:
    async with bench() as (_, bot, _clock):
        chat = BotCommandScopeChat(ADA)
        one, two = [BotCommand("price", "Prices")], [BotCommand("alert_volume", "Volume alert")]
        await bot.set_my_commands(one)
        await bot.set_my_commands(two, scope=chat, language_code="de")
        assert list(await bot.get_my_commands()) == one
        assert list(await bot.get_my_commands(scope=chat)) == []
        assert list(await bot.get_my_commands(scope=chat, language_code="de")) == two
        await bot.set_my_commands(two, scope=BotCommandScopeChatMember(GROUP, ADA))
        assert list(await bot.get_my_commands(scope=BotCommandScopeChatMember(GROUP, TOM))) == []
        await bot.delete_my_commands()
        assert list(await bot.get_my_commands()) == []
        with pytest.raises(BadRequest, match=r"(?i)chat not found"):
            await bot.set_my_commands(one, scope=BotCommandScopeChat(999))


@pytest.mark.parametrize(
    ("commands", "complaint"),
    [
        ([("price", "Prices"), ("alert-volume", "x")], "bot_command_invalid"),
        ([("Price", "Prices")], "bot_command_invalid"),
        ([("p" * 33, "Prices")], "bot_command_invalid"),
        ([("price", "")], "bot_command_description_invalid"),
        ([("price", "d" * 257)], "bot_command_description_invalid"),
        ([(f"c{n}", "x") for n in range(101)], "bot_commands_too_much"),
    ],
)
async def test_one_bad_entry_refuses_the_whole_menu(
    commands: list[tuple[str, str]], complaint: str
) -> None:
    async with bench() as (_, bot, _clock):
        scope = BotCommandScopeAllGroupChats()
        await bot.set_my_commands([("oi", "Open interest")], scope=scope)
        with pytest.raises(BadRequest, match=f"(?i){complaint}"):
            await bot.set_my_commands(commands, scope=scope)
        assert [c.command for c in await bot.get_my_commands(scope=scope)] == ["oi"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:{port}"}, 200),
        ({"Origin": "http://127.0.0.1:{port}"}, 200),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "evil.example"}, 403),
        ({"Host": "evil.example", "Origin": "http://evil.example"}, 403),
        ({"Host": "127.0.0.1.evil.example"}, 403),
    ],
)
async def test_only_this_machine_and_no_foreign_page_gets_in(
    headers: dict[str, str], status: int
) -> None:
    async with bench() as (_, bot, _clock), aiohttp.ClientSession() as session:
        port = port_of(bot)
        sent = {name: value.format(port=port) for name, value in headers.items()}
        for path in (f"/bot{TOKEN}/getMe", "/control/fault"):
            method = "POST" if path == "/control/fault" else "GET"
            call = session.request(
                method,
                f"http://127.0.0.1:{port}{path}",
                headers=sent,
                json={"kind": "slow", "delay": 0},
            )
            async with call as answer:
                assert answer.status == status


async def test_files_need_the_token_and_their_own_path() -> None:
    async with bench() as (_, bot, _clock), aiohttp.ClientSession() as session:
        sent = await bot.send_document(ADA, b"x", filename="../../a.csv")
        file = await bot.get_file(sent.document.file_id)
        path = file.file_path.rsplit("/file/bot", 1)[1].split("/", 1)[1]
        assert path == "documents/file_1.csv"
        root = f"http://127.0.0.1:{port_of(bot)}/file/bot"
        for tail, status in (
            (f"{TOKEN}/{path}", 200),
            (f"1:wrong/{path}", 401),
            (f"{TOKEN}/x/y", 404),
        ):
            async with session.get(root + tail) as answer:
                assert answer.status == status
