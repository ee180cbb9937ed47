"""Takes plans with so much heap free, beside all runs that are remembered: `hold_plans.py FOLDER FREE PLANS`.

Says the answers to the plans, the bytes that they take, and what became of the days after: a run under each, once.
"""

import gc
import sys

from gateway import valves as supervisor
from gateway.store import FileStore
from gateway.valves import KEPT_COMMANDS, Valves

NOW = 1780000000
DAY_S = 86400
PLAN = {
    "action": "fallback",
    "duration_s": 1200,
    "max_volume_l": 1600.5,
    "days": 3,
    "below_vwc": 0.19,
    "valid_from": NOW,
    "valid_until": NOW + 10 * DAY_S,
    "after_offline_s": DAY_S,
}


class Board:
    def set_valve(self, zone_id, is_open):
        pass

    def metered_l(self, _zone_id):
        return None


def main(folder, free, count):
    supervisor.PLAN_BYTES *= 2  # objects are twice as large here as on a chip
    zones = [f"plot-{number:02}" for number in range(int(count))]
    rows = [{"zone_id": name, "hard_cap_s": 3900, "litres_per_minute": 60} for name in zones]
    codes = []
    valves = Valves(rows, Board(), FileStore(folder), "boot-1-1a2b3c4d", lambda ack: codes.append(ack["code"]))
    valves.boot(NOW, True)
    gc.collect()
    held = bytearray(gc.mem_free() - int(free))
    order = {"device_id": "irrigation-gateway-1", "issued_at": NOW, "expires_at": NOW + 900, "duration_s": 1}
    for number in range(KEPT_COMMANDS):
        more = {"command_id": f"01EADQ2V9G5TJ4M8ABCDEFH{number:03}", "action": "open", "epoch": number + 1}
        valves.handle(dict(order, zone_id=zones[0], **more), NOW, True, 1000)
        valves.tick(2000, NOW)
    runs, before = list(codes), live()
    codes.clear()
    for number, zone_id in enumerate(zones):
        more = {"command_id": f"01EADQ2V9G5TJ4M8ABCDEFG{number:03}", "zone_id": zone_id, "epoch": KEPT_COMMANDS + 1}
        order.update(PLAN)
        valves.handle(dict(order, **more), NOW, True, 3000)
    taken, after = list(codes), live()
    samples = [("g.s-" + zone_id, zone_id, {"vwc": 0.1}) for zone_id in zones]
    ms, now = 3000, NOW
    codes.clear()
    while ms < (2 * DAY_S + 36000) * 1000:
        ms, now = ms + 900_000, now + 900
        valves.tick(ms, now)
        plans = valves.fallback(ms)
        if plans:
            plans.look(samples, now, True, ms)
    about = len(held) > 0, runs.count("ok"), taken.count("ok"), len(taken), after - before, codes.count("ok")
    print(*about)  # noqa: T201  # its answer


def live():
    gc.collect()
    return gc.mem_alloc()


main(*sys.argv[1:])
