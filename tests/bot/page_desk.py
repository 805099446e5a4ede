"""A scripted desk for the chat page: an unmodified bot that polls, and answers like the product does."""

import asyncio
import math
from contextlib import suppress

from botapi_bench import ADA, png
from telegram import (
    Bot,
    BotCommand,
    BotCommandScopeAllGroupChats,
    BotCommandScopeChat,
    CallbackQuery,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputMediaPhoto,
    Message,
    ReplyKeyboardMarkup,
    Update,
)

from charts import candles
from market.types import Candle

COMMANDS = {
    "price": "Price on every exchange",
    "top10": "Top spot or perpetual markets",
    "cvd": "Who leads: buyers or sellers",
    "oi": "Open interest and its change",
    "funding": "Funding rates side by side",
    "liqmap": "Where forced closes may wait",
    "ta": "Indicators of one coin",
    "alert_volume": "Alert on unusual volume",
    "alerts": "Your alerts, closest first",
    "help": "Every command",
}
PRICE = (
    "<b>BTC $94,312.5  +1.84 % 24h</b>\n<pre>         spot     perp   diff\nBinance  94,312.5 94,330 +0.02%\n"
    "Bybit    94,310.0 94,330 +0.02%\nOKX      94,308.9 94,331 +0.02%\nHyperliq      n/a 94,335    n/a</pre>\n"
    "15m +0.21%  24h 92,110…95,020\nvol 7,281 BTC ($686.7M)\n<i>4 venues · {age} s · observed</i>"
)
TOP = (
    "<b>BTC leads: $8.16B in 24 h</b>\n<pre> 1 BTC    94,330    +1.84%\n     OI 17.02B   APR  +9.1%\n"
    " 2 ETH   3,104.2    -0.62%\n     OI  9.48B   APR  +7.7%\n 3 SOL    142.61    +3.05%\n"
    "     OI  2.91B   APR +11.0%</pre>\n<i>3 venues · 4 s · observed</i>"
)
CVD = (
    "<b>BTC sellers led: CVD -$48.2M in 4 h</b>\nbuy share 46.1 % · last 15 m +$3.1M (turning)\n"
    "<i>Binance+Bybit+OKX perps · from trades, no gaps · observed</i>"
)
MAP = "<b>ETH: $214M of longs wait 3.4 % below</b>\n<i>4 venues · model of open interest · estimated</i>"
ARMED = (
    "🔔 <b>#412 armed</b>\nBTC 15-minute volume above 200 % of its 96-bar average\n"
    "now 84 % · would have fired 9 times in 14 days\n"
    "<blockquote expandable>repeats once per bar\nre-arms below 160 %\nmedian gap 31 h\n"
    "from 1,344 candles\nof Binance BTCUSDT</blockquote>"
)
FIRED = (
    "🔔 <b>BTC volume 340 % of average  #412</b>\n3,120 BTC in 15 m · z 5.1 for this time of day\n"
    "flow: buyers 63 %, whales net +$12.4M\n<i>Binance BTCUSDT · 0.8 s after close · observed</i>"
)


def keys(*rows: str) -> InlineKeyboardMarkup:
    """`text=data` buttons, rows of words separated by `|`."""
    return InlineKeyboardMarkup(
        [
            [
                InlineKeyboardButton(t, callback_data=d)
                for t, d in (k.split("=") for k in row.split("|"))
            ]
            for row in rows
        ]
    )


PRICE_KEYS = keys("🔄 Refresh=e:price|📈 Chart=chart", "CVD=cvd|OI=silent|🔔 Set alert=alert")


def picture(title: str, turn: float = 0.0, theme: str = "dark") -> bytes:
    """A chart as the product draws it."""
    bars = []
    for i in range(72):
        base = 94_000 + 900 * math.sin(i / 9 + turn) + 90 * math.sin(i * 1.7)
        close = base + 120 * math.cos(i * 2.3)
        bars.append(
            Candle(
                ts=1_789_000_200_000 + i * 300_000, open=base, close=close, high=max(base, close) + 60,
                low=min(base, close) - 60, volume=400 + 300 * abs(math.sin(i / 5)),
            )
        )  # fmt: skip
    return candles.render(
        candles.CandleChart(
            title=title, subtitle="Binance · 5m · UTC · observed", candles=tuple(bars), step=300_000,
            price_step=0.1, mark="SIMULATED", theme=theme,
        )
    )  # fmt: skip


class Desk:
    """Answers commands and buttons until it is closed. `nice` draws real charts, else pictures of one colour."""

    def __init__(self, bot: Bot, *, nice: bool = False) -> None:
        self.bot, self.refreshed = bot, 0
        self.heard: list[Message] = []
        self.pressed: list[CallbackQuery] = []
        self.shown = (
            picture if nice else lambda _title, turn=0.0: png(1280, 1024 if not turn else 1000)
        )
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Desk":
        menu = [BotCommand(name, words) for name, words in COMMANDS.items()]
        await self.bot.set_my_commands(menu)
        await self.bot.set_my_commands(
            [*menu, BotCommand("broadcast", "Write to all")], scope=BotCommandScopeChat(ADA)
        )
        await self.bot.set_my_commands(menu[:6], scope=BotCommandScopeAllGroupChats())
        self._task = asyncio.create_task(self._poll())
        return self

    async def __aexit__(self, *_exc: object) -> None:
        assert self._task is not None
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def fire(self, chat_id: int) -> Message:
        """An alert."""
        row = keys("💤 1 h=e:sleep|✏️ Edit=e:edit|🔕 Mute=e:mute", "📈 Chart=chart")
        return await self.bot.send_message(chat_id, FIRED, "HTML", reply_markup=row)

    async def _poll(self) -> None:
        offset = 0
        while True:
            for update in await self.bot.get_updates(offset=offset, timeout=2):
                offset = update.update_id + 1
                await self._take(update)

    async def _take(self, update: Update) -> None:
        if update.callback_query:
            self.pressed.append(update.callback_query)
            await self._pressed(update.callback_query)
        elif message := update.message or update.edited_message:
            self.heard.append(message)
            await self._said(message, (message.text or "").split("@")[0].split(" ")[0])

    async def _said(self, message: Message, word: str) -> None:
        chat = message.chat_id
        if word == "/price":
            await self.bot.send_message(chat, PRICE.format(age=2), "HTML", reply_markup=PRICE_KEYS)
        elif word == "/top10":
            row = keys("OI=e:oi|Funding=e:funding|Volume=e:volume", "◀=e:back|1/2=silent|▶=e:next")
            await self.bot.send_message(chat, TOP, "HTML", reply_markup=row)
        elif word in ("/cvd", "/liqmap"):
            await self.bot.send_chat_action(chat, "upload_photo")
            title, text = ("BTC CVD, 4 h", CVD) if word == "/cvd" else ("ETH liquidation map", MAP)
            row = keys("🔄 Refresh=e:photo|1h=e:1h|1d=e:1d")
            await self.bot.send_photo(
                chat, self.shown(title), text, parse_mode="HTML", reply_markup=row
            )
        elif word == "/alert_volume":
            await self.bot.send_message(
                chat, ARMED, "HTML", reply_markup=keys("Tighter=e:t|Looser=e:l|✖ Undo=undo")
            )
        elif word == "/help":
            rows = [["/price btc", "/alerts"], ["/top10 perps"]]
            board = ReplyKeyboardMarkup(rows, input_field_placeholder="What next?")
            await self.bot.send_message(chat, "What would you like to see?", reply_markup=board)
        else:
            await self.bot.send_message(
                chat, "I don't know that. Try /help", reply_to_message_id=message.message_id
            )

    async def _pressed(self, query: CallbackQuery) -> None:
        assert isinstance(query.message, Message)
        chat, message = query.message.chat_id, query.message.message_id
        if query.data == "silent":
            return
        if query.data == "e:price":
            self.refreshed += 1
            text = PRICE.format(age=1) + f"\nupdated 14:16:0{self.refreshed} UTC"
            await self.bot.edit_message_text(
                text, chat, message, parse_mode="HTML", reply_markup=PRICE_KEYS
            )
        elif query.data == "e:photo":
            media = InputMediaPhoto(self.shown("BTC CVD, 4 h", 1.0), CVD, parse_mode="HTML")
            await self.bot.edit_message_media(
                media, chat, message, reply_markup=query.message.reply_markup
            )
        words = {
            "undo": "#412 is gone. Nothing else was changed.",
            "alert": "Type /alert_volume BTC 200 15m",
        }
        await query.answer(words.get(query.data or ""), show_alert=query.data == "undo")
