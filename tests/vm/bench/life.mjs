// One life of a chip, seen from outside: a Node process of its own. V8 aborts now and then in a process that makes and
// drops one WebAssembly instance after the other, so here each process makes one, and ends with it.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import readline from 'node:readline';
import { spawn } from 'node:child_process';

const HANG_CPU_MS = 1500; // so much work without a sign from the VM: it hangs, and only the watchdog can help
const LOOK_MS = 250;
const QUICKLY = ['--use-openssl-ca']; // else each process reads the web's authorities, a quarter of its start
// A board trusts only its own authority: no life reads those of this machine, once more with each context of TLS.
const ENVIRONMENT = { ...process.env, NODE_EXTRA_CA_CERTS: '', SSL_CERT_FILE: os.devNull, SSL_CERT_DIR: os.devNull };
const PROC_TICK_MS = 10;

export class Life {
  #process;
  #closed;
  #beat = beatFile();
  #expected = false;
  #listening;

  // `hear` gets each line that the script says, `breaks` why its process ended by itself. `inherited` descriptors stay
  // open as long as it lives.
  constructor({ script, words = [], inherited = [], hear, breaks }) {
    this.#process = spawn(process.execPath, [...QUICKLY, script, ...words], { stdio: ['pipe', 'pipe', 'inherit', this.#beat, ...inherited], env: ENVIRONMENT });
    this.#process.stdin.on('error', () => {}); // it may be gone when it is told something
    readline.createInterface({ input: this.#process.stdout }).on('line', (line) => hear(JSON.parse(line)));
    this.#closed = new Promise((resolve) => this.#process.on('close', resolve));
    this.#process.on('close', (code, signal) => {
      clearInterval(this.#listening);
      fs.closeSync(this.#beat);
      if (!this.#expected) breaks(`the process of this life ended by itself: ${signal ?? code}`);
    });
  }

  tell(message) {
    this.#process.stdin.write(`${JSON.stringify(message)}\n`);
  }

  // Resolved when the process is gone, and all that it said is heard.
  end() {
    this.#expected = true;
    this.#process.kill('SIGKILL');
    return this.#closed;
  }

  // Calls `hangs(biteUs)` once the VM works and does not come back, while `isAsked()`. By the processor's time that it
  // takes, which is the same beside any load; `biteUs` is when its watchdog bites, Infinity without one.
  watch(isAsked, hangs) {
    const { pid } = this.#process;
    let seen = -1, since = workedMs(pid);
    this.#listening = setInterval(() => {
      const [beat, biteUs] = readBeat(this.#beat);
      if (beat !== seen || !isAsked()) [seen, since] = [beat, workedMs(pid)];
      else if (workedMs(pid) - since > HANG_CPU_MS) {
        clearInterval(this.#listening);
        hangs(biteUs);
      }
    }, LOOK_MS);
    this.#listening.unref();
  }
}

// What the main thread of a process has worked; where the system does not say it, the time that has passed.
function workedMs(pid) {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/task/${pid}/stat`, 'latin1');
    const [user, system] = stat.slice(stat.lastIndexOf(')')).split(' ').slice(12, 14);
    return (Number(user) + Number(system)) * PROC_TICK_MS;
  } catch {
    return process.platform === 'linux' ? 0 : performance.now();
  }
}

// Two numbers that are read while their writer hangs: how often it gave a sign, and when its watchdog bites.
function beatFile() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'bench-'));
  const file = fs.openSync(path.join(folder, 'beat'), 'w+');
  fs.rmSync(folder, { recursive: true });
  return file;
}

function readBeat(file) {
  const beat = new Float64Array([0, Infinity]);
  fs.readSync(file, new Uint8Array(beat.buffer), 0, 16, 0);
  return beat;
}
