"""The commands, one file per family; importing this package registers them all."""

from handlers import access as access
from handlers import alerts as alerts
from handlers import book as book
from handlers import channels as channels
from handlers import cvd as cvd
from handlers import desk as desk
from handlers import flow as flow
from handlers import funding as funding
from handlers import liqmap as liqmap
from handlers import liqs as liqs
from handlers import loudness as loudness
from handlers import monitor as monitor
from handlers import oi as oi
from handlers import oi_changes as oi_changes
from handlers import price as price
from handlers import record as record
from handlers import scorecard as scorecard
from handlers import setup as setup
from handlers import status as status
from handlers import symbols as symbols
from handlers import ta as ta
from handlers import top10 as top10
from handlers import volume as volume
from handlers import whales as whales
