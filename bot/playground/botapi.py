"""A Bot API server on loopback that behaves like Telegram's for an unmodified client library.

It is the server behind the chat page and the end-to-end test bench: see `faults` for the trouble it can make.
"""

import asyncio
import json
import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar

from aiohttp import web

from bot.playground import about, editing, sending
from bot.playground.errors import ApiError, forbidden, not_found, too_many
from bot.playground.faults import BEFORE, Fault, Faults, read_fault
from bot.playground.guard import loopback_only
from bot.playground.limits import Limits
from bot.playground.params import LARGEST, Params, read_params
from bot.playground.people import People
from bot.playground.state import User, World
from bot.playground.webhook import Webhooks
from market.clock import Clock

T = TypeVar("T")
Method = Callable[[World, Params], Any]
CALLS = 20_000
TOKEN = re.compile(r"\d+:[A-Za-z0-9_-]{3,}")
PAGE_502 = "<html><head><title>502 Bad Gateway</title></head><body>502 Bad Gateway</body></html>"
METHODS: Mapping[str, Method] = MappingProxyType({
    "getme": about.get_me,
    "sendmessage": sending.send_message,
    "sendphoto": sending.send_photo,
    "senddocument": sending.send_document,
    "sendmediagroup": sending.send_media_group,
    "sendchataction": sending.send_chat_action,
    "editmessagetext": editing.edit_message_text,
    "editmessagecaption": editing.edit_message_caption,
    "editmessagemedia": editing.edit_message_media,
    "editmessagereplymarkup": editing.edit_message_reply_markup,
    "deletemessage": editing.delete_message,
    "deletemessages": editing.delete_messages,
    "answercallbackquery": editing.answer_callback_query,
    "setmycommands": about.set_my_commands,
    "getmycommands": about.get_my_commands,
    "deletemycommands": about.delete_my_commands,
    "getchat": about.get_chat,
    "getchatmember": about.get_chat_member,
    "getchatmembercount": about.get_chat_member_count,
    "getchatadministrators": about.get_chat_administrators,
    "getfile": about.get_file,
    "logout": about.yes,
    "close": about.yes,
    "setmyname": about.yes,
    "setmydescription": about.yes,
    "setmyshortdescription": about.yes,
    "setchatmenubutton": about.yes,
})  # fmt: skip


@dataclass(slots=True, kw_only=True)
class Call:
    """One call as it arrived, and how it ended: an HTTP status, 0 when the connection was cut."""

    method: str
    params: dict[str, Any]
    ts: int
    code: int = 0
    fault: str = ""


class BotApiServer(People):
    """The server. `limits` enforces Telegram's flood limits; `reads_all`: privacy mode is off for all groups."""

    def __init__(
        self,
        *,
        token: str,
        username: str = "tidemark_bot",
        wall: Clock,
        limits: bool = False,
        reads_all: bool = False,
        webhook_retry: float = 1.0,
    ) -> None:
        bot_id = int(token.partition(":")[0]) if TOKEN.fullmatch(token) else 1
        bot = User(id=bot_id, name="Tidemark", username=username, is_bot=True)
        super().__init__(World(wall, bot, reads_all=reads_all))
        self.token = token
        self.calls: deque[Call] = deque(maxlen=CALLS)
        self._faults = Faults()
        self._limits = Limits() if limits else None
        self._webhooks = Webhooks(self.world, webhook_retry)
        self._runner: web.AppRunner | None = None

    async def start(self, port: int = 0, routes: Sequence[web.RouteDef] = ()) -> int:
        """Listen on 127.0.0.1, with further `routes` beside the Bot API; returns the port."""
        app = web.Application(client_max_size=LARGEST, middlewares=[loopback_only])
        app.add_routes(routes)
        app.router.add_route("*", "/bot{token}/{method}", self._answer)
        app.router.add_get("/file/bot{token}/{path:.+}", self._file)
        app.router.add_post("/control/fault", self._set_fault)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        bound: int = self._runner.addresses[0][1]
        return bound

    async def close(self) -> None:
        """Stop listening and delivering."""
        await self._webhooks.close()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def fault(
        self,
        method: str = "*",
        kind: str = "5xx",
        count: int | None = 1,
        retry_after: int = 1,
        delay: float = 1.0,
        chat_id: int | None = None,
    ) -> None:
        """Let the next `count` matching calls run into trouble (None: all); kinds are in `faults.KINDS`."""
        self._faults.add(
            Fault(
                kind=kind, method=method, count=count, retry_after=retry_after, delay=delay,
                chat_id=chat_id,
            )
        )  # fmt: skip

    def clear_faults(self) -> None:
        """End all trouble."""
        self._faults.clear()

    def called(self, method: str) -> list[Call]:
        """The calls of one method, in order."""
        return [call for call in self.calls if call.method.lower() == method.lower()]

    async def wait_for(self, predicate: Callable[[], T], timeout: float = 5.0) -> T:  # noqa: ASYNC109
        """What `predicate` gives as soon as it is true; asked again after every message, edit and call."""
        async with asyncio.timeout(timeout):
            while not (value := predicate()):
                await self.world.changed()
        return value

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        try:
            self._authorise(request)
            params = await read_params(request)
        except ApiError as error:
            return _refusal(error)
        name = request.match_info["method"]
        call = Call(method=name, params=params.logged(), ts=self.world.wall.now())
        self.calls.append(call)
        self.world.touch()
        fault = self._faults.take(name, params.text("chat_id"))
        call.fault = fault.kind if fault else ""
        try:
            response = await self._outcome(request, name, params, fault)
        finally:
            self.world.touch()
        call.code = response.status if _connected(request) else 0
        return response

    async def _outcome(
        self, request: web.Request, name: str, params: Params, fault: Fault | None
    ) -> web.Response:
        if fault and fault.kind in BEFORE:
            return _trouble(request, fault)
        try:
            answer = web.json_response({"ok": True, "result": await self._run(name, params)})
        except ApiError as error:
            answer = _refusal(error)
        if fault is None:
            return answer
        if fault.kind == "slow":
            self.world.touch()
            await asyncio.sleep(fault.delay)
            return answer
        if fault.kind == "broken":
            text = answer.text or ""
            half = text[: len(text) // 2]
            return web.Response(text=half, status=answer.status, content_type="application/json")
        return _cut(request)

    async def _run(self, name: str, params: Params) -> Any:
        method = name.lower()
        updates = self.world.updates
        if method == "getupdates":
            if "allowed_updates" in params:
                updates.allowed = tuple(map(str, params.rows("allowed_updates")))
            return await updates.poll(
                offset=params.integer("offset"),
                limit=params.integer("limit", 100),
                timeout=params.integer("timeout"),
            )
        if method == "setwebhook":
            return await self._webhooks.set(params)
        if method == "deletewebhook":
            return await self._webhooks.delete(params)
        if method == "getwebhookinfo":
            return self._webhooks.info()
        if method not in METHODS:
            raise not_found()
        self._hold_back(method, params)
        return METHODS[method](self.world, params)

    def _hold_back(self, method: str, params: Params) -> None:
        """Flood limits, where they are switched on."""
        if self._limits is None:
            return
        try:
            chat = self.world.chat(params.text("chat_id"))
        except ApiError:
            return
        wait = self._limits.refuse(method, chat, self.world.wall.now())
        if wait is not None:
            raise too_many(wait)

    def _authorise(self, request: web.Request) -> None:
        token = request.match_info["token"]
        if token == self.token:
            return
        raise ApiError(401, "Unauthorized") if TOKEN.fullmatch(token) else not_found()

    async def _file(self, request: web.Request) -> web.Response:
        try:
            self._authorise(request)
        except ApiError as error:
            return _refusal(error)
        stored = self.world.files.find(request.match_info["path"])
        if stored is None or stored.path != request.match_info["path"]:
            return _refusal(not_found())
        return web.Response(body=stored.data, content_type="application/octet-stream")

    async def _set_fault(self, request: web.Request) -> web.Response:
        try:
            self._faults.add(read_fault(await request.json()))
        except ValueError as error:
            return web.json_response({"ok": False, "description": str(error)}, status=400)
        return web.json_response({"ok": True})


def _refusal(error: ApiError) -> web.Response:
    return web.json_response(error.body(), status=error.code, dumps=json.dumps)


def _trouble(request: web.Request, fault: Fault) -> web.Response:
    if fault.kind == "drop":
        return _cut(request)
    if fault.kind == "html":
        return web.Response(status=502, text=PAGE_502, content_type="text/html")
    errors = {
        "429": too_many(fault.retry_after),
        "403": forbidden("bot was blocked by the user"),
        "5xx": ApiError(500, "Internal Server Error"),
    }
    return _refusal(errors[fault.kind])


def _connected(request: web.Request) -> bool:
    return request.transport is not None and not request.transport.is_closing()


def _cut(request: web.Request) -> web.Response:
    """Close the connection; the response that is returned goes nowhere."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
