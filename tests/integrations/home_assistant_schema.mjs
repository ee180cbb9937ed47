// Runs a Python file in CPython 3.14 as WebAssembly: Home Assistant wants a newer Python than this project does.
//     node home_assistant_schema.mjs FILE.py PACKAGE... < input > output
// Each package is the folder of one, and can be imported. A process that has given its answer is ended at once.
import { readFileSync, writeSync } from "node:fs";
import { basename } from "node:path";
import { loadPyodide } from "pyodide";

const [program, ...packages] = process.argv.slice(2);
const pyodide = await loadPyodide();
for (const folder of packages) {
  const place = `/packages/${basename(folder)}`;
  pyodide.FS.mkdirTree(place);
  pyodide.FS.mount(pyodide.FS.filesystems.NODEFS, { root: folder }, place);
}
pyodide.globals.set("INPUT", readFileSync(0, "utf8"));
try {
  writeSync(1, pyodide.runPython(readFileSync(program, "utf8")));
} catch (error) {
  writeSync(2, String(error.message)); // not its stack: that has all of Pyodide in it, in one line
  process.exit(1);
}
process.exit(0);
