"""OKX's frames as its two sockets send them; amounts in contracts."""

from typing import Literal

import msgspec

from exchanges.streams.decoder import Amount, MaybeRate, MaybeSize, MaybeTime, Price, Size, Time


class About(msgspec.Struct, gc=False):
    """What a frame belongs to."""

    channel: str = ""
    instId: str = ""  # noqa: N815 - the venue's name


class Fill(msgspec.Struct, gc=False):
    """One fill; `sz` in contracts, `side` is the taker's."""

    instId: str  # noqa: N815
    tradeId: str  # noqa: N815
    px: Price
    sz: Amount
    side: Literal["buy", "sell"]
    ts: Time


class Level(msgspec.Struct, gc=False, array_like=True):
    """A price and its contracts; what follows them is not read."""

    px: Price
    sz: Size


class Detail(msgspec.Struct, gc=False):
    """One forced close: `side` is the order's, `posSide` what was held, "net" where both share one."""

    side: Literal["buy", "sell"]
    sz: Amount
    bkPx: Price  # noqa: N815
    ts: Time
    posSide: str = ""  # noqa: N815


class State(msgspec.Struct, gc=False):
    """A row of any channel of the public socket."""

    instId: str = ""  # noqa: N815
    ts: MaybeTime = None
    oi: MaybeSize = None
    oiUsd: MaybeSize = None  # noqa: N815
    markPx: MaybeSize = None  # noqa: N815
    idxPx: MaybeSize = None  # noqa: N815
    fundingRate: MaybeRate = None  # noqa: N815
    nextFundingRate: MaybeRate = None  # noqa: N815
    fundingTime: MaybeTime = None  # noqa: N815
    nextFundingTime: MaybeTime = None  # noqa: N815
    details: msgspec.Raw = msgspec.Raw()
    bids: list[Level] = []
    asks: list[Level] = []
    checksum: int = 0
    prevSeqId: int | None = None  # noqa: N815
    seqId: int = 0  # noqa: N815


class Answer(msgspec.Struct, gc=False):
    """The answer to one argument of a request."""

    arg: About = msgspec.field(default_factory=About)
    event: str = ""
    code: str = ""
    msg: str = ""


class Fills(Answer, gc=False):
    """A frame of the business socket."""

    data: list[Fill] | None = None


class States(Answer, gc=False):
    """A frame of the public socket."""

    data: list[State] | None = None
    action: str = ""


class Rough(Answer, gc=False):
    """A frame of which some row is broken."""

    data: msgspec.Raw = msgspec.Raw()
    action: str = ""


FILLS = msgspec.json.Decoder(Fills, strict=False)
STATES = msgspec.json.Decoder(States, strict=False)
ROUGH = msgspec.json.Decoder(Rough, strict=False)
FILL_ROWS = msgspec.json.Decoder(list[Fill], strict=False)
STATE_ROWS = msgspec.json.Decoder(list[State], strict=False)
DETAILS = msgspec.json.Decoder(list[Detail], strict=False)
