"""What a figure does to a level, in words."""

from alerts.shown import PLURAL
from alerts.types import Cross, Leaf, Op, State
from market.language import _


def verb(leaf: Leaf) -> str:
    """What has to happen for it to hold: "crosses above", "is below", "rise above"."""
    several = leaf.metric.name in PLURAL
    if isinstance(leaf, State):
        texts = (_("are above"), _("are below")) if several else (_("is above"), _("is below"))
        return texts[leaf.op is Op.BELOW]
    op = leaf.op if isinstance(leaf, Cross) else Op.EITHER
    if several:
        return {
            Op.ABOVE: _("rise above"), Op.BELOW: _("fall below"), Op.EITHER: _("cross"),
        }[op]  # fmt: skip
    return {
        Op.ABOVE: _("crosses above"),
        Op.BELOW: _("crosses below"),
        Op.EITHER: _("crosses"),
    }[op]


def side(op: Op) -> str:
    """Where a figure is then."""
    return _("below") if op is Op.BELOW else _("above")
