"""The note a person put on an alert, with the places they left for what happened."""

import re

PLACE = re.compile(r"\{(value|price|symbol|time)\}")
LONGEST = 300  # characters of a note that are told
PLACES = ("{value}", "{price}", "{symbol}", "{time}")


def filled(note: str, *, value: str, price: str, symbol: str, time: str) -> str:
    """`note` with its places filled once; anything else in braces stays as it was typed."""
    values = {"value": value, "price": price, "symbol": symbol, "time": time}
    text = PLACE.sub(lambda match: values[match[1]], note)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
