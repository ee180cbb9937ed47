"""What befalls the boards of a chaos run, drawn from its seed before it begins."""

import random

from gateway_sim.farm import Farm
from gateway_sim.faults import Fault
from tests.chaos.place import Pace, honest

ONE_BY_ONE_S = 12.0  # real seconds between two of them
MAST_EVERY = 25  # of them, one takes many boards at once
MAST_SHARE = 0.05
CLOCKS_S = (-86_400, -3_600, -120, 120, 3_600, 86_400, 10 * 365 * 86_400)


def plan(farm: Farm, pace: Pace, seconds: float, seed: int) -> list[Fault]:
    """Faults from 20 s after the beginning to 40 s before the end; no board has two."""
    draw = random.Random(f"plan:{seed}")
    names = [one.gateway_id for one in honest(farm)]
    draw.shuffle(names)
    faults: list[Fault] = []
    at_s, number = 20.0, 0
    while at_s < seconds - 40 and names:
        number += 1
        begin = pace.start_ms / 1000 + at_s * pace.speed
        if number % MAST_EVERY == 0:
            count = max(2, round(len(farm.gateways) * MAST_SHARE))
            together, names = names[:count], names[count:]
            faults += [_fault("reboot", name, begin, pace.speed * 5, amount=pace.speed * 3) for name in together]
        elif number % 3 == 0:
            faults.append(_fault("wrong_clock", names.pop(), begin, pace.speed * 60, amount=draw.choice(CLOCKS_S)))
        elif number % 3 == 1:
            faults.append(_fault("reboot", names.pop(), begin, 60, amount=draw.uniform(1, 60) * pace.speed))
        else:
            faults.append(_fault("brown_out", names.pop(), begin, pace.speed * 120, amount=draw.uniform(5, 300)))
        at_s += ONE_BY_ONE_S
    return faults


def _fault(kind: str, gateway_id: str, begin: float, length_s: float, amount: float) -> Fault:
    return Fault(kind=kind, targets=(gateway_id,), begin=int(begin), end=int(begin + length_s), amount=amount)
