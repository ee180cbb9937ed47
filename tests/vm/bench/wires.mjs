// The board's network: real TCP and TLS to a broker, the only thing here that lives in real time. DNS and NTP answer
// from the world's tables. Errors carry the numbers and texts that lwIP and mbedTLS give on an ESP32.
import net from 'node:net';
import tls from 'node:tls';
import { X509Certificate, createPrivateKey } from 'node:crypto';
import { Talk } from './mqtt.mjs';
import { real } from './clock.mjs';
import { answer, NTP } from './udp.mjs';

const ECONNRESET = 104, ECONNREFUSED = 111, EHOSTUNREACH = 118, ETIMEDOUT = 116, NO_ADDRESS = -202;
const ALERT = [-30592, 'MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE'];
const CLOSED = [-29312, 'MBEDTLS_ERR_SSL_CONN_EOF'];
const NOT_OURS = 'The certificate is not correctly signed by the trusted CA\n';
const OTHER_NAME = 'The certificate Common Name (CN) does not match with the expected CN\n';
const TOO_EARLY = 'The certificate validity starts in the future\n';
const TOO_LATE = 'The certificate validity has expired\n';
const BY_OUR_CLOCK = ['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID', undefined, null];

export class Wires {
  #wires = new Map();
  #contexts = [];
  #datagrams = new Map();
  #nextId = 1;
  #changed = () => {};
  given = 0; // how often the board has given the world something: a connection, bytes, its end, a question
  touched = false; // since somebody last looked whether everything has come to rest
  onChange = () => {}; // the VM's: something is there to read, or over
  onArrival = () => {}; // this machine's: the same

  constructor({ clock, memory, world, tell, unixUs }) {
    Object.assign(this, { clock, memory, world, tell, unixUs });
  }

  // What the board waits for in real time, for a person; empty if nothing.
  busy() {
    return [...this.#wires.values()].flatMap((wire) => (wire.lost || !wire.socket ? [] : wire.state === 0 ? ['a connection'] : wire.talk.waiting()));
  }

  any() {
    return this.#wires.size > 0;
  }

  change() {
    return new Promise((resolve) => (this.#changed = resolve));
  }

  // Without Wi-Fi nothing crosses any more, and neither side is told.
  loseAll() {
    for (const wire of this.#wires.values()) wire.lost = true;
  }

  endAll() {
    for (const wire of this.#wires.values()) wire.socket?.destroy();
  }

  // What the VM calls. Bytes cross by address.

  context() {
    return this.#contexts.push({ verify: 0 }) - 1;
  }

  verify(id, mode) {
    this.#contexts[id].verify = mode;
  }

  // Gives 0, or which of the two cannot be read: 1 the certificate, 2 the key.
  chain(id, certificate, certificateSize, key, keySize) {
    const context = this.#contexts[id];
    try {
      context.cert = pem(this.#bytes(certificate, certificateSize));
    } catch {
      return 1;
    }
    try {
      context.key = keyPem(this.#bytes(key, keySize));
    } catch {
      return 2;
    }
    return 0;
  }

  trust(id, at, size) {
    try {
      this.#contexts[id].ca = pem(this.#bytes(at, size));
    } catch {
      return 1;
    }
    return 0;
  }

  connect(host, port, context, name) {
    const id = this.#nextId++;
    const wire = { state: 0, data: Buffer.alloc(0), ended: false, lost: false, talk: new Talk(this.tell) };
    this.#wires.set(id, wire);
    this.touched = true;
    this.given++;
    const mode = this.world.wifi ? this.world.network : 'unreachable';
    const refusal = { refused: [ECONNREFUSED, 'ECONNREFUSED'], unreachable: [EHOSTUNREACH, 'EHOSTUNREACH'] }[mode];
    if (refusal) this.clock.after(1000, () => this.#fail(id, wire, refusal));
    else if (mode === 'silent') wire.lost = true;
    else this.#dial(id, wire, host, port, context < 0 ? null : this.#contexts[context], name);
    return id;
  }

  state(id) {
    return this.#wires.get(id)?.state ?? 2;
  }

  errorNumber(id) {
    return this.#wires.get(id)?.error?.[0] ?? ECONNRESET;
  }

  errorText(id) {
    return this.#wires.get(id)?.error?.[1] ?? 'ECONNRESET';
  }

  available(id) {
    return this.#wires.get(id)?.data.length ?? 0;
  }

  ended(id) {
    return this.#wires.get(id)?.ended ?? true;
  }

  take(id, at, size) {
    const wire = this.#wires.get(id);
    this.memory().set(wire.data.subarray(0, size), at);
    wire.data = wire.data.subarray(size);
  }

  send(id, at, size) {
    const wire = this.#wires.get(id);
    if (!wire || wire.ended) return ECONNRESET;
    if (wire.lost) return 0;
    this.touched = true;
    this.given++;
    const bytes = this.#bytes(at, size);
    wire.talk.up(bytes);
    wire.socket.write(bytes);
    return 0;
  }

  close(id) {
    const wire = this.#wires.get(id);
    if (!wire) return;
    this.touched = true;
    this.given++;
    this.#wires.delete(id);
    if (wire.lost) return; // the other side hears of nothing
    this.tell('closed');
    wire.socket?.destroy();
  }

  sendDatagram(host, port, at, size) {
    if (!this.world.wifi) return -EHOSTUNREACH;
    this.given++;
    const id = this.#nextId++;
    const said = answer(this.world, host, port, this.#bytes(at, size), this.unixUs() + this.clock.us);
    if (said) this.clock.after(20_000, () => this.#datagrams.set(id, said));
    if (said && port === NTP) this.tell('time told');
    return id;
  }

  // Gives the size of the answer, 0 if none is there.
  takeDatagram(id, at, size) {
    const said = this.#datagrams.get(id);
    if (!said) return 0;
    this.#datagrams.delete(id);
    this.memory().set(said.subarray(0, size), at);
    return Math.min(size, said.length);
  }

  // A call that blocks, as the board's own: gives the address, or an error number below zero.
  resolve(host) {
    const found = this.world.wifi && lookUp(this.world, host);
    if (!found) this.clock.spend(this.world.dns_timeout_s * 1e6);
    return found || String(NO_ADDRESS);
  }

  #dial(id, wire, host, port, context, name) {
    const options = { host, port, noDelay: true };
    if (!context) wire.socket = net.connect(options, () => this.#open(wire));
    else {
      const secure = { ca: context.ca ?? [], cert: context.cert, key: context.key, servername: net.isIP(name) ? undefined : name };
      try {
        wire.socket = tls.connect({ ...options, ...secure, rejectUnauthorized: false, maxVersion: 'TLSv1.2', checkServerIdentity: (_host, cert) => tls.checkServerIdentity(name, cert) });
      } catch {
        this.clock.after(1000, () => this.#fail(id, wire, ALERT)); // a key that is not the certificate's
        return;
      }
      wire.socket.once('secureConnect', () => this.#judge(id, wire, context));
    }
    wire.socket.on('data', (data) => this.#arrive(wire, data));
    wire.socket.on('error', (error) => this.#fail(id, wire, translate(error)));
    wire.socket.on('close', () => this.#fail(id, wire, wire.state ? [ECONNRESET, 'ECONNRESET'] : CLOSED));
  }

  // By the board's own rules and clock, not by this machine's.
  #judge(id, wire, context) {
    const why = context.verify === 2 ? this.#fault(wire.socket) : '';
    if (!why) return this.#open(wire);
    this.#fail(id, wire, [0, why]);
    wire.socket.destroy();
  }

  #fault(socket) {
    const { authorizationError: found } = socket;
    const code = found?.code ?? found;
    if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return OTHER_NAME;
    if (!BY_OUR_CLOCK.includes(code)) return NOT_OURS;
    const { valid_from: from, valid_to: to } = socket.getPeerCertificate();
    const now = this.world.certificate_time === 'real' ? real.date() : this.clock.wallUnixUs() / 1000;
    if (now < Date.parse(from)) return TOO_EARLY;
    return now > Date.parse(to) ? TOO_LATE : '';
  }

  #open(wire) {
    wire.state = 1;
    this.#wake();
  }

  #arrive(wire, data) {
    if (wire.lost || wire.state !== 1) return;
    wire.data = Buffer.concat([wire.data, data]);
    wire.talk.down(data);
    this.#wake();
  }

  #fail(id, wire, error) {
    if (wire.ended || wire.lost) return;
    if (wire.state === 0) wire.state = 2;
    wire.ended = true;
    wire.error = error;
    wire.talk = new Talk(this.tell);
    if (this.#wires.has(id)) this.tell('lost', error[1].trim());
    this.#wake();
  }

  #wake() {
    this.touched = true;
    this.onChange();
    this.onArrival();
    this.#changed();
  }

  #bytes(at, size) {
    return Buffer.from(this.memory().subarray(at, at + size));
  }
}

function lookUp(world, host) {
  return net.isIP(host) ? host : world.dns[host];
}

function translate(error) {
  if (error.code === 'ECONNREFUSED') return [ECONNREFUSED, 'ECONNREFUSED'];
  if (error.code === 'ETIMEDOUT') return [ETIMEDOUT, 'ETIMEDOUT'];
  return error.code?.includes('ALERT') || error.code?.startsWith('ERR_SSL') ? ALERT : [ECONNRESET, 'ECONNRESET'];
}

// The certificate as PEM; throws what is none.
function pem(bytes) {
  return new X509Certificate(bytes).toString();
}

function keyPem(bytes) {
  const isPem = bytes.includes('-----BEGIN');
  const key = isPem ? createPrivateKey(bytes) : createPrivateKey({ key: bytes, format: 'der', type: 'sec1' });
  return key.export({ type: 'pkcs8', format: 'pem' });
}
