// Device time. It stands still until it is moved: whatever asks this thread for the time or for a timer gets this clock.
// Everything is in whole microseconds since the board was made; it goes on over resets and while the power is off.
export const real = { setTimeout: globalThis.setTimeout, setImmediate: globalThis.setImmediate, now: performance.now.bind(performance), date: Date.now };

export const EPOCH_2000_US = 946_684_800e6;
const POLLS = 1000; // this many looks at the clock without a pause are a loop that waits for it
const POLL_US = 100;

export class DeviceClock {
  #timers = new Map(); // by id, so in the order of their making
  #nextId = 1;
  #polls = 0;
  watchdog = null; // {atUs, timeoutUs}

  // `rtc` is {wallUs, setUs}: what the chip's clock said when it was last set; `bite()` ends this life.
  constructor({ us, rtc, bite }) {
    Object.assign(this, { us, bootUs: us, rtc, bite });
  }

  // The chip's own time of day, microseconds since its epoch.
  wallUs() {
    return this.rtc.wallUs + this.us - this.rtc.setUs;
  }

  wallUnixUs() {
    return this.wallUs() + EPOCH_2000_US;
  }

  install() {
    Date.now = () => Math.floor(this.sinceBootUs() / 1000); // the VM's ticks: what has passed since it was loaded
    Object.defineProperty(globalThis, 'performance', { value: { now: Date.now } }); // node's own is a slow getter
    globalThis.setTimeout = (job, ms, ...args) => this.after((ms || 0) * 1000, () => job(...args));
    globalThis.clearTimeout = (id) => this.cancel(id);
  }

  after(us, job) {
    this.#timers.set(this.#nextId, { atUs: this.us + Math.max(0, Math.round(us)), job });
    return this.#nextId++;
  }

  cancel(id) {
    this.#timers.delete(id);
  }

  // Of the chip's counter, which wraps one day: a board that has been on for long.
  jump(us) {
    this.bootUs -= us;
  }

  sinceBootUs() {
    if (++this.#polls > POLLS) this.spend(POLL_US);
    return this.us - this.bootUs;
  }

  // A call that blocks: time passes and nothing else runs, but the watchdog.
  spend(us) {
    const end = this.us + Math.max(0, Math.round(us));
    if (this.watchdog && this.watchdog.atUs <= end) this.#bite();
    this.us = end;
  }

  guard(timeoutUs) {
    this.watchdog = { timeoutUs, atUs: this.us + timeoutUs };
  }

  // When something happens next; Infinity if nothing does.
  dueUs() {
    let due = this.watchdog ? this.watchdog.atUs : Infinity;
    for (const timer of this.#timers.values()) due = Math.min(due, timer.atUs);
    return due;
  }

  // Runs what is due now, once; true if anything was.
  fire() {
    this.#polls = 0;
    const due = [...this.#timers].filter(([, timer]) => timer.atUs <= this.us);
    for (const [id, timer] of due) if (this.#timers.delete(id)) timer.job();
    if (!due.length && this.watchdog && this.watchdog.atUs <= this.us) this.#bite();
    return due.length > 0;
  }

  #bite() {
    this.us = Math.max(this.us, this.watchdog.atUs);
    this.bite();
  }

}
