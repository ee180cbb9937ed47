"""One gateway: it samples its probes, keeps what it measured until the broker has it, and obeys commands safely."""

import asyncio
import random as system_random

from gateway.clock import wire_time, within
from gateway.errors import ConfigError, StorageError
from gateway.mqtt import MAX_PACKET, Client
from gateway.outbox import MOST_BYTES, Outbox
from gateway.store import TwoSlots
from gateway.valves import Valves
from protocol import messages, topics
from protocol.errors import ProtocolError

TYPE_CHECKING = False  # MicroPython has no `typing`; type checkers take this name as true
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Coroutine, Mapping
    from typing import Any

    from gateway.flow import Flow
    from gateway.interfaces import Board, Clock, Random, Record, Store, Values
    from gateway.outbox import Entry
    from gateway.update import Update

    Message = dict[str, Any]
    Incoming = Mapping[str, Any]  # a message that `decode` has checked
    Job = Callable[[], Coroutine[Any, Any, None]]

DEFAULTS = {
    "sample_interval_s": 900,
    "publish_interval_s": 3600,
    "status_interval_s": 3600,
    "diagnostics_interval_s": 86400,
}
OUTBOX_MESSAGES = 2000
ERROR_INTERVAL_S = 60  # an ErrorReport at most this often: a faulty probe must not fill the outbox
FEED_INTERVAL_S = 2  # of a watchdog, whose time-out is 10 s at most
ASK_AGAIN_MS, DAY_MS = 1000, 86_400_000  # for an update, of a broker that has not answered
LATE_MS = 1000  # a supervisor that is later than this for a deadline is not healthy


class Gateway:
    """Runs one gateway on a board.

    `config`: gateway_id, host, port, zones [{zone_id, hard_cap_s, litres_per_minute}]; optional server_hostname,
    boot_id, keepalive_s, window (messages under way at once), most_bytes (of one that arrives), outbox_messages,
    outbox_bytes, updates (over the air: the broker has AWS IoT's jobs for this gateway, and the board is an
    UpdatableBoard), and the intervals of DEFAULTS in seconds. Raises ConfigError.
    """

    def __init__(  # noqa: PLR0913, PLR0917  # whatever touches the world comes in from outside
        self,
        config: "Message",
        board: "Board",
        clock: "Clock",
        store: "Store",
        ssl_context: "ssl.SSLContext | None",
        record: "Record | None" = None,
        random: "Random" = system_random,
    ) -> None:
        try:
            self.gateway_id = config["gateway_id"]
            address = (config["host"], config["port"], config.get("server_hostname") or config["host"])
            zones = config["zones"]
        except KeyError as error:
            raise ConfigError(f"the configuration has no entry {error}") from error
        topics.use(config.get("root"))
        self._board = board
        self._clock = clock
        self._record = record or _ignore
        self._saved_settings = TwoSlots(store, "settings")
        self._settings, self._settings_at = self._load_settings(config)
        self.boot_id = config.get("boot_id") or _next_boot_id(store)
        self._started_ms = clock.ticks_ms()
        sizes = config.get("outbox_messages", OUTBOX_MESSAGES), config.get("outbox_bytes", MOST_BYTES)
        self._outbox = Outbox(sizes[0], store, sizes[1])
        self._seqs: dict[str, int] = {}
        self._counts = {"messages_published": 0, "messages_acked": 0, "messages_set_aside": 0, "refusals": 0}
        self._error_at: int | None = None
        self._valves = Valves(zones, board, store, self.boot_id, self._send_ack)
        self._zone_ids = [zone["zone_id"] for zone in zones]
        self._flow: Flow | None = None
        if any(board.metered_l(zone_id) is not None for zone_id in self._zone_ids):
            from gateway.flow import Flow as Watch  # noqa: PLC0415  # a board without meters has no need of it

            self._flow = Watch(self, {zone["zone_id"]: zone["litres_per_minute"] for zone in zones})
        self._client = Client(
            self.gateway_id,
            address,
            ssl_context,
            subscriptions=topics.for_gateway(self.gateway_id),
            on_message=self._receive,
            on_online=self._came_online,
            on_hang_up=self._hung_up,
            will=self._last_will,
            keepalive_s=config.get("keepalive_s", 60),
            window=config.get("window", 16),
            most_bytes=config.get("most_bytes", MAX_PACKET),
            open_connection=getattr(board, "open_connection", None),
            random=random,
        )
        self._updates, self._ask_at_ms, self._attempts = config.get("updates"), 0, 0
        self._updater: Update | None = None
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._ended = asyncio.Event()
        self._failure: BaseException | None = None

    @property
    def counters(self) -> "dict[str, int]":
        """What was done since the boot, but over all boots the samples, `samples_dropped` by a full outbox."""
        counts = dict(self._counts)
        counts["samples_taken"] = self._outbox.samples_taken
        counts["samples_dropped"] = self._outbox.dropped_samples
        counts["storage_faults"] = self._outbox.faults
        counts["reconnects"] = max(0, self._client.connects - 1)
        return counts

    @property
    def last_sample_at(self) -> "int | None":
        """When the last sample on record was measured, in this boot or before; Unix seconds."""
        return self._outbox.last_sample_at

    @property
    def link_error(self) -> "BaseException | None":
        """Why there is no connection; None while there is one, or before the first attempt has failed."""
        return None if self._client.online else self._client.last_error

    def online(self) -> bool:
        """True while connected and subscribed."""
        return self._client.online

    async def run(self) -> None:
        """Work until `stop`. Every valve is closed on the way in and on the way out, whatever ends it."""
        self._valves.boot(self._clock.now(), self._clock.trusted())
        self._valves.fallback(self._clock.ticks_ms())  # which counts from now on
        # The power may have gone after the supervisor wrote an ack down, and before the outbox did.
        self._valves.repeat_acks(self._outbox.was_said)
        try:
            self._start("link", self._client.run)
            self._start("schedule", self._keep_schedule)
            self._watch_valves()
            if hasattr(self._board, "feed"):
                self._start("watchdog", self._feed_watchdog)
            await self._ended.wait()
        finally:
            self._valves.close_all(self._clock.ticks_ms(), self._clock.now())
            await self._cancel_all()
            self._outbox.flush()
        if self._failure:
            raise self._failure

    async def stop(self, patience_s: int = 10) -> None:
        """Close the valves, hand over everything that was measured, say `offline`, disconnect; `run` then returns."""
        if self._ended.is_set():
            return
        self._cancel("schedule")
        self._valves.close_all(self._clock.ticks_ms(), self._clock.now())
        self._publish()
        self._send_status("offline")
        try:
            await within(patience_s, self._drained())
            await within(patience_s, self._client.disconnect())
        except asyncio.TimeoutError:
            pass  # the broker is away: what is left stays in the outbox, as in any outage
        self._ended.set()

    def idle(self) -> bool:
        """True if connected and subscribed, with nothing left to publish, acknowledge or answer."""
        return self._client.quiet()  # with room in its window the outbox has nothing that waits

    # Sampling and publishing: a table of jobs, each at the multiples of its interval, so that a fleet samples together.

    async def _keep_schedule(self) -> None:
        jobs = _JOBS if self._flow else _JOBS[1:]
        while True:
            now, look_s = self._clock.now(), self._flow.every_s() if self._flow else 0
            every = [self._settings.get(name, look_s) for name, _ in jobs]
            due = min([now - now % interval_s + interval_s for interval_s in every])
            await self._clock.sleep_ms((due - now) * 1000)
            for (_, job), interval_s in zip(jobs, every):  # noqa: B905  # MicroPython has no `strict`
                if due % interval_s == 0:
                    job(self)
                    if hasattr(self._board, "feed"):
                        await asyncio.sleep(0)  # a board's small heap is swept between two of them

    def _sample(self) -> None:
        at, clock = wire_time(self._clock.now()), "synced" if self._clock.trusted() else "estimated"
        rows = []
        for read in (self._board.read, self._flow.leaks) if self._flow else (self._board.read,):
            for sensor, zone_id, values in read():
                sensor_id = self.gateway_id + "." + sensor
                self._seqs[sensor_id] = seq = self._seqs.get(sensor_id, 0) + 1
                sample: Message = {"seq": seq, "measured_at": at, "clock": clock}
                sample.update(self._plausible(sensor_id, values))
                rows.append((sensor_id, zone_id, sample))
        self._outbox.take(self.boot_id, rows)
        fallback = self._valves.fallback(self._clock.ticks_ms())
        if fallback:
            fallback.look(rows, self._clock.now(), self._clock.trusted(), self._clock.ticks_ms())
            self._watch_valves()
        self._pump()

    def _plausible(self, sensor_id: str, values: "Values") -> "Message":
        """The values, None for any that its quantity cannot have: percent for a fraction is told, not clamped."""
        good_values: Message = {}
        for name, value in values.items():
            least, most = messages.QUANTITIES.get(name, (1, messages.MAX_RUN_S))  # or seconds
            good_values[name] = value
            if value is not None and not least <= value <= most:
                good_values[name] = None
                self._report(
                    "bad_value",
                    f"{sensor_id}: {name} of {value}, it can be {least} to {most}",
                    {"sensor_id": sensor_id},
                )
                if -1e9 <= value <= 1e9:  # beyond it is no number worth telling
                    good_values.setdefault("out_of_range", {})[name] = value
        return good_values

    def _look(self) -> None:
        if self._flow:
            self._flow.look()
            self._watch_valves()

    def _publish(self) -> None:
        self._outbox.pack()
        self._pump()

    # Valves: the supervisor decides, this part gives it the time.

    def _obey(self, command: "Incoming") -> None:
        zone_id = command.get("zone_id")
        if command["device_id"] != self.gateway_id and zone_id is not None and zone_id not in self._zone_ids:
            return  # to a group, and meant for a zone of another gateway in it
        self._valves.handle(command, self._clock.now(), self._clock.trusted(), self._clock.ticks_ms())
        self._watch_valves()
        if command["action"] == "clear":
            if self._flow and not self._valves.latched:
                self._flow.forget()
            self._repeat_status()

    def _watch_valves(self) -> None:
        self._cancel("valves")
        if self._valves.next_deadline_ms() is not None:
            self._start("valves", self._keep_deadlines)

    async def _keep_deadlines(self) -> None:
        due = self._valves.next_deadline_ms()
        while due is not None:
            await self._clock.sleep_ms(max(0, due - self._clock.ticks_ms()))
            self._valves.tick(self._clock.ticks_ms(), self._clock.now())
            due = self._valves.next_deadline_ms()

    def _send_ack(self, ack: "Message") -> None:
        ack["gateway_id"] = self.gateway_id
        self._outbox.say(ack)
        if self._flow:
            self._flow.heard(ack)
        self._pump()

    async def _feed_watchdog(self) -> None:
        while True:
            if self._healthy():
                self._board.feed()  # type: ignore[attr-defined]  # `run` has seen that this board has one
            await self._clock.sleep_ms(FEED_INTERVAL_S * 1000)

    def _healthy(self) -> bool:
        """True while the supervisor keeps its deadlines and every valve closes when told to."""
        due = self._valves.next_deadline_ms()
        return not self._valves.stuck and (due is None or self._clock.ticks_ms() <= due + LATE_MS)

    # What arrives. The client acknowledges a message to the broker only after `_receive` has returned.

    def _receive(self, topic: str, payload: bytes) -> None:
        if self._updates and topic.startswith("$aws/"):
            self._ask_at_ms = self._attempts = 0
            self._hear(topic, payload)
            return
        try:
            kind, message = messages.decode(topic, payload)
        except ProtocolError as error:
            self._refuse(topic, str(error))
            return
        if topic not in topics.for_gateway(self.gateway_id):
            self._refuse(topic, "a gateway takes its own commands, its groups', and updates only")
        elif kind == "command":
            self._obey(message)
        else:
            self._apply(message)

    def _refuse(self, topic: str, why: str) -> None:
        self._counts["refusals"] += 1
        self._record(
            {
                "at": self._clock.now(),
                "kind": "refusal",
                "by": "gateway",
                "thing": self.gateway_id,
                "what": topic,
                "why": why,
            }
        )
        self._report("refused_message", f"{topic}: {why}")

    def _apply(self, update: "Incoming") -> None:
        if update["device_id"] not in (self.gateway_id, topics.GROUP_ALL) or update["issued_at"] <= self._settings_at:
            return
        self._settings.update(update["settings"])
        self._settings_at = update["issued_at"]
        try:
            self._saved_settings.save([self._settings_at, self._settings])
        except StorageError as error:
            self._report("storage_fault", f"the settings hold until the next boot only: {error}")
        self._cancel("schedule")
        self._start("schedule", self._keep_schedule)

    # Updates over the air: what does them is in memory as long as there is one, and no longer.

    def _hear(self, topic: str = "", payload: bytes = b"") -> None:
        if not self._updater:
            try:
                from gateway.update import Update  # noqa: PLC0415  # the first moment that needs it
            except MemoryError:
                return  # an update waits, watering goes on
            self._updater = Update(self.gateway_id, self._client, self._board, self._clock, self._valves)
            self._start("update", self._update)
        self._updater.hear(topic, payload)

    async def _update(self) -> None:
        if self._updater:
            await self._updater.run()
        self._updater = None

    # What is said of the gateway itself.

    def _came_online(self) -> None:
        self._send_status("online")
        if self._updates and self._clock.ticks_ms() >= self._ask_at_ms:
            self._attempts += 1  # a broker whose policies do not allow it hangs up: each time longer, up to a day
            self._ask_at_ms = self._clock.ticks_ms() + min(DAY_MS, ASK_AGAIN_MS << 3 * min(self._attempts, 6))
            self._hear()

    def _repeat_status(self) -> None:
        """While the broker is away a status would wait for it, outdated, and in the place of readings."""
        if self._client.online:
            self._send_status("online")

    def _status(self, state: str) -> "Message":
        status = self._about_now()
        status.update({"state": state, "outbox_depth": self._outbox.depth, "epochs": self._valves.epochs})
        status["outbox_dropped"] = self._outbox.dropped_messages
        status["uptime_s"] = (self._clock.ticks_ms() - self._started_ms) // 1000
        status["open_valves"], status["latched"] = self._valves.open_valves, self._valves.latched
        fallback = self._valves.fallback(self._clock.ticks_ms())
        status["fallback_days"] = fallback.days() if fallback else {}
        if self._clock.trusted():
            status["watered_24h_s"], status["last_end_at"] = self._valves.given(wire_time(self._clock.now()))
        status.update(self._board.health())
        return status

    def _send_status(self, state: str) -> None:
        self._send("status", topics.status(self.gateway_id), self._status(state), urgent=True)

    def _send_diagnostics(self) -> None:
        message = self._about_now()
        message["counters"] = self.counters
        self._send("diagnostics", topics.diagnostics(self.gateway_id), message)

    def _report(self, code: str, text: str, values: "Message | None" = None) -> None:
        """Say what is wrong, for people; `values` say for programs which sensor or zone it is, and how much."""
        now = self._clock.now()
        if self._error_at is not None and 0 <= now - self._error_at < ERROR_INTERVAL_S:
            return
        self._error_at = now
        message = self._about_now()
        message.update(values or {})
        message.update({"code": code, "text": text[:400]})
        self._send("error", topics.errors(self.gateway_id), message)

    def _last_will(self) -> "tuple[str, bytes]":
        message = self._about_now()
        message["state"] = "offline"
        return topics.status(self.gateway_id), messages.encode("status", message)

    def _about_now(self) -> "Message":
        return {"gateway_id": self.gateway_id, "boot_id": self.boot_id, "at": wire_time(self._clock.now())}

    # The outbox and the link: whatever is appended leaves as soon as the window has room.

    def _send(self, kind: "Any", topic: str, message: "Message", urgent: bool = False) -> None:
        self._outbox.append(topic, messages.encode(kind, message), urgent)
        self._pump()

    def _pump(self) -> None:
        self._tell_fault()
        while self._client.online and self._client.room > 0:
            entry = self._outbox.next()
            if entry is None:
                return
            self._counts["messages_published"] += 1
            self._client.send(entry.topic, entry.payload, self._forget(entry))

    def _tell_fault(self) -> None:
        fault, self._outbox.fault = self._outbox.fault, ""
        if fault:
            self._report("storage_fault", f"the outbox goes on from memory: {fault}")

    def _forget(self, entry: "Entry") -> "Callable[[], None]":
        def acked() -> None:
            self._outbox.acked(entry)
            self._counts["messages_acked"] += 1
            fallback = self._valves.fallback(self._clock.ticks_ms())
            if fallback:
                fallback.heard(self._clock.ticks_ms())
            self._pump()

        return acked

    def _hung_up(self) -> bool:
        """The broker hung up at what was under way; what it will never take is set aside, and told of."""
        count, entry = self._outbox.hung_up()
        self._counts["messages_published"] -= count  # they go anew
        if entry:
            self._counts["messages_set_aside"] += 1
            if entry.topic != topics.errors(self.gateway_id):  # of which nothing can be said there
                text = f"{entry.topic}: a message with {entry.samples} samples; does a policy deny it?"
                self._report("set_aside", text)
        return count > 0

    async def _drained(self) -> None:
        while not self.idle():
            await asyncio.sleep(0.01)

    # Tasks: none dies in silence.

    def _start(self, name: str, job: "Job") -> None:
        self._tasks[name] = asyncio.create_task(self._guard(job))

    async def _guard(self, job: "Job") -> None:
        try:
            await job()
        except Exception as error:  # raised again by `run`, which closes the valves first
            self._failure = self._failure or error
            self._ended.set()

    def _cancel(self, name: str) -> None:
        task = self._tasks.pop(name, None)
        if task:
            task.cancel()

    async def _cancel_all(self) -> None:
        tasks = list(self._tasks.values())
        while tasks:
            for task in tasks:
                task.cancel()  # again if need be: `asyncio.wait_for` may swallow one, before Python 3.12
            try:
                await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 1)
            except asyncio.TimeoutError:
                pass
            tasks = [task for task in tasks if not task.done()]

    def _load_settings(self, config: "Message") -> "tuple[dict[str, int], int]":
        settings = {name: config.get(name, DEFAULTS[name]) for name in DEFAULTS}
        issued_at, newer = self._saved_settings.load() or (0, {})
        settings.update(newer)
        return settings, issued_at


# In this order when several are due at once: the newest sample leaves with the publish.
_JOBS = (
    ("look", Gateway._look),  # of boards with meters
    ("sample_interval_s", Gateway._sample),
    ("publish_interval_s", Gateway._publish),
    ("status_interval_s", Gateway._repeat_status),
    ("diagnostics_interval_s", Gateway._send_diagnostics),
)


def _next_boot_id(store: "Store") -> str:
    """The count of the boots, for people, and chance, so that no other board or flash ever says the same."""
    counter = TwoSlots(store, "boots")
    count = (counter.load() or 0) + 1
    try:
        counter.save(count)
    except StorageError:
        pass  # an erased flash, and one that cannot be written, count anew
    return f"boot-{count}-{system_random.getrandbits(32):08x}"  # a chip seeds it with its own noise at power on


def _ignore(_event: "Message") -> None:
    pass
