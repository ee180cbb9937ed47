"""Boots an outbox where so much heap is free, and takes samples: `boot_outbox.py FOLDER FREE BYTES BOOT SENSORS TAKES`.

It then ends as by a power cut, and says how many messages wait, and how many samples were taken and dropped so far.
"""

import gc
import sys

from gateway.outbox import Outbox
from gateway.store import FileStore

BEGIN = 1780000000
EVERY_S = 900
ACK = {
    "gateway_id": "gateway-1",
    "zone_id": "zone-1",
    "state": "done",
    "code": "ok",
    "volume_l": 120.5,
    "volume_source": "measured",
    "end_reason": "duration",
    "duration_s": 600,
    "at": BEGIN,
    "seq": 1,
    "epoch": 1,
}


def main(folder, free, most_bytes, *counts):
    boot, sensors, takes = map(int, counts)
    gc.collect()
    held = bytearray(gc.mem_free() - int(free))
    outbox = Outbox(500, FileStore(folder), int(most_bytes))
    boot_id = f"boot-{boot}-1a2b3c4d"
    for number in range(takes):
        outbox.take(boot_id, [row(sensor, boot * 1000 + number) for sensor in range(sensors)])
        if number % 10 == 9:
            outbox.say(dict(ACK, command_id=f"01EADQ2V9G5TJ4M8{boot:05}{number:05}", boot_id=boot_id))
    about = len(held) > 0, outbox.depth, outbox.samples_taken, outbox.dropped_samples, outbox.fault
    print(*about)  # noqa: T201  # its answer


def row(sensor, number):
    """A sample of a soil probe."""
    sample = {"seq": number, "measured_at": BEGIN + EVERY_S * number, "clock": "synced"}
    sample.update({"vwc": 0.2 + number / 10**5, "soil_temperature_c": 18.25})
    return f"gateway-1.soil-{sensor}", f"zone-{sensor}", sample


main(*sys.argv[1:])
