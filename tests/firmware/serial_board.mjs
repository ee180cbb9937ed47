// A simulated ESP32 on a serial line, with MicroPython's own REPL and file system: `node serial_board.mjs MICROPYTHON FOLDER EVENTS OPTIONS`.
// stdin and stdout are the line, FOLDER mirrors the flash, EVENTS is a descriptor for what happened, as JSON lines.
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Flash, apply } from '../vm/bench/flash.mjs';
import { say as sayLine, told, vanish } from '../vm/bench/inside.mjs';
import { Life } from '../vm/bench/life.mjs';

const OPTIONS = {
  watchdog_ms: 8000, // which main.py arms, and feeds while it runs
  boot_ms: 300, // in which the line is deaf
  spoil: '', // a path whose first byte arrives wrong
  cut_after: 1e9, // changes of the flash; then the cable is pulled
  says: '', // what main.py prints again and again
  psram: true, // false: no more than a chip has by itself
  frozen: false, // true: its image holds the modules
  waits: false, // for its first byte, to start
};
const FLASH_BYTES = 2 * 1024 * 1024;
const CTRL_A = 1, CTRL_C = 3, CTRL_E = 5, SOFT_RESET = 0x100;
const MACHINE = `
import _line
def reset():
    _line.reset()
class Pin:
    OUT = 3
    def __init__(self, pin, mode, value=None):
        self._pin = pin
        if value is not None:
            self.value(value)
    def value(self, level):
        _line.pin(self._pin, level)
`;
const WITHOUT_PSRAM = `
from gc import *
def mem_free():
    return 110_000
`;
// On the ESP32 the empty path is the root, and errors have its numbers; this VM's file system asks its host.
const PREPARE = `
import builtins, os, sys
os.chdir("/")
sys.path[:] = ["/bench", "", ".frozen", "/lib"]
def _as_on_a_board(function):
    def call(path=".", *more):
        try:
            return function(path or "/", *more)
        except OSError as error:
            raise OSError({44: 2, 20: 17, 54: 20, 55: 39, 31: 21}.get(error.errno, error.errno))
    return call
for _name in ("stat", "listdir", "ilistdir", "mkdir", "rmdir", "remove"):
    setattr(os, _name, _as_on_a_board(getattr(os, _name)))
builtins.open = _as_on_a_board(open)
del sys, builtins
`;

const A_LIFE = 'a life'; // the word that makes this script the chip
if (process.argv[2] === A_LIFE) chip();
else board();

// The board: what outlives a reset.
function board() {
  const [, , micropython, folder, events, given] = process.argv;
  const options = { ...OPTIONS, ...JSON.parse(given) };
  const image = readFolder(folder);
  let life, watchdog, deaf = false, changes = 0;

  const tell = (event) => fs.writeSync(Number(events), `${JSON.stringify(event)}\n`);
  const on = {
    out: (text) => process.stdout.write(Buffer.from(text, 'base64')),
    pin: (pin) => tell({ pin }),
    main: (runs) => {
      tell({ main: runs });
      clearTimeout(watchdog);
      watchdog = runs ? null : setTimeout(() => start('watchdog'), options.watchdog_ms);
    },
    reset: (kind) => start(kind),
    change: (told) => {
      const change = { ...told, data: Buffer.from(told.data ?? '', 'base64') };
      apply(image, change);
      mirror(folder, image, change);
      changes += 1;
      if (changes >= options.cut_after) leave();
    },
  };

  function start(kind) {
    if (kind !== 'soft') clearTimeout(watchdog);
    if (life && kind !== 'soft') {
      deaf = true; // what is said to a board that starts is lost
      setTimeout(() => (deaf = false), options.boot_ms);
    }
    life?.end();
    tell({ boot: kind });
    const mine = new Life({
      script: fileURLToPath(import.meta.url),
      words: [A_LIFE],
      hear: ([what, value]) => mine === life && on[what](value),
      breaks: (why) => mine === life && tell({ failed: why }),
    });
    life = mine;
    mine.tell({ micropython, image: [...image].map(([name, data]) => [name, data && data.toString('base64')]), kind, options });
  }

  async function leave() {
    process.stdin.removeAllListeners('data');
    const last = life;
    life = null; // what it still says is not heard
    await last?.end();
    process.exit(0);
  }

  process.stdin.on('data', (data) => {
    if (!life) start('power on');
    if (!deaf) life.tell(data.toString('base64'));
  });
  process.stdin.on('end', leave);
  if (!options.waits) start('power on');
}

function readFolder(folder) {
  const image = new Map();
  for (const entry of fs.readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const file = path.join(entry.parentPath ?? entry.path, entry.name);
    const name = `/${path.relative(folder, file)}`;
    image.set(name, entry.isDirectory() ? null : fs.readFileSync(file));
  }
  return image;
}

function mirror(folder, image, { do: what, path: name, to }) {
  const place = path.join(folder, to ?? name);
  if (what === 'rename') fs.renameSync(path.join(folder, name), place);
  else if (what === 'remove') fs.rmSync(place, { recursive: true, force: true });
  else if (what === 'mkdir') fs.mkdirSync(place);
  else fs.writeFileSync(place, image.get(name));
}

// One life of the chip.
async function chip() {
  let take; // what is typed
  const typed = [];
  const { micropython, image, kind, options } = await told((text) => (take ? take(bytesOf(text)) : typed.push(text)));
  const say = (what, value) => sayLine([what, value]);
  let speaks = true;
  const print = (data) => speaks && say('out', Buffer.from(data).toString('base64'));
  const { loadMicroPython } = await import(pathToFileURL(micropython));
  const mp = await loadMicroPython({ heapsize: 4 * 1024 * 1024, linebuffer: false, stdout: print, stderr: print });
  mp.registerJsModule('_line', {
    pin: (pin, level) => say('pin', [pin, level]),
    reset: () => {
      say('reset', 'reset');
      vanish();
    },
  });
  mp.FS.mkdirTree('/bench');
  mp.FS.writeFile('/bench/machine.py', MACHINE);
  if (options.frozen) {
    mp.FS.mkdirTree('/bench/protocol');
    mp.FS.writeFile('/bench/protocol/topics.py', '');
  }
  if (!options.psram) {
    mp.FS.writeFile('/bench/_gc.py', WITHOUT_PSRAM);
    mp.runPython('import sys\nsys.path.insert(0, "/bench")\nimport _gc\nsys.modules["gc"] = _gc\ndel sys, _gc');
  }
  if (options.spoil) spoil(mp.FS, options.spoil);
  const flash = new Flash(mp.FS, { capacity: FLASH_BYTES, cut: () => undefined, off: () => {}, tell: (change) => say('change', coded(change)) });
  flash.load(image.sort().map(([name, text]) => [name, text === null ? null : bytesOf(text)]));
  flash.watch();
  mp.runPython(PREPARE);

  if (kind !== 'soft') print('ets Jul 29 2019 12:21:46\r\n\r\nrst:0x1 (POWERON_RESET),boot:0x13\r\n');
  else print('MPY: soft reboot\r\n');
  if (mp.FS.analyzePath('/boot.py').exists) runFile(mp, '/boot.py', print);
  let mainRuns = kind !== 'soft' && mp.FS.analyzePath('/main.py').exists;
  if (mainRuns) {
    print('main.py runs\r\n');
    say('main', true);
    if (options.says) setInterval(() => mainRuns && print(`${options.says}\r\n`), 200);
  }
  speaks = !mainRuns && kind !== 'soft';
  mp.replInit();
  speaks = true;
  if (kind === 'soft') mp.replProcessChar(CTRL_A); // who resets from the raw REPL comes back to it

  let skip = 0;
  take = (data) => {
    for (const byte of data) {
      if (mainRuns && byte !== CTRL_C) continue;
      if (mainRuns) {
        mainRuns = false;
        say('main', false);
        print('Traceback (most recent call last):\r\nKeyboardInterrupt: \r\n>>> ');
      } else if (skip) {
        skip -= 1;
      } else if (byte === CTRL_E) {
        skip = 2; // raw-paste mode, which this VM has no way to read: told as a board tells it
        print('R\x00');
      } else if (mp.replProcessChar(byte) & SOFT_RESET) {
        say('reset', 'soft');
        return;
      }
    }
  };
  for (const text of typed) take(bytesOf(text));
}

function bytesOf(text) {
  return Buffer.from(text, 'base64');
}

function coded({ data, ...change }) {
  return data ? { ...change, data: Buffer.from(data).toString('base64') } : change;
}

function runFile(mp, file, print) {
  try {
    mp.runPython(`exec(open('${file}').read(), {'__name__': '__main__'})`);
  } catch (error) {
    print(`${error.message}\r\n`);
  }
}

function spoil(FS, name) {
  const plain = FS.write.bind(FS);
  FS.write = (stream, buffer, offset, length, ...more) => {
    if (!stream.path || FS.getPath(stream.node) !== name || !length) return plain(stream, buffer, offset, length, ...more);
    const other = Uint8Array.from(buffer.subarray(offset, offset + length));
    other[0] ^= 1;
    return plain(stream, other, 0, length, ...more);
  };
}
