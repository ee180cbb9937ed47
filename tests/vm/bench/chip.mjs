// One life of a simulated ESP32, from its boot to a reset or a power cut: MicroPython's VM in a process of its own, which
// host.mjs tells what this life begins with.
import v8 from 'node:v8';
import { DeviceClock, real } from './clock.mjs';
import { Flash } from './flash.mjs';
import { Hardware } from './hardware.mjs';
import { giveSign, say, told, vanish } from './inside.mjs';
import { Keeper } from './keep.mjs';
import { Wires } from './wires.mjs';

const { micropython, life, options, world, image, rom, shims } = await told((request) => inTurn(() => reply(request)));
const SOON_MS = 2000; // of real time, for what follows from a message
const LOOK_MS = 500; // without a network a shorter sleep is somebody who waits for it
const SIGN_MS = 100; // of real time, from one sign of life to the next
const COMPILED_ONCE = ['--wasm-tiering-budget=1000000000']; // as flags of the process they cost Node its own code cache
const clock = new DeviceClock({ us: life.us, rtc: life.rtc, bite: () => end('watchdog') });
const counts = { flash: 0, await: 0 };
let cut = life.cut;
let mp;
let runLoop, wakeUp, goOn; // of asyncio in the VM

// On field time, the time of others: `keep` is a folder for what must outlive this process, `watch` lists pins at whose
// change time must stop, `polls_ms` the sleeps that are no dates, but somebody looking again and again.
const part = options.part;
const keeper = part && new Keeper(part.keep, options.unix_s * 1000);
let moved = false; // a watched pin, and nobody was told yet
let dates = []; // when somebody wakes who has something to do, in device time

function tell(kind, ...what) {
  if (kind === 'pin' && part?.watch.includes(what[0])) {
    keeper.note(clock.us, ...what);
    moved = true;
  }
  say({ event: [clock.us, kind, ...what] });
}

const memory = () => mp._module.HEAPU8;
const wires = new Wires({ clock, memory, world, tell, unixUs: () => options.unix_s * 1e6 });
const hardware = new Hardware({ clock, world, memory, tell });
let flash;

// The end of this life, in the middle of whatever runs.
function end(cause, more = {}) {
  keeper?.note(clock.us, 'dark');
  say({ ...more, end: cause, us: clock.us, rtc: clock.rtc, counts });
  vanish();
}

// A point at which the power may go: which part of the operation still happens, undefined if it stays on.
function reached(kind) {
  counts[kind] += 1;
  return cut && cut.kind === kind && cut.number === counts[kind] ? cut.part : undefined;
}

const chip = {
  log: (line) => tell('log', line),
  reset: () => end('reset'),
  reset_cause: () => life.cause,
  deepsleep: (ms) => end('deep sleep', { sleepUs: ms * 1000 }),
  memory: () => life.memory,
  set_memory: (memory) => {
    life.memory = memory;
    say({ memory });
  },
  watch: (ms) => clock.guard(ms * 1000),
  feed: () => clock.guard(clock.watchdog.timeoutUs),
  spend_us: (us) => clock.spend(us),
  ticks_us: () => clock.sinceBootUs() % 2 ** 30,
  wall_s: () => Math.floor(clock.wallUs() / 1e6),
  set_wall_s: (seconds) => {
    clock.rtc = { wallUs: seconds * 1e6, setUs: clock.us };
    tell('clock', clock.wallUnixUs() / 1e6);
  },
  sleeps: (ms) => {
    const looksAgain = part.polls_ms.includes(ms) || (!world.wifi && ms <= LOOK_MS);
    if (!looksAgain) dates.push(clock.us + ms * 1000);
  },
  awaited: () => {
    if (reached('await')) end('power cut');
    tell('await', counts.await, wires.given);
  },
  when_awake: (job) => (runLoop = job),
  when_turned: (job) => (goOn = job),
  turn: () => clock.after(0, goOn),
  wake: (ms) => {
    clock.cancel(wakeUp);
    wakeUp = clock.after(ms * 1000, runLoop);
  },
  wifi: () => world.wifi,
  rssi: () => world.rssi_dbm,
  heap_bytes: () => options.heap_bytes,
  flash_free: () => flash.free(),
  flash_size: () => options.flash_bytes,
  system_heap: () => world.system_heap_bytes,
};

async function start() {
  if (!options.optimized) COMPILED_ONCE.forEach((flag) => v8.setFlagsFromString(flag));
  Error.stackTraceLimit = 0; // nobody sees them, and the VM's file system throws at each file that is not there
  console.error = () => {}; // the VM's runtime tells of each refused allocation
  clock.install();
  rememberFunctions();
  const { loadMicroPython } = await import(micropython);
  const print = (line) => tell('log', line);
  const romfs = rom && bytesOf(rom);
  mp = await loadMicroPython({ heapsize: options.heap_bytes, linebuffer: true, stdout: print, stderr: print, ...(rom && { romfs }) });
  clock.jump(options.ticks_from_s * 1e6);
  if (options.heap_is_all) takeTheRest(mp._module);
  mp.registerJsModule('_chip', chip);
  mp.registerJsModule('_wires', methodsOf(wires));
  mp.registerJsModule('_hardware', methodsOf(hardware));
  if (!rom) mp.FS.mkdir('/bench');
  for (const [name, data] of rom ? [] : shims) mp.FS.writeFile(`/bench/${name}`, bytesOf(data));
  flash = new Flash(mp.FS, { capacity: options.flash_bytes, cut: () => reached('flash'), off: () => end('power cut'), tell: changed });
  flash.full = world.flash_full;
  flash.load(image.map(([path, data]) => [path, data === null ? null : bytesOf(data)]));
  flash.watch();
  mp.runPython(`import sys\nsys.path[:] = ['${rom ? '/rom' : ''}/bench', '.frozen']\nimport _bench\n_bench.install(${options.count_awaits ? 'True' : 'False'}, ${options.seed + (life.us % 1e6)}, ${options.collect_after}, ${part ? 'True' : 'False'})`);
  for (const name of options.preload) mp.runPython(`__import__('${name}')`); // bound to no name, as main.py lets go of one
  tell('boot', life.cause);
  for (const name of ['boot.py', 'main.py']) mp.runPython(`_bench.run_file('/${name}')`);
}

function changed(change) {
  keeper?.change(change);
  const { data } = change;
  say({ change: { ...change, ...(data && { data: Buffer.from(data).toString('base64') }) }, us: clock.us });
}

function bytesOf(text) {
  return Buffer.from(text, 'base64');
}

// The VM looks its functions up at every call, which is slow here, and never changes them.
function rememberFunctions() {
  const plain = WebAssembly.Table.prototype.get;
  const known = [];
  WebAssembly.Table.prototype.get = function (index) {
    return (known[index] ??= plain.call(this, index));
  };
}

// Leaves the VM's own heap no room to grow, as on a chip; small pieces stay for what JavaScript hands over.
function takeTheRest(module) {
  const pieces = [];
  for (let n = 0; n < 64; n++) {
    pieces.push(module._malloc(4096));
    module._malloc(64); // so that the pieces stay pieces
  }
  for (let size = 2 ** 28; size >= 4096; size /= 2) while (module._malloc(size));
  for (const piece of pieces) module._free(piece);
}

// The bridge knows plain functions only.
function methodsOf(target) {
  const names = Object.getOwnPropertyNames(Object.getPrototypeOf(target)).filter((name) => name !== 'constructor');
  const methods = Object.fromEntries(names.map((name) => [name, target[name].bind(target)]));
  return { ...methods, when_changed: (job) => (target.onChange = job) };
}

const turn = () => new Promise((done) => real.setImmediate(done));
const pause = (ms) => new Promise((done) => real.setTimeout(done, ms));

// Until the board has nothing to do at this moment and no answer is on its way; gives what it still waits for.
// Sockets need a look only after the board has touched one: whoever expects more than answers waits for it by `until`.
async function settle(patienceMs) {
  const limit = real.now() + patienceMs;
  for (;;) {
    while (clock.fire());
    alive();
    if (!wires.touched) return [];
    wires.touched = false;
    await turn();
    await turn();
    const waiting = wires.busy();
    wires.touched ||= waiting.length > 0;
    if (waiting.length && real.now() > limit) return waiting;
    if (waiting.length) await Promise.race([wires.change(), pause(2)]);
  }
}

// Device time moves on to `us`, from one due moment to the next.
async function runTo({ us, patience_ms: patienceMs }) {
  let waiting = [];
  for (let steps = 1; ; steps++) {
    waiting = await settle(waiting.length ? 0 : patienceMs);
    if (moved) return { waiting, stopped: true };
    if (steps % 256 === 0) {
      await turn();
      wires.touched = wires.any();
    }
    const due = clock.dueUs();
    if (due > us) break;
    clock.us = Math.max(clock.us, due);
  }
  clock.us = Math.max(clock.us, us);
  return { waiting: await settle(waiting.length ? 0 : patienceMs) };
}

// A host that hears nothing more knows by it that the VM hangs, and when the watchdog bites.
let signs = 0, signedMs = 0, signedBiteUs = Infinity;
function alive() {
  const biteUs = clock.watchdog ? clock.watchdog.atUs : Infinity;
  if (biteUs === signedBiteUs && real.now() - signedMs < SIGN_MS) return;
  [signs, signedMs, signedBiteUs] = [signs + 1, real.now(), biteUs];
  giveSign(signs, biteUs);
}

function setWorld({ changes }) {
  if (world.wifi && changes.wifi === false) wires.loseAll();
  Object.assign(world, changes);
  flash.full = world.flash_full;
}

const ASKED = {
  settle: async ({ patience_ms: patienceMs }) => {
    wires.touched = true;
    return { waiting: await settle(patienceMs) };
  },
  run_to: runTo,
  world: setWorld,
  arm: ({ cut: armed }) => {
    Object.assign(counts, { flash: 0, await: 0 });
    cut = armed;
  },
  run: ({ code }) => {
    mp.globals.set('_result', null);
    mp.runPython(code);
    return { result: mp.globals.get('_result') };
  },
  pulse: ({ pin, count, every_us: everyUs }) => hardware.pulse(pin, count, everyUs),
};

// One after the other: what is asked, and what a board on field time does with a message when nobody asks.
let turns = Promise.resolve();
const inTurn = (job) => (turns = turns.then(job).catch((error) => tell('log', String(error.message).slice(0, 2000))));
let arrived = false;
if (part) {
  wires.onArrival = () => {
    if (arrived) return;
    arrived = true;
    inTurn(() => {
      arrived = false;
      return settle(SOON_MS);
    });
  };
}

const nextDate = () => {
  dates = dates.filter((us) => us > clock.us);
  return dates.length ? Math.min(...dates) : null;
};

async function reply({ id, do: what, ...more }) {
  let answer;
  try {
    answer = { ...(await ASKED[what](more)) };
  } catch (error) {
    answer = { error: String(error.message).slice(0, 2000) };
  }
  alive();
  const due = clock.dueUs();
  say({ id, rtc: clock.rtc, answer: { ...answer, us: clock.us, due_us: due === Infinity ? null : due, date_us: nextDate(), counts: { ...counts } } });
  moved = false;
}

try {
  await start();
  say({ started: true });
} catch (error) {
  tell('log', String(error.message).slice(0, 2000)); // never the stack: node would print the VM's one-line source
  say({ started: true });
}
