// Watches the plain bytes of one MQTT connection, to know what the board still waits for, and what was said when.
const CONNECT = 1, CONNACK = 2, PUBLISH = 3, PUBACK = 4, SUBSCRIBE = 8, SUBACK = 9, PINGREQ = 12, PINGRESP = 13;
const ANSWERED_BY = { [CONNECT]: CONNACK, [SUBSCRIBE]: SUBACK, [PINGREQ]: PINGRESP };

export class Talk {
  #asked = new Map(); // what waits for an answer: key -> text for a person
  #up = new Splitter();
  #down = new Splitter();

  constructor(tell) {
    this.tell = tell;
  }

  waiting() {
    return [...this.#asked.values()];
  }

  up(bytes) {
    for (const { kind, head, body } of this.#up.feed(bytes)) {
      if (kind === PUBLISH) {
        const { topic, id, payload } = readPublish(head, body);
        if (id) this.#asked.set(`${PUBACK}:${id}`, `PUBACK ${id}`);
        this.tell('out', topic, payload.toString());
      } else if (kind === PUBACK) this.tell('took', body.readUInt16BE(0));
      else if (ANSWERED_BY[kind]) this.#asked.set(keyOf(ANSWERED_BY[kind], body), `an answer to packet type ${kind}`);
    }
  }

  down(bytes) {
    for (const { kind, head, body } of this.#down.feed(bytes)) {
      if (kind === PUBLISH) {
        const { topic, id, payload } = readPublish(head, body);
        this.tell('in', topic, payload.toString(), id);
      } else this.#asked.delete(kind === PUBACK ? `${PUBACK}:${body.readUInt16BE(0)}` : keyOf(kind, body));
      if (kind === SUBACK) this.tell('online');
      if (kind === PUBACK) this.tell('acked', body.readUInt16BE(0));
    }
  }
}

const keyOf = (kind, body) => (kind === SUBACK ? `${kind}:${body.readUInt16BE(0)}` : `${kind}`);

function readPublish(head, body) {
  const size = body.readUInt16BE(0);
  const hasId = (head & 6) !== 0;
  const id = hasId ? body.readUInt16BE(2 + size) : 0;
  return { topic: body.toString('utf8', 2, 2 + size), id, payload: body.subarray(2 + size + (hasId ? 2 : 0)) };
}

class Splitter {
  #rest = Buffer.alloc(0);

  *feed(bytes) {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    for (;;) {
      let length = 0, at = 1, shift = 0;
      do {
        if (at >= this.#rest.length) return;
        length |= (this.#rest[at] & 127) << shift;
        shift += 7;
      } while (this.#rest[at++] & 128);
      if (this.#rest.length < at + length) return;
      const head = this.#rest[0], body = this.#rest.subarray(at, at + length);
      this.#rest = this.#rest.subarray(at + length);
      yield { kind: head >> 4, head, body };
    }
  }
}
