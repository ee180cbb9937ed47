"""A gateway that loses its power at each of its writes, within each: no sample and no ack is lost, none is invented."""

import sys
import unittest

from tests.vm.portable.bench import Bench, GatewayTestCase, PowerCut, settle

MICROPYTHON = sys.implementation.name == "micropython"
STRIDE = 5 if MICROPYTHON else 1  # of the cuts; the VM is slower
ANY_PART = (0, 0.5, 1)  # of a write that gets there
ALL = (1,)


class Life:
    """Two hours with commands of every kind, and one power cut."""

    def __init__(self, cut=None, forgetful=False, stop=True):
        self.bench = Bench()
        self.stop = stop  # in good order, which takes its time
        self.bench.store.cut = cut
        self.bench.broker.forgetful = forgetful
        self.measured = []
        self.bench.board.read = self._read
        self.commands = {}
        self.opened = []
        self.bench.board.set_valve = self._set_valve
        self.boots = 0

    def _read(self):
        """No two samples have the same value."""
        self.measured.append(len(self.measured) / 1000)
        return [("soil-a", "plot-1a", {"vwc": self.measured[-1]})]

    def _set_valve(self, zone_id, is_open):
        if self.bench.store.dead:
            raise PowerCut
        if is_open:
            self.opened.append(self.last_command)

    async def run(self):
        steps = (
            lambda: self.wait(900),
            lambda: self.command("open", 600),
            lambda: self.wait(900),
            lambda: self.command("open", 1800),
            lambda: self.command("open", 1200),  # replaces the one before
            lambda: self.wait(300),
            lambda: self.command("close"),
            lambda: self.wait(600),
            lambda: self.command("open", 600, expires_at=self.bench.clock.now()),  # too late
            lambda: self.command("open", 1800),
            lambda: self.command("stop_all"),
            lambda: self.wait(900),
            lambda: self.command("open", 600),
            lambda: self.wait(3600),
        )
        await self.boot()
        for step in steps:
            await step()
            if self.bench.store.dead:
                await self.boot()
        self.worked = len(self.bench.store.writes)
        if not self.stop:
            await self.bench.lose_power()
            return
        while await self._stopped_short():
            await self.boot()

    async def _stopped_short(self):
        try:
            await self.bench.stop()
        except PowerCut:
            return True
        return False

    async def boot(self):
        """Start; as often as the power goes again."""
        while True:
            self.boots += 1
            if self.bench.store.dead:
                await self.bench.lose_power()
            try:
                await self.bench.start()
            except PowerCut:  # before there was a gateway
                continue
            if not self.bench.store.dead:
                return

    async def wait(self, seconds):
        await self.bench.clock.advance(seconds)
        await settle()

    async def command(self, action, duration_s=None, **fields):
        number = len(self.commands) + 1
        self.last_command = f"c{number}"
        self.commands[self.last_command] = action
        zone_id = None if action == "stop_all" else "plot-1a"
        self.bench.command(
            packet_id=number,
            command_id=self.last_command,
            action=action,
            epoch=number,
            duration_s=duration_s,
            zone_id=zone_id,
            **fields,
        )
        await settle()


class APowerCut(GatewayTestCase):
    def _check(self, life):
        """What arrived at least once is what was taken and what was said."""
        broker = life.bench.broker
        arrived = {}
        for kind, reading in broker.published + broker.again:
            if kind == "reading":
                for sample in reading["samples"]:
                    arrived.setdefault((reading["boot_id"], sample["seq"]), set()).add(sample["vwc"])
        values = [value for found in arrived.values() for value in found]
        self.assertEqual(life.bench.gateway.counters["samples_taken"], len(arrived))
        self.assertEqual((len(values), set(values) - set(life.measured)), (len(arrived), set()))
        self.assertTrue(len(arrived) >= len(life.measured) - 1)  # what a cut within its record may cost
        acks = [ack for kind, ack in broker.published + broker.again if kind == "ack"]
        final = [ack["command_id"] for ack in acks if ack["state"] in ("done", "failed", "rejected")]
        moved = [ack["command_id"] for ack in acks if ack["state"] in ("done", "failed")]
        self.assertEqual(set(final) - set(life.commands), set())
        self.assertEqual(set(life.opened) - set(moved), set())
        if not broker.forgetful:
            self.assertEqual(set(life.commands) - set(final), set())
        return acks

    async def _cuts(self, parts, forgetful):
        whole = Life()
        await whole.run()
        self._check(whole)
        self.assertEqual(whole.boots, 1)
        cuts = []
        for number, (_, _, data) in enumerate(whole.bench.store.writes):
            cuts += [(number, int(part * len(data))) for part in parts]
        for cut in cuts[::STRIDE]:
            life = Life(cut, forgetful, cut[0] >= whole.worked)
            try:
                await life.run()
                self._check(life)
            except AssertionError as error:
                raise AssertionError(f"cut {cut} of {life.bench.store.writes[cut[0]]}: {error}") from error
            self.assertEqual(life.boots, 2)
        return len(cuts)

    async def test_at_every_write(self):
        """Every sample counted as taken arrives, every command ends in an ack, and nothing arrives that was not."""
        many = await self._cuts(ANY_PART, forgetful=False)
        self.assertTrue(many > 100, many)

    async def test_at_every_write_with_a_broker_that_forgets(self):
        """Even if nobody repeats the command, each opening of the valve is answered for."""
        await self._cuts(ALL, forgetful=True)


if __name__ == "__main__":
    unittest.main()
