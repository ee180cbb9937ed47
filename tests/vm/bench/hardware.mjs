// The chip's pins and what hangs on them. A pin that drives is 0 or 1; after a reset it floats, told as null.
const OUT = 3, RISING = 1, FALLING = 2;

export class Hardware {
  #levels = new Map();
  #handlers = new Map();
  #i2cAnswer = [];
  #uart = new Map();

  constructor({ clock, world, memory, tell }) {
    Object.assign(this, { clock, world, memory, tell });
  }

  // What the VM calls.

  drive(pin, level) {
    if (this.#levels.get(pin) === level) return;
    this.#levels.set(pin, level);
    this.tell('pin', pin, level);
    for (const meter of this.world.meters) if (meter.valve === pin) this.#turn(meter);
  }

  read(pin) {
    return this.#levels.get(pin) ?? this.world.inputs[pin] ?? 1;
  }

  onEdge(pin, handler, trigger) {
    this.#handlers.set(pin, { handler, trigger });
  }

  microvolts(pin) {
    return this.world.microvolts[pin] ?? 0;
  }

  i2cWrite(address, at, size) {
    const chip = this.world.i2c[address];
    if (!chip) return -1;
    this.#i2cAnswer = chip[Buffer.from(this.memory().subarray(at, at + size)).toString('hex')] ?? [];
    return size;
  }

  i2cRead(address, at, size) {
    if (!this.world.i2c[address] || this.#i2cAnswer.length < size) return -1;
    this.memory().set(this.#i2cAnswer.slice(0, size), at);
    return size;
  }

  uartWrite(number, at, size) {
    const said = Buffer.from(this.memory().subarray(at, at + size)).toString('latin1');
    const heard = this.world.uart[number]?.[said];
    if (heard !== undefined) this.clock.after(30_000, () => this.#uart.set(number, (this.#uart.get(number) ?? '') + heard));
  }

  uartRead(number) {
    const heard = this.#uart.get(number) ?? '';
    this.#uart.set(number, '');
    return heard;
  }

  uartAny(number) {
    return (this.#uart.get(number) ?? '').length;
  }

  // ROMs as one text of hex digits, and the temperature that one of them measures.
  oneWireRoms(pin) {
    return Object.keys(this.world.one_wire[pin] ?? {}).join(' ');
  }

  oneWireCelsius(pin, rom) {
    return this.world.one_wire[pin]?.[rom] ?? NaN;
  }

  // What a chip's own counter has of a steady flow, {us, pulses, hz}: so many at `us`, and from then on `hz` a second.
  turned(pin) {
    const flow = this.world.flows[pin];
    return flow ? Math.floor(flow.pulses + (flow.hz * (this.clock.us - flow.us)) / 1e6 + 1e-6) : 0;
  }

  // What the world does.

  // Pulses on an input: both edges of each, `everyUs` apart.
  pulse(pin, count, everyUs) {
    if (count <= 0) return;
    this.clock.after(everyUs, () => {
      const entry = this.#handlers.get(pin);
      for (const [edge, level] of [[FALLING, 0], [RISING, 1]]) {
        this.world.inputs[pin] = level;
        if (entry && entry.trigger & edge) entry.handler();
      }
      this.pulse(pin, count - 1, everyUs);
    });
  }

  // A meter turns while its valve's pin is at the level that opens.
  #turn(meter) {
    if (this.#levels.get(meter.valve) !== meter.on) return;
    this.clock.after(1e6 / meter.hz, () => {
      if (this.#levels.get(meter.valve) !== meter.on) return;
      this.pulse(meter.pin, 1, 0);
      this.#turn(meter);
    });
  }
}
