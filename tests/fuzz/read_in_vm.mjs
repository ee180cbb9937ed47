// Decodes messages in MicroPython's own VM: `node read_in_vm.mjs PROJECT_ROOT MESSAGES VERDICTS`. A message is two bytes with
// the length of its topic, four with that of its payload, and both; a line of VERDICTS is what read_in_vm.py says of one.
import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const [root, source, target] = process.argv.slice(2).map((name) => path.resolve(name));
const CHUNK_BYTES = 128 * 1024; // of messages in one call: the VM collects its garbage only between calls
const HEAP_BYTES = 32 * 1024 * 1024;

rememberFunctions();
const packageFile = createRequire(path.join(root, 'package.json')).resolve('@micropython/micropython-webassembly-pyscript');
const { loadMicroPython } = await import(pathToFileURL(packageFile));
const mp = await loadMicroPython({ heapsize: HEAP_BYTES, linebuffer: true, stdout: console.log, stderr: console.log });

// The VM looks its functions up at every call, which takes a third of its time, and never changes them.
function rememberFunctions() {
  const plain = WebAssembly.Table.prototype.get;
  const known = [];
  WebAssembly.Table.prototype.get = function (index) {
    return (known[index] ??= plain.call(this, index));
  };
}

function* chunks(data) {
  for (let begin = 0, end = 0; begin < data.length; begin = end) {
    while (end < data.length && (end === begin || end - begin < CHUNK_BYTES)) end += 6 + data.readUInt16BE(end) + data.readUInt32BE(end + 2);
    yield data.subarray(begin, end);
  }
}

mp.FS.mkdirTree('/tested/protocol');
for (const name of fs.readdirSync(path.join(root, 'protocol')).filter((entry) => entry.endsWith('.py'))) {
  mp.FS.writeFile(`/tested/protocol/${name}`, fs.readFileSync(path.join(root, 'protocol', name)));
}
mp.FS.writeFile('/tested/read_in_vm.py', fs.readFileSync(path.join(root, 'tests/fuzz/read_in_vm.py')));
mp.runPython("import sys; sys.path[:] = ['/tested', '.frozen']\nimport read_in_vm");
const verdicts = fs.openSync(target, 'w');
for (const chunk of chunks(fs.readFileSync(source))) {
  mp.FS.writeFile('/chunk', chunk);
  mp.runPython("_verdicts = read_in_vm.read('/chunk')");
  fs.writeSync(verdicts, `${mp.globals.get('_verdicts')}\n`);
}
fs.closeSync(verdicts);
