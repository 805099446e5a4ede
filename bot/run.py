"""`python -m bot`: the whole desk in one process, until SIGTERM or Ctrl-C."""

import asyncio
import contextlib
import gc
import logging
import secrets
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from alerts.channels.chats import Chats
from alerts.channels.types import TELEGRAM, X
from alerts.delivery.ledger import LedgerBuffer
from alerts.monitors.latency import Timed
from alerts.outbox import Outbox
from bot.app import Desk, follow_clock, open_desk
from bot.children import child
from bot.config import Settings
from bot.schedule import Schedule
from bot.telegram.access import Access
from bot.telegram.build import DeskBot, TelegramFatal, build_bot, connect
from bot.telegram.buttons import Buttons
from bot.telegram.channel import TelegramChannel
from bot.telegram.gateway import Gateway
from bot.telegram.inbox import Inbox
from bot.telegram.lookup import Lookup
from bot.telegram.menu import publish
from bot.telegram.redact import guard_logs
from bot.telegram.router import Router
from bot.telegram.webhook import Webhook
from handlers.alert_chart import draw_alert
from market import format as fmt
from market.language import _
from market.symbols import parse_query
from storage.buttons import Buttons as ButtonRows
from storage.inbox import Inbox as InboxRows
from storage.ledger import Ledger

logger = logging.getLogger(__name__)

PLAYGROUND_ADMIN = 1001
STOP = 9.0  # seconds from the signal to the end


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """Where the chat is: Telegram, or the playground's local Bot API server."""

    token: str
    base_url: str
    base_file_url: str
    admin_ids: tuple[int, ...]


async def run(settings: Settings) -> int:
    """Run until told to stop; 0 when it was stopped, 1 when Telegram will not have us."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with contextlib.AsyncExitStack() as stack:
        desk = await stack.enter_async_context(open_desk(settings))
        front = await stack.enter_async_context(_front(settings, desk))
        gc.collect()
        gc.freeze()  # what lives as long as the process is never looked through again: no long pauses
        return await _serve(desk, front, stop)


@contextlib.asynccontextmanager
async def _front(settings: Settings, desk: Desk) -> AsyncIterator[Front]:
    if not settings.playground:
        yield Front(
            token=settings.telegram_bot_token,
            base_url=settings.telegram_base_url,
            base_file_url=settings.telegram_base_file_url,
            admin_ids=settings.admin_ids,
        )
        return
    token = f"1000001:{secrets.token_hex(16)}"
    arguments = ["playground", "--port", str(settings.playground_port), "--token", token]
    if desk.market_url:
        arguments += ["--market", desk.market_url]
    async with child(arguments) as told:
        print(_("Tidemark playground: {url}").format(url=told["url"]), flush=True)  # noqa: T201
        yield Front(
            token=token,
            base_url=f"{told['url']}/bot",
            base_file_url=f"{told['url']}/file/bot",
            admin_ids=settings.admin_ids or (PLAYGROUND_ADMIN,),
        )


class Chat:
    """Everything between the desk and Telegram."""

    def __init__(self, desk: Desk, front: Front) -> None:
        desk.redactor.hide(front.token)
        guard_logs(desk.redactor)
        app = desk.app
        self.desk, self.front = desk, front
        self.bot: DeskBot = build_bot(front.token, front.base_url, front.base_file_url)
        self.ledger = LedgerBuffer(Ledger(desk.database))
        self.gateway = Gateway(self.bot, desk.wall, ledger=self.ledger.add)
        book = desk.channels.book
        book.ways = {**book.ways, TELEGRAM: Chats(Lookup(self.bot))}
        self.buttons = Buttons(ButtonRows(desk.database), desk.wall)
        self.access = Access(desk.settings.access, front.admin_ids, desk.people, desk.wall)
        channel = TelegramChannel(self.gateway, self._draw, self.buttons, lambda: app.mark)
        self.outbox = Outbox(
            desk.store,
            {
                "telegram": Timed(channel, desk.live.monitors.latency, desk.wall),
                **desk.channels.channels,
            },
            desk.wall,
            wake=desk.alerts.wake,
            loudness=desk.loudness,
            on_gone=self._chat_changed,
        )
        self.inbox: Inbox | None = None
        self.webhook: Webhook | None = None
        app.status_lines = self._status

    async def _draw(self, name: str, data: Any) -> bytes | None:
        """The picture of an alert, drawn from the market when it is sent."""
        if name == "alert":
            return await draw_alert(self.desk.app, data)
        return await self.desk.app.draw(name, data)

    def _status(self) -> Mapping[str, str]:
        last = self.inbox.last_ok if self.inbox else None
        age = fmt.NOT_KNOWN if last is None else fmt.age(self.desk.wall.now() - last)
        desk = self.desk
        return {
            _("telegram"): age,
            _("queue"): str(self.gateway.waiting()),
            _("alerts"): _("{n} armed").format(n=f"{len(desk.runner.engine):,}"),
            _("bad data"): f"{desk.alerts.bad_data + desk.runner.refused:,}",
        }

    async def receive(self) -> None:
        """Say who we are, take up what was left, then answer until stopped."""
        desk, settings = self.desk, self.desk.settings
        username = await connect(self.bot)
        await self.access.start()
        await self._only_admins_post()
        router = Router(
            desk.app, desk.people, self.access, self.gateway, self.buttons, username=username,
            is_coin=self._is_coin, on_chat=self._chat_changed,
        )  # fmt: skip
        self.gateway.on_migrated = partial(self._moved, self.gateway.on_migrated)
        self.inbox = Inbox(self.bot, InboxRows(desk.database), router.handle, desk.wall)
        await self.inbox.recover()
        await publish(self.bot, self.front.admin_ids)
        if settings.telegram_webhook_url:
            self.webhook = Webhook(
                self.bot,
                self.inbox,
                url=settings.telegram_webhook_url,
                secret=settings.telegram_webhook_secret,
            )
            await self.webhook.start(settings.port)
            await self.webhook.register()
        logger.info("ready username=%s market=%s", username, settings.mode)
        await self.inbox.run(poll=not settings.telegram_webhook_url)

    async def _only_admins_post(self) -> None:
        """The desk's X account is its admins'; whoever is none any more does not post there."""
        book = self.desk.channels.book
        for each in book.all():
            if each.channel == X and each.owner_id not in self.front.admin_ids:
                await book.remove(each.owner_id, each.id)

    async def _moved(
        self, before: Callable[[int, int], Awaitable[None]], old: int, new: int
    ) -> None:
        await before(old, new)
        await self.desk.live.monitors.subscriptions.move_chat(old, new)

    async def _chat_changed(self, chat_id: int, alive: bool) -> None:
        self.desk.live.monitors.chat_changed(chat_id, alive)
        await self.desk.alerts.chat_changed(chat_id, alive)
        if not alive:
            await self.desk.channels.book.chat_gone(chat_id)

    def _is_coin(self, word: str) -> bool:
        query = parse_query(word)
        return query is not None and self.desk.market.directory.knows(query.base)

    async def close(self) -> None:
        """No more updates, then the queue, then the connections."""
        if self.webhook:
            await self.webhook.close()
        if self.inbox:
            await self.inbox.stop(4.0)
        await self.gateway.close(3.0)
        await self.bot.shutdown()


async def _serve(desk: Desk, front: Front, stop: asyncio.Event) -> int:
    chat = Chat(desk, front)
    schedule = Schedule(desk)
    await desk.alerts.start()
    schedule.start()
    live = asyncio.create_task(desk.live.run(), name="live")
    tasks = [
        live,
        asyncio.create_task(chat.receive(), name="receive"),
        asyncio.create_task(chat.outbox.run(), name="outbox"),
        asyncio.create_task(chat.ledger.run(), name="ledger"),
        asyncio.create_task(follow_clock(desk), name="market clock"),
    ]
    stopped = asyncio.create_task(stop.wait(), name="stop")
    status = 0
    try:
        status = await _watch(tasks, stopped)
    finally:
        schedule.stop()
        stopped.cancel()
        live.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP):
                await asyncio.gather(chat.close(), _ended(live, desk))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return status


async def _ended(live: "asyncio.Task[None]", desk: Desk) -> None:
    """The live services have stopped, and what they know is written down."""
    await asyncio.gather(live, return_exceptions=True)
    await desk.live.close()


async def _watch(tasks: list[asyncio.Task[None]], stopped: asyncio.Task[Any]) -> int:
    """Wait for the signal, or for a task that cannot go on."""
    waiting: set[asyncio.Task[Any]] = {stopped, *tasks}
    while not stopped.done():
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in done - {stopped}:
            error = task.exception()
            if isinstance(error, TelegramFatal):
                print(error, flush=True)  # noqa: T201
                return 1
            if error is not None:
                raise error
    return 0
