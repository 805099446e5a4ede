"""The only room that knows Telegram: inbox, router, access, menu, rendering, gateway."""

import os

# The library warns at every RetryAfter unless durations are asked for as timedelta, its coming default.
os.environ.setdefault("PTB_TIMEDELTA", "true")
