// What has to be there after this process was killed: each change of the flash, and each move of the valves' pins. It is
// on disk before anything follows from it.
import fs from 'node:fs';
import path from 'node:path';

export class Keeper {
  // `folder` gets `flash/`, what the firmware changed of its files, and `pins.jsonl`, rows of [Unix ms, pin, level] or
  // [Unix ms, "dark"] when a life ends.
  constructor(folder, startMs) {
    this.flash = path.join(folder, 'flash');
    fs.mkdirSync(this.flash, { recursive: true });
    this.pins = fs.openSync(path.join(folder, 'pins.jsonl'), 'a');
    this.startMs = startMs;
  }

  note(us, ...what) {
    fs.writeSync(this.pins, `${JSON.stringify([Math.round(this.startMs + us / 1000), ...what])}\n`);
  }

  change({ do: what, path: name, to, at, data }) {
    const file = this.flash + name;
    fs.mkdirSync(path.dirname(file), { recursive: true });
    if (what === 'empty') fs.writeFileSync(file, '');
    else if (what === 'mkdir') fs.mkdirSync(file, { recursive: true });
    else if (what === 'remove') fs.rmSync(file, { recursive: true, force: true });
    else if (what === 'rename') fs.renameSync(file, this.flash + to);
    else write(file, at, data);
  }
}

function write(file, at, data) {
  const open = fs.openSync(file, fs.existsSync(file) ? 'r+' : 'w+');
  fs.writeSync(open, data, 0, data.length, at);
  fs.closeSync(open);
}
