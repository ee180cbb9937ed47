"""The drivers on both runtimes, with probes that are absent, stuck, late, and wrong."""

import unittest

from firmware.drivers import counter, ds18b20, sdi12, sht3x, soil_adc, valve
from firmware.drivers.battery import Battery
from tests.vm.portable.bench import AsyncTestCase
from tests.vm.portable.fake_chip import WRAP, Adc, Bus, Line, OneWire, Pin, Sleeper, Time

POINTS = [[2600, 0.05], [1450, 0.27], [1150, 0.42]]


class DriverTestCase(AsyncTestCase):
    """Each test has a time of its own, and gives the real one back."""

    MODULES = ()

    def setUp(self):
        self.time = Time()
        self._real = [(module, module.time) for module in self.MODULES if hasattr(module, "time")]
        self._loops = [(module, module.asyncio) for module in self.MODULES if hasattr(module, "asyncio")]
        self.sleeper = Sleeper(self.time)
        for module, _ in self._real:
            module.time = self.time
        for module, _ in self._loops:
            module.asyncio = self.sleeper

    def tearDown(self):
        for module, time in self._real:
            module.time = time
        for module, loop in self._loops:
            module.asyncio = loop


class SoilOnAdc(AsyncTestCase):
    async def test_between_two_points_it_is_a_line(self):
        """At the points the calibration's own values, between them in proportion, whatever their order in the file."""
        probe = soil_adc.SoilProbe(Adc(0), POINTS)
        for millivolts, vwc in ((2600, 0.05), (1450, 0.27), (1150, 0.42), (2025, 0.16), (1300, 0.345)):
            self.assertTrue(abs(probe.vwc(millivolts) - vwc) < 0.0005, millivolts)

    async def test_a_little_beyond_the_calibration_the_line_goes_on(self):
        """150 mV are the spread of such probes; the value stays a fraction."""
        probe = soil_adc.SoilProbe(Adc(0), [[1150, 0.99], [2600, 0.01]])
        self.assertEqual((probe.vwc(1000), probe.vwc(2750)), (1.0, 0.0))

    async def test_a_voltage_that_no_soil_gives_is_no_value(self):
        """A torn wire (0 V), a probe in the air, a short to the supply: None, not a very dry or wet soil."""
        for microvolts in (0, 999_000, 2_751_000, 3_300_000):
            self.assertEqual(await soil_adc.SoilProbe(Adc(microvolts), POINTS).measure(), {"vwc": None})

    async def test_single_bad_readings_do_not_count(self):
        """The median of fifteen: seven outliers of the noisy converter change nothing."""
        readings = [0, 3_300_000, 0, 3_300_000, 0, 3_300_000, 0] + [1_450_000] * 8
        values = await soil_adc.SoilProbe(Adc(*readings), POINTS).measure()
        self.assertTrue(abs(values["vwc"] - 0.27) < 0.0005, values)


class SupplyVoltage(AsyncTestCase):
    async def test_it_is_told_before_the_divider(self):
        """2.05 V behind two equal resistors are 4.1 V."""
        values = await Battery(Adc(2_050_000), 2.0).measure()
        self.assertTrue(abs(values["battery_v"] - 4.1) < 0.001)


class Thermometers(DriverTestCase):
    MODULES = (ds18b20,)
    ONE, OTHER = b"\x28\x01\x02\x03\x04\x05\x06\x77", b"\x28\x01\x02\x03\x04\x05\x07\x40"

    async def read(self, temperatures, rom=None):
        return (await ds18b20.Ds18b20(OneWire(temperatures), rom).measure())["soil_temperature_c"]

    async def test_the_only_one_needs_no_name(self):
        """It is asked for a conversion, given its 750 ms, and read."""
        self.assertEqual(await self.read({self.ONE: 16.4375}), 16.44)
        self.assertEqual(self.sleeper.naps_ms, [750])
        self.assertEqual(await self.read({self.ONE: -7.5}), -7.5)

    async def test_several_are_told_apart_by_their_rom(self):
        """With a ROM the named one is read; without, nobody guesses."""
        both = {self.ONE: 16.0, self.OTHER: 21.0}
        self.assertEqual(await self.read(both, "2801020304050740"), 21.0)
        self.assertTrue(await self.read(both) is None)

    async def test_what_is_wrong_on_the_bus_is_no_value(self):
        """Nobody there, a wrong checksum, 85.0 of a chip that was reset, a thermometer that is not on the bus."""
        for temperatures, rom in (
            ({}, None),
            ({self.ONE: None}, None),
            ({self.ONE: 85.0}, None),
            ({self.ONE: 16.0}, "2801020304050740"),
        ):
            self.assertTrue(await self.read(temperatures, rom) is None, temperatures)

    async def test_a_line_shorted_to_ground_is_not_zero_degrees(self):
        """It answers every question with zeros, a right checksum of zeros included: only the search finds nobody."""
        bus = OneWire({self.ONE: 0.0})
        bus.scan = list
        self.assertTrue((await ds18b20.Ds18b20(bus, "2801020304050677").measure())["soil_temperature_c"] is None)


class AirOnI2c(DriverTestCase):
    MODULES = (sht3x,)
    GOOD = b"\x66\x66\x93\x80\x00\xa2"  # 25 C, 50 %

    async def test_a_measurement(self):
        """The two words are scaled as the data sheet says, after its 15 ms."""
        bus = Bus(self.GOOD)
        values = await sht3x.Sht3x(bus).measure()
        self.assertTrue(abs(values["air_temperature_c"] - 25.0) < 0.01, values)
        self.assertTrue(abs(values["relative_humidity_pct"] - 50.0) < 0.01, values)
        self.assertEqual(bus.written, [(0x44, b"\x24\x00")])
        self.assertTrue(self.sleeper.naps_ms[0] >= 15)

    async def test_the_checksum_is_the_data_sheets(self):
        """0xBEEF has the checksum 0x92."""
        self.assertEqual(sht3x.crc8(b"\xbe\xef"), 0x92)

    async def test_each_flipped_bit_is_found(self):
        """Whatever single bit is wrong in an answer: None for both."""
        for bit in range(48):
            bad = bytearray(self.GOOD)
            bad[bit // 8] ^= 1 << bit % 8
            self.assertEqual(set((await sht3x.Sht3x(Bus(bytes(bad))).measure()).values()), {None})

    async def test_a_silent_chip_and_a_stuck_bus(self):
        """Nobody acknowledges; or the line stays high, which reads as ones: None."""
        for answer in (None, b"\xff" * 6, b"\x00" * 6):
            self.assertEqual(set((await sht3x.Sht3x(Bus(answer)).measure()).values()), {None})


class Pulses(DriverTestCase):
    MODULES = (counter,)

    def contact(self, quiet_ms):
        pin = Pin()
        return pin, counter.Counter(pin, Pin.IRQ_FALLING, quiet_ms)

    async def test_a_bouncing_contact_counts_once(self):
        """Edges within the quiet time of the last counted one are its bounces; the next tip counts again."""
        pin, pulses = self.contact(100)
        for at_ms in (5, 6, 8, 40, 104, 105, 106, 300):
            self.time.ms = at_ms
            pin.fall()
        self.assertEqual(pulses.value(), 3)

    async def test_the_first_edge_counts(self):
        """Right after the start nothing is a bounce yet."""
        pin, pulses = self.contact(100)
        pin.fall()
        self.assertEqual((pulses.value(), pin.trigger), (1, Pin.IRQ_FALLING))

    async def test_a_wrap_of_the_ticks_between_two_edges(self):
        """Neither loses a pulse: right after the wrap, nor after a dry week in which the difference became negative."""
        self.time.ms = WRAP - 10
        pin, pulses = self.contact(100)
        for passed_ms in (0, 200, WRAP * 3 // 4, 50):
            self.time.ms += passed_ms
            pin.fall()
        self.assertEqual(pulses.value(), 3)

    async def test_a_meter_says_litres_and_flow(self):
        """900 pulses of 450 a litre in two seconds are 2 L at 60 L/min; then it stands still."""
        pin, pulses = self.contact(0)
        meter = counter.FlowMeter(pulses, 450)
        for _ in range(900):
            pin.fall()
        self.time.ms += 2000
        self.assertEqual(await meter.measure(), {"volume_l": 2.0, "flow_l_min": 60.0})
        self.time.ms += 1000
        self.assertEqual(await meter.measure(), {"volume_l": 2.0, "flow_l_min": 0.0})
        self.assertEqual(await meter.measure(), {"volume_l": 2.0, "flow_l_min": None})
        self.assertEqual(meter.litres(), 2.0)

    async def test_rain_is_told_once(self):
        """What fell since the last sample; a sample that was not taken leaves it for the next."""
        pin, pulses = self.contact(0)
        gauge = counter.RainGauge(pulses, 0.2)
        for told, tips in ((0.6, 3), (0.8, 1)):
            for _ in range(tips):
                pin.fall()
            self.assertTrue(abs((await gauge.measure())["rain_mm"] - told) < 0.0001)
        gauge.taken()
        pin.fall()
        self.assertTrue(abs(gauge.fresh()["rain_mm"] - 0.2) < 0.0001)
        gauge.taken()
        self.assertEqual(gauge.fresh(), {"rain_mm": 0.0})


class Sdi12Line(DriverTestCase):
    MODULES = (sdi12,)
    NAMES = ("vwc", "soil_temperature_c")

    async def ask(self, answers, echo=False, names=NAMES):
        self.line = Line(self.time, {question: list(answers[question]) for question in answers}, echo)
        values = await sdi12.Sdi12(self.line.at, self.line.enable, "0", names).measure()
        return [values[name] for name in names]

    async def test_a_measurement(self):
        """Break, mark, question at 1200 baud; the probe's seconds are waited for; our line is free for its answer."""
        answers = {"0M!": [[(10, b"00012\r\n")]], "0D0!": [[(10, b"0+0.231+16.5\r\n")]]}
        self.assertEqual(await self.ask(answers), [0.231, 16.5])
        self.assertEqual(self.line.said, ["0M!", "0D0!"])
        self.assertTrue(self.time.ms > 1000)
        self.assertTrue(all(ms >= 12 for ms in self.line.breaks), self.line.breaks)
        up_ms, down_ms = [at for at, _ in self.line.enable.levels[:2]]
        self.assertEqual([level for _, level in self.line.enable.levels], [1, 0] * 2)
        self.assertTrue(12 + 8.33 + 25 <= down_ms - up_ms <= 60, down_ms - up_ms)

    async def test_values_over_several_answers(self):
        """More than one answer can hold are asked for with D0, D1, ...; a negative one has its sign."""
        answers = {
            "0M!": [[(10, b"00003\r\n")]],
            "0D0!": [[(10, b"0+0.2-1.5\r\n")]],
            "0D1!": [[(10, b"0+12\r\n")]],
        }
        self.assertEqual(await self.ask(answers, names=("vwc", "soil_temperature_c", "battery_v")), [0.2, -1.5, 12.0])

    async def test_our_own_echo_is_no_answer(self):
        """On one wire the break and the question come back before the answer."""
        answers = {"0M!": [[(10, b"00012\r\n")]], "0D0!": [[(10, b"0+0.231+16.5\r\n")]]}
        self.assertEqual(await self.ask(answers, echo=True), [0.231, 16.5])

    async def test_a_probe_that_is_ready_early_says_so(self):
        """Its service request ends the wait, and is no data."""
        answers = {"0M!": [[(10, b"09912\r\n"), (2000, b"0\r\n")]], "0D0!": [[(10, b"0+0.231+16.5\r\n")]]}
        self.assertEqual(await self.ask(answers), [0.231, 16.5])
        self.assertTrue(self.time.ms < 5000, self.time.ms)

    async def test_a_silent_probe(self):
        """Asked three times, as the standard wants, then None, within the time that a measurement has."""
        self.assertEqual(await self.ask({}), [None, None])
        self.assertEqual(self.line.said, ["0M!"] * 3)
        self.assertEqual(self.line.enable.levels[-1][1], 0)
        self.assertTrue(self.time.ms < 4000, self.time.ms)

    async def test_a_probe_that_heard_only_the_second_question(self):
        """One lost question costs no value."""
        answers = {"0M!": [[], [(10, b"00012\r\n")]], "0D0!": [[], [(10, b"0+0.231+16.5\r\n")]]}
        self.assertEqual(await self.ask(answers), [0.231, 16.5])

    async def test_an_answer_cut_short(self):
        """A line without its end, or with fewer values than announced, is no value."""
        for answer in (b"0+0.231+16", b"0+0.231\r\n", b"0\r\n", b"\r\n"):
            answers = {"0M!": [[(10, b"00002\r\n")]], "0D0!": [[(10, answer)]] * 3}
            self.assertEqual(await self.ask(answers), [None, None])

    async def test_what_the_standard_forbids(self):
        """Another probe's answer, numbers without sign, two signs, letters, a bad announcement, bytes of noise."""
        for announcement, answer in (
            (b"00012\r\n", b"1+0.231+16.5\r\n"),
            (b"00012\r\n", b"00.231+16.5\r\n"),
            (b"00012\r\n", b"0++0.2+16.5\r\n"),
            (b"00012\r\n", b"0+nan+inf\r\n"),
            (b"00012\r\n", b"0+0.2.3+16.5\r\n"),
            (b"0001\r\n", b"0+0.231+16.5\r\n"),
            (b"0abc2\r\n", b"0+0.231+16.5\r\n"),
            (b"00012\r\n", b"0\xff\xfe+1\r\n"),
        ):
            answers = {"0M!": [[(10, announcement)]], "0D0!": [[(10, answer)]] * 3}
            self.assertEqual(await self.ask(answers), [None, None], answer)

    async def test_a_late_answer_is_not_the_next_ones(self):
        """What comes after its time is thrown away with the next question; together with an answer it spoils that."""
        for late_ms, values in ((265, [0.231, 16.5]), (300, [None, None])):
            answers = {
                "0M!": [[(10, b"00012\r\n")]],
                "0D0!": [[(late_ms, b"0+9.9+99\r\n")], [(10, b"0+0.231+16.5\r\n")]],
            }
            self.assertEqual(await self.ask(answers), values)

    async def test_a_line_that_fails_while_we_speak_is_let_go(self):
        """The one-wire driver is switched off whatever happens; else nobody on the line could speak again."""
        line = Line(self.time, {})
        line.write = self.fail_to_write
        values = await sdi12.Sdi12(line.at, line.enable, "0", self.NAMES).measure()
        self.assertEqual(set(values.values()), {None})
        self.assertEqual(line.enable.levels[-1][1], 0)

    def fail_to_write(self, _data):
        raise OSError(5)


class Valves(DriverTestCase):
    MODULES = (valve,)

    def levels(self, pin):
        return [level for _, level in pin.levels]

    async def test_a_relay_of_either_polarity(self):
        """Open is the level that the row names, shut the other."""
        for on in (1, 0):
            pin = Pin(self.time)
            relay = valve.Relay(pin, on)
            relay.set(True)
            relay.set(False)
            self.assertEqual(self.levels(pin), [on, 1 - on])

    async def test_a_latching_valve_moves_by_a_pulse(self):
        """As long as said on its own pin, never both pins at once; shutting again sends the pulse again."""
        open_pin, close_pin = Pin(self.time), Pin(self.time)
        latching = valve.Latching(open_pin, close_pin, 60)
        latching.set(True)
        self.assertEqual((open_pin.levels, self.levels(close_pin)), ([(0, 1), (60, 0)], [0]))
        latching.set(False)
        latching.set(False)
        self.assertEqual(self.levels(close_pin), [0, 1, 0, 1, 0])

    async def test_an_interrupted_pulse_ends(self):
        """Ctrl-C in the middle leaves no coil under power."""
        close_pin = Pin(self.time)
        self.time.sleep_ms = self.interrupt
        with self.assertRaises(KeyboardInterrupt):
            valve.Latching(Pin(self.time), close_pin).set(False)
        self.assertEqual(self.levels(close_pin), [1, 0])

    def interrupt(self, _ms):
        raise KeyboardInterrupt

    def bank(self, log):
        self.zones = {"plot-1a": valve.Relay(Pin(log=log)), "plot-1b": valve.Relay(Pin(log=log))}
        self.pump = valve.Relay(Pin(log=log))
        names = {self.zones[name]._pin: name for name in self.zones}
        names[self.pump._pin] = "pump"
        return valve.ValveBank(self.zones, self.pump), names

    async def test_the_pump_never_works_on_a_shut_pipe(self):
        """It starts after the first zone has opened, runs while any is open, and stops before the last one shuts."""
        log = []
        bank, names = self.bank(log)
        for zone_id, is_open in (("plot-1a", True), ("plot-1b", True), ("plot-1a", False), ("plot-1b", False)):
            bank.set(zone_id, is_open)
        opened = ("plot-1a", 1), ("pump", 1), ("plot-1b", 1), ("pump", 1)
        shut = ("pump", 1), ("plot-1a", 0), ("pump", 0), ("plot-1b", 0)
        self.assertEqual(tuple([(names[pin], level) for pin, level in log]), opened + shut)

    async def test_a_pump_that_fails_keeps_no_valve_open(self):
        """The zone is shut all the same, and the failure is told."""
        log = []
        bank, names = self.bank(log)
        bank.set("plot-1a", True)
        self.pump.set = self.fail_to_move
        with self.assertRaises(OSError):
            bank.set("plot-1a", False)
        self.assertEqual((names[log[-1][0]], log[-1][1]), ("plot-1a", 0))

    def fail_to_move(self, _is_open):
        raise OSError(5)


if __name__ == "__main__":
    unittest.main()
