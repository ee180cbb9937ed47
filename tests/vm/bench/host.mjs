// The bench's process: several simulated ESP32, each life in a process of its own. Talks JSON lines with board.py.
// Here is what outlives a reset: flash, clock, time, the world around the board, and the tale of what happened.
import readline from 'node:readline';
import { fileURLToPath } from 'node:url';
import { apply } from './flash.mjs';
import { Life } from './life.mjs';

const [, , micropython, shimsText, ...descriptors] = process.argv;
const inherited = descriptors.map(Number);
const CHIP = fileURLToPath(new URL('./chip.mjs', import.meta.url));
const RESET_US = 400_000; // from a reset to the first line of boot.py
const shims = Object.entries(JSON.parse(shimsText));
const CAUSES = { 'power on': 1, reset: 2, watchdog: 3, 'deep sleep': 4, 'soft reset': 5 };
const RESETS = ['reset', 'watchdog'];
const MOST_RESETS = 20; // without any success
const NEVER_SET = { wallUs: 0, setUs: 0 };

const WORLD = {
  wifi: true, network: 'open', certificate_time: 'device', dns: { localhost: '127.0.0.1' }, dns_timeout_s: 14,
  name_server: true, time_server: true, time_server_off_s: 0, flash_full: false, rssi_dbm: -61, system_heap_bytes: 110_000,
  inputs: {}, microvolts: {}, i2c: {}, uart: {}, one_wire: {}, meters: [], flows: {},
};

class Board {
  constructor({ options, world, rom }) {
    this.options = options;
    this.rom = rom;
    this.world = { ...WORLD, ...world };
    this.image = new Map();
    this.us = 0;
    this.rtc = null;
    this.memory = ''; // of the chip's clock, in base64
    this.wakesUs = Infinity; // from a deep sleep
    this.events = [];
    this.told = null; // how many of them came before the answer: what comes after it is told with the next one
    this.life = null;
    this.dying = null; // resolved when the last life is over
    this.hung = false;
    this.broken = null; // why the process of its last life ended, if it was not told to
    this.again = null; // why it has to start, when it is next asked for anything
    this.asked = new Map();
    this.nextId = 1;
  }

  async powerOn({ cut = null }) {
    await this.dying;
    if (this.life || this.hung) throw new Error('it is on already');
    this.rtc = { wallUs: 0, setUs: this.us };
    [this.memory, this.wakesUs] = ['', Infinity];
    await this.#start('power on', cut);
    return {};
  }

  async powerOff() {
    await this.dying;
    [this.again, this.wakesUs] = [null, Infinity];
    if (this.hung) this.#note('end', 'power off');
    else if (this.life) await this.#end('power off', this.us);
    this.hung = false;
    return {};
  }

  // Has the board do something; when it resets over it, it starts again.
  async have(request) {
    await this.dying;
    if (this.again) await this.#start(this.again);
    const answer = await this.ask(request);
    if (RESETS.includes(answer.ended)) await this.#start(answer.ended);
    return answer.ended ? { off: !this.life } : answer;
  }

  // Time passes; a board that resets starts again on the way, and so does one whose sleep is over; one without power
  // stays dark.
  async runTo(request) {
    let answer;
    do {
      if (this.wakesUs <= request.us) await this.#wake();
      answer = await this.have({ ...request, do: 'run_to' });
    } while ((this.life || this.wakesUs <= request.us) && this.us < request.us && !answer.stopped);
    if (!this.life) this.us = Math.max(this.us, request.us);
    return answer;
  }

  ask(request) {
    if (!this.life) return Promise.resolve({ off: true });
    const id = this.nextId++;
    return new Promise((resolve) => {
      this.asked.set(id, resolve);
      this.life.tell({ ...request, id });
    });
  }

  #wake() {
    [this.us, this.wakesUs] = [Math.max(this.us, this.wakesUs), Infinity];
    return this.#start('deep sleep');
  }

  // Boots; again if the board resets before it has come so far.
  async #start(cause, cut = null) {
    this.again = null;
    for (let begun = 0; begun < MOST_RESETS; begun++) {
      const { ended } = await this.#boot(cause, cut);
      if (!RESETS.includes(ended)) return;
      cause = ended;
    }
    throw new Error(`it resets again and again: ${cause}`);
  }

  #boot(cause, cut) {
    if (cause !== 'power on') this.us += RESET_US;
    const started = new Promise((resolve) => this.asked.set(0, resolve));
    this.life = new Life({ script: CHIP, inherited, hear: (message) => this.#hear(message), breaks: (why) => this.#break(why) });
    this.life.tell({
      micropython, shims, rom: this.rom, options: this.options, world: this.world, image: coded(this.image),
      life: { us: this.us, rtc: this.rtc, memory: this.memory, cause: CAUSES[cause], cut },
    });
    this.life.watch(() => this.asked.size > 0, (biteUs) => this.#hang(biteUs));
    return started;
  }

  #hear({ id, answer, event, change, memory, end, sleepUs, us, rtc, started, counts }) {
    if (event) this.events.push(event);
    if (change) {
      apply(this.image, { ...change, data: Buffer.from(change.data ?? '', 'base64') });
      this.events.push([us, 'flash', change.do, change.path]);
    }
    if (memory !== undefined) this.memory = memory;
    if (sleepUs) this.wakesUs = us + sleepUs;
    if (started) this.#resolve(0, {});
    if (id) this.#resolve(id, answer);
    if (answer) [this.us, this.rtc] = [answer.us, rtc];
    if (end) {
      this.rtc = rtc;
      this.#end(end, us, { counts });
    }
  }

  // What ends a process of ours is no power cut: whoever asks next is told.
  #break(why) {
    this.broken = why;
    this.#end('power cut', this.us, {});
  }

  #resolve(id, answer) {
    const resolve = this.asked.get(id);
    this.asked.delete(id);
    this.told = this.events.length;
    if (resolve) resolve(answer);
  }

  #end(cause, us, more) {
    this.dying = this.#die(cause, us, more);
    return this.dying;
  }

  async #die(cause, us, more) {
    const { life } = this;
    if (RESETS.includes(cause) && !this.asked.size) this.again = cause; // in answer to a message, say
    this.life = null;
    await life.end();
    this.us = Math.max(this.us, us);
    if (cause.startsWith('power')) this.rtc = NEVER_SET;
    this.#note(cause === 'hung' ? 'hung' : 'end', cause);
    for (const id of [...this.asked.keys()]) this.#resolve(id, { ended: cause, ...more });
  }

  // A VM that does not come back: its time stands still, so the watchdog is ours to watch. Without one it hangs for ever,
  // its pins as they are.
  #hang(biteUs) {
    this.hung = biteUs === Infinity;
    this.#end(this.hung ? 'hung' : 'watchdog', this.hung ? this.us : biteUs);
  }

  #note(...event) {
    this.events.push([this.us, ...event]);
  }
}

function coded(image) {
  return [...image].map(([path, data]) => [path, data && data.toString('base64')]);
}

const boards = new Map();
const REQUESTS = {
  make: ({ board: name, ...more }) => void boards.set(name, new Board(more)),
  files: ({ board, files }) => {
    for (const [path, data] of Object.entries(files)) {
      for (let at = path.indexOf('/', 1); at > 0; at = path.indexOf('/', at + 1)) {
        if (!board.image.has(path.slice(0, at))) board.image.set(path.slice(0, at), null);
      }
      if (data === null) board.image.delete(path);
      else board.image.set(path, Buffer.from(data, 'base64'));
    }
  },
  image: ({ board }) => ({ files: Object.fromEntries([...board.image].filter(([, data]) => data).map(([path, data]) => [path, data.toString('base64')])) }),
  power_on: ({ board, ...more }) => board.powerOn(more),
  power_off: ({ board }) => board.powerOff(),
  run_to: ({ board, ...more }) => board.runTo(more),
  world: ({ board, changes }) => {
    Object.assign(board.world, changes);
    return board.ask({ do: 'world', changes });
  },
  forget: ({ board: { name } }) => void boards.delete(name),
};
const PASSED_ON = ['settle', 'arm', 'run', 'pulse'];

async function handle(request) {
  const { id, do: what } = request;
  const board = what === 'make' ? null : boards.get(request.board);
  let answer;
  if (board) board.told = null;
  try {
    if (PASSED_ON.includes(what)) answer = await board.have(request);
    else answer = (await REQUESTS[what](what === 'make' ? request : { ...request, board })) ?? {};
  } catch (error) {
    answer = { error: String(error.message) };
  }
  await board?.dying;
  if (board?.broken) {
    answer = { error: board.broken };
    board.broken = null;
  }
  const events = board ? board.events.splice(0, board.told ?? board.events.length) : [];
  const on = Boolean(board?.life || board?.hung);
  process.stdout.write(`${JSON.stringify({ id, us: board?.us ?? 0, on, ...answer, events })}\n`);
}

const lines = readline.createInterface({ input: process.stdin });
lines.on('line', (line) => handle(JSON.parse(line)));
lines.on('close', async () => {
  await Promise.all([...boards.values()].map((board) => board.powerOff()));
  process.exit(0);
});
