"""Days without a cloud, lived by the firmware as it is flashed: by its plan it waters, and what it did arrives once."""

from collections import Counter

from tests.gateway.conftest import Broker
from tests.vm.bench.field import SOIL, Commander, Identities
from tests.vm.test_bench_link import NAME, one_board
from tests.waiting import eventually

HOUR_S, DAY_S = 3600, 86400
RUN_S = 300
HALF_HOURS = {"sample_interval_s": 1800, "publish_interval_s": 6 * HOUR_S}
DRY_UV, WET_UV = 1_900_000, 1_000_000  # 0.14 and 0.39 m3/m3


async def test_a_board_waters_by_its_plan(mosquitto: Broker, commander: Commander, identities: Identities) -> None:
    """Two days without the broker, one of them without power from the middle of a run on; then all is told, once."""
    async with one_board(mosquitto, commander, identities.issue(NAME), **HALF_HOURS) as farm:
        await farm.start()
        now = farm.board.unix_s
        plan = {"duration_s": RUN_S, "max_volume_l": 1000.0, "days": 3, "below_vwc": 0.2, "after_offline_s": HOUR_S}
        held = await farm.command("fallback", valid_from=now, valid_until=now + 7 * DAY_S, **plan)
        await farm.wait(2)
        await eventually(lambda: farm.is_final(held), "its answer")
        mosquitto.stop()
        await farm.board.until("lost")
        await farm.board.world(microvolts={SOIL: WET_UV})
        await farm.wait(2 * HOUR_S)
        assert farm.openings() == []
        await farm.board.world(microvolts={SOIL: DRY_UV})
        at_the_sample = -farm.board.unix_s % 1800
        await farm.wait(at_the_sample + 100)
        await farm.board.power_off()
        assert [length > 90 for length in farm.openings()] == [True]
        await farm.board.advance(DAY_S)
        await farm.board.power_on()
        await farm.wait(DAY_S - HOUR_S)
        assert farm.judge.oracle.plan_runs == 1, "what passes without power is not counted"
        await farm.wait(6 * HOUR_S)  # it began anew every four hours, and lost some of what it counted each time
        assert farm.openings()[-1] == RUN_S
        mosquitto.start()
        await farm.wait(180)
        await farm.wait(HOUR_S)
        await commander.catch_up()
        acks = [ack for ack in commander.of("/ack", NAME) if ack["command_id"].startswith(held["command_id"] + "-")]
        assert Counter((ack["command_id"][-2:], ack["state"], ack["code"]) for ack in acks) == {
            ("-1", "started", "ok"): 1,
            ("-1", "failed", "power_cut"): 1,
            ("-2", "started", "ok"): 1,
            ("-2", "done", "ok"): 1,
        }
        assert commander.of("/status", NAME)[-1]["fallback_days"] == {"plot-1a": 1}
