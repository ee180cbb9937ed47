// What the script of a life says to its host, and is told by it. It loads nothing else: a life begins hundreds of times.
import fs from 'node:fs';

const BEAT_FD = 3;

// At once: nothing that was said is lost when the life ends in the middle of whatever runs.
export function say(message) {
  const line = Buffer.from(`${JSON.stringify(message)}\n`);
  for (let at = 0; at < line.length; ) at += fs.writeSync(1, line, at);
}

// Nothing goes on after it.
export function vanish() {
  process.kill(process.pid, 'SIGKILL');
}

const beat = new Float64Array(2), beatBytes = new Uint8Array(beat.buffer);
export function giveSign(count, biteUs) {
  beat[0] = count;
  beat[1] = biteUs;
  fs.writeSync(BEAT_FD, beatBytes, 0, 16, 0);
}

// The first line that it is told; `hear` gets the others. It does not outlive who tells.
export function told(hear) {
  return new Promise((resolve) => {
    let rest = '', next = resolve;
    process.stdin.setEncoding('utf8');
    process.stdin.on('end', vanish);
    process.stdin.on('data', (text) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop();
      for (const line of lines) {
        next(JSON.parse(line));
        next = hear;
      }
    });
  });
}
