// Runs modules of portable tests in MicroPython's own VM: `node run_tests.mjs PROJECT_ROOT MODULE...`. One result line a test; rc 1 if any fails.
import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const root = path.resolve(process.argv[2]);
const FOLDERS = {
  'protocol': '/tested/protocol', 'firmware/lib/gateway': '/tested/gateway', 'tests/vm/portable': '/tested/tests/vm/portable',
  'firmware/drivers': '/tested/firmware/drivers', 'tests/vm/fakes': '/tested',
};
const FILES = ['firmware/boot.py', 'firmware/config.py', 'firmware/net.py', 'firmware/slots.py', 'firmware/start.py', 'firmware/setup_page.py', 'firmware/setup_page.html', 'firmware/config_example.json', 'firmware/pins_example.json'];
const TIMEOUT_MS = 600_000; // a VM that hangs says nothing by itself

Error.stackTraceLimit = 0; // the VM throws often, and its stacks are never shown
setTimeout(() => { console.log('FAIL the VM did not finish in time'); process.exit(1); }, TIMEOUT_MS).unref();
rememberFunctions();
const packageFile = createRequire(path.join(root, 'package.json')).resolve('@micropython/micropython-webassembly-pyscript');
const { loadMicroPython } = await import(pathToFileURL(packageFile));
const mp = await loadMicroPython({ heapsize: 4 * 1024 * 1024, linebuffer: true, stdout: say, stderr: say });

function say(line) {
  console.log(`  ${line}`);
}

// The VM looks its functions up at every call, which takes a third of its time, and never changes them.
function rememberFunctions() {
  const plain = WebAssembly.Table.prototype.get;
  const known = [];
  WebAssembly.Table.prototype.get = function (index) {
    return (known[index] ??= plain.call(this, index));
  };
}

function copyIn(source, target) {
  mp.FS.mkdirTree(target);
  for (const entry of fs.readdirSync(source, { withFileTypes: true })) {
    const from = path.join(source, entry.name);
    if (entry.name === '__pycache__' || entry.name.endsWith('.pyi')) continue;
    if (entry.isDirectory()) copyIn(from, `${target}/${entry.name}`);
    else mp.FS.writeFile(`${target}/${entry.name}`, fs.readFileSync(from));
  }
}

// Each test is a call of its own: the VM collects its garbage only when it has returned to JavaScript.
async function runAll() {
  for (const [folder, target] of Object.entries(FOLDERS)) copyIn(path.join(root, folder), target);
  for (const file of FILES) mp.FS.writeFile(`/tested/${file}`, fs.readFileSync(path.join(root, file)));
  mp.FS.writeFile('/tested/run_in_vm.py', fs.readFileSync(path.join(root, 'tests/vm/run_in_vm.py')));
  mp.runPython("import sys; sys.path[:] = ['/tested', '/tested/tests/vm/portable', '.frozen']\nimport asyncio, run_in_vm\nrun_in_vm.ask_for_the_heap_once()");
  const failed = [];
  let count = 0;
  for (const module of process.argv.slice(3)) {
    mp.runPython(`_rows = run_in_vm.tests('${module}')`);
    for (const [className, method] of JSON.parse(mp.globals.get('_rows'))) {
      await mp.runPythonAsync(`_why = await asyncio.create_task(run_in_vm.run('${module}', '${className}', '${method}'))`);
      const why = mp.globals.get('_why');
      count += 1;
      if (why) failed.push(method);
      console.log(`${why ? 'FAIL' : 'ok'} ${module}.${className}.${method}${why ? `\n${why}` : ''}`);
    }
  }
  console.log(`${count} tests ran, ${failed.length} failed`);
  return count > 0 && failed.length === 0;
}

try {
  process.exit((await runAll()) ? 0 : 1); // a test that failed may have left tasks that never end
} catch (error) {
  console.log(`FAIL ${String(error.message).slice(0, 3000)}`); // never the stack: node would print the package's one-line source
  process.exit(1);
}
