"""What a fault is, in words: its name, where it struck, how much, and when."""

from collections.abc import Callable, Mapping

from demo.faults.evidence import Fault
from views.language import Language
from views.trouble import Trouble
from views.zone_chart import Frame

InWords = Callable[[Fault, Language], str]


def kind_of(fault: Fault, language: Language) -> str:
    """The name of its kind; a dead valve is one that does not open, or one that does not close."""
    ending = "" if fault.kind != "dead_valve" else "_open" if fault.amount else "_shut"
    return language.say(f"kind_{fault.kind}{ending}")


def trouble_of(fault: Fault, language: Language) -> Trouble:
    """The same for the views, which know of no faults."""
    return Trouble(fault.begin, fault.end, f"{kind_of(fault, language)}: {', '.join(fault.targets)}", fault.targets)


def amount_of(fault: Fault, language: Language) -> str:
    """How much it is wrong by, as its kind measures it."""
    return AMOUNTS[fault.kind](fault, language)


def times_of(fault: Fault, axis: Frame) -> str:
    """When it lasted, in the farm's time."""
    begin = axis.moment(fault.begin)
    if fault.kind == "reboot":
        return axis.language.say("struck_at", begin=begin)
    if fault.end >= axis.end:
        return axis.language.say("stays", begin=begin)
    return axis.language.say("lasts", begin=begin, end=axis.moment(fault.end))


def _plain(fault: Fault, language: Language) -> str:
    return language.words[f"what_{fault.kind}"]


def _value(fault: Fault, language: Language) -> str:
    return language.tell(f"what_{fault.kind}", value=fault.amount)


def _signed(fault: Fault, language: Language) -> str:
    sign = "+" if fault.amount > 0 else ""
    return language.say(f"what_{fault.kind}", signed=sign + language.number(fault.amount, 3))


def _share(fault: Fault, language: Language) -> str:
    return language.tell(f"what_{fault.kind}", share=fault.amount)


def _span(fault: Fault, language: Language) -> str:
    return language.tell(f"what_{fault.kind}", span=fault.amount)


def _factor(fault: Fault, language: Language) -> str:
    return language.tell(f"what_{fault.kind}", factor=fault.amount)


def _clock(fault: Fault, language: Language) -> str:
    return language.tell(f"what_wrong_clock_{'ahead' if fault.amount > 0 else 'behind'}", span=abs(fault.amount))


AMOUNTS: Mapping[str, InWords] = {
    "noise": _value,
    "bias": _signed,
    "drift": _signed,
    "stuck": _value,
    "dropout": _share,
    "percent": _factor,
    "swapped": _plain,
    "dead_valve": _plain,
    "clogged": _share,
    "burst": _share,
    "wrong_clock": _clock,
    "reboot": _span,
    "wifi_loss": _plain,
    "brown_out": _span,
}
