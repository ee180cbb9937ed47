// The board's flash: the VM's own file system, in which every change counts as one operation that a power cut can meet.
// Harsher than the board's littlefs, where a file changes when it is closed: here a cut leaves what was written so far.
const OURS = /^\/(dev|tmp|proc|home|bench)(\/|$)/;
const O_CREAT = 0o100, O_TRUNC = 0o1000, O_APPEND = 0o2000, O_ACCESS = 3;
const ENOSPC = 51; // as this VM numbers it

export class Flash {
  #taken = 0;

  // `cut()` says whether the power goes at this operation: before, torn, after or not. `off()` ends this life.
  constructor(fs, { capacity, cut, off, tell }) {
    Object.assign(this, { fs, capacity, cut, off, tell });
    this.full = false;
  }

  load(image) {
    for (const [path, data] of image) {
      this.fs.mkdirTree(path.slice(0, path.lastIndexOf('/')) || '/');
      if (data) this.fs.writeFile(path, data);
      else this.fs.mkdirTree(path);
      this.#taken += data ? data.length : 0;
    }
  }

  free() {
    return this.full ? 0 : Math.max(0, this.capacity - this.#taken);
  }

  // From now on changes are seen, and can be cut.
  watch() {
    const { fs } = this;
    this.#wrap('open', (plain, path, flags, ...more) => {
      const exists = fs.analyzePath(path).exists;
      const changes = (flags & O_ACCESS) !== 0 && (exists ? flags & O_TRUNC && fs.stat(path).size > 0 : flags & O_CREAT);
      if (!changes || OURS.test(this.#full(path))) return plain(path, flags, ...more);
      return this.#change({ do: 'empty', path: this.#full(path) }, () => plain(path, flags, ...more), exists ? -fs.stat(path).size : 0);
    });
    this.#wrap('write', (plain, stream, buffer, offset, length, position, ...more) => {
      const path = stream.path && fs.getPath(stream.node);
      if (!path || OURS.test(path)) return plain(stream, buffer, offset, length, position, ...more);
      return this.#write(plain, stream, path, buffer, offset, length, position, ...more);
    });
    // What will fail changes nothing, and is no operation.
    for (const [name, change] of [['unlink', 'remove'], ['rmdir', 'remove'], ['mkdir', 'mkdir']]) {
      this.#wrap(name, (plain, path, ...more) => {
        const { exists, object } = fs.analyzePath(path);
        if (exists === (change === 'mkdir') || OURS.test(this.#full(path))) return plain(path, ...more);
        const size = name === 'unlink' ? object.usedBytes : 0;
        return this.#change({ do: change, path: this.#full(path) }, () => plain(path, ...more), -size);
      });
    }
    this.#wrap('rename', (plain, from, to) => {
      if (!fs.analyzePath(from).exists) return plain(from, to);
      const replaced = fs.analyzePath(to).exists ? fs.stat(to).size : 0;
      return this.#change({ do: 'rename', path: this.#full(from), to: this.#full(to) }, () => plain(from, to), -replaced);
    });
  }

  #wrap(name, replacement) {
    const plain = this.fs[name].bind(this.fs);
    this.fs[name] = (...args) => replacement(plain, ...args);
  }

  #full(path) {
    return path.startsWith('/') ? path : `${this.fs.cwd() === '/' ? '' : this.fs.cwd()}/${path}`;
  }

  // What is told happened even if this life ends at once; what failed is not told.
  #change(change, apply, grows) {
    if (grows >= 0 && this.full) throw new this.fs.ErrnoError(ENOSPC);
    const part = this.cut();
    if (part === 'before' || part === 'torn') this.off();
    const result = apply();
    this.#taken += grows;
    this.tell(change);
    if (part === 'after') this.off();
    return result;
  }

  #write(plain, stream, path, buffer, offset, length, position, ...more) {
    const fits = Math.min(length, this.free());
    if (length && !fits) throw new this.fs.ErrnoError(ENOSPC);
    const part = this.cut();
    if (part === 'before') this.off();
    const count = part === 'torn' ? fits >> 1 : fits;
    const before = stream.node.usedBytes;
    const at = stream.flags & O_APPEND ? before : (position ?? stream.position);
    const written = count ? plain(stream, buffer, offset, count, position, ...more) : 0;
    this.#taken += stream.node.usedBytes - before;
    this.tell({ do: 'write', path, at, data: Uint8Array.from(buffer.subarray(offset, offset + written)) });
    if (part === 'torn' || part === 'after') this.off();
    return written;
  }
}

// The same change on the copy that outlives the VM: path -> bytes, null for a folder.
export function apply(image, { do: what, path, to, at, data }) {
  if (what === 'empty') image.set(path, Buffer.alloc(0));
  else if (what === 'mkdir') image.set(path, null);
  else if (what === 'remove') image.delete(path);
  else if (what === 'rename') {
    image.set(to, image.get(path));
    image.delete(path);
  } else {
    const old = image.get(path) ?? Buffer.alloc(0);
    const grown = Buffer.alloc(Math.max(old.length, at + data.length));
    old.copy(grown);
    grown.set(data, at);
    image.set(path, grown);
  }
}
