// The shapes of Google's provider as a provider that Terraform speaks to: it knows what arguments and blocks there are,
// and makes nothing. It is not Google. Protocol 5 of Terraform's plugins: gRPC over HTTP/2, on a Unix socket.
//
//   node google_stub.mjs TABLE.json SOCKET     prints READY; ends when its input closes
import { readFileSync } from "node:fs";
import { createServer } from "node:http2";

const [table, socket] = process.argv.slice(2);
const { resources } = JSON.parse(readFileSync(table, "utf8"));

// Protobuf: numbers as varints, everything else with its length before it.
const varint = (number) => {
  const bytes = [];
  for (; number > 127; number = Math.floor(number / 128)) bytes.push((number % 128) | 128);
  return Buffer.from([...bytes, number]);
};
const whole = (field, number) => (number ? Buffer.concat([varint(field * 8), varint(number)]) : Buffer.alloc(0));
const bytes = (field, body) => {
  const data = Buffer.from(body);
  return Buffer.concat([varint(field * 8 + 2), varint(data.length), data]);
};
const message = (...parts) => Buffer.concat(parts);

function fields(data) {
  const found = {};
  const at = { place: 0 };
  const number = () => {
    let value = 0, factor = 1, byte;
    do { byte = data[at.place++]; value += (byte & 127) * factor; factor *= 128; } while (byte > 127);
    return value;
  };
  while (at.place < data.length) {
    const tag = number();
    if (tag % 8 === 0) found[tag >> 3] = number();
    else { const length = number(); found[tag >> 3] = data.subarray(at.place, (at.place += length)); }
  }
  return found;
}

// Schemas. An argument that is not required may also be known only later, as ids are.
const KINDS = { map: ["map", "string"], list: ["list", "string"], numberList: ["list", "number"] };
function attribute(name, kind, computed) {
  const required = kind.endsWith("!");
  const type = JSON.stringify(KINDS[kind.replace("!", "")] ?? kind.replace("!", ""));
  const marks = [whole(4, required), whole(5, !required && !computed.only), whole(6, !required && computed.also)];
  return bytes(2, message(bytes(1, name), bytes(2, type), ...marks));
}
function block(row) {
  const late = row.computed ?? [];
  return message(
    ...Object.entries(row.arguments).map(([name, kind]) => attribute(name, kind, { also: name === "id" && !!row.computed })),
    ...late.map((name) => attribute(name, "string", { only: true, also: true })),
    ...Object.entries(row.blocks).map(([name, inner]) =>
      bytes(3, message(bytes(1, name), bytes(2, block(inner)), whole(3, 2), whole(4, inner.least), whole(5, inner.most)))),
  );
}
const schema = (row) => message(bytes(2, block(row)));
const provider = { arguments: { project: "string", region: "string", zone: "string" }, blocks: {} };
const SCHEMAS = message(
  bytes(1, schema(provider)),
  ...Object.entries(resources).map(([name, row]) => bytes(2, message(bytes(1, name), bytes(2, schema(row))))),
);

// Values are msgpack. Of a resource's only the outermost map is looked at: what is null and comes later is unknown.
const NULL = 0xc0, UNKNOWN = Buffer.from([0xd4, 0, 0]);
function end(data, at) { // of the value that begins there
  const type = data[at];
  const many = (count, from) => { let place = from; for (let n = 0; n < count; n++) place = end(data, place); return place; };
  if (type <= 0x7f || type >= 0xe0 || (type >= 0xc0 && type <= 0xc3)) return at + 1;
  if (type <= 0x8f) return many(2 * (type & 15), at + 1);
  if (type <= 0x9f) return many(type & 15, at + 1);
  if (type <= 0xbf) return at + 1 + (type & 31);
  if (type === 0xc4 || type === 0xd9) return at + 2 + data[at + 1];
  if (type === 0xc5 || type === 0xda) return at + 3 + data.readUInt16BE(at + 1);
  if (type === 0xc7) return at + 3 + data[at + 1];
  if (type >= 0xca && type <= 0xd3) return at + 1 + [4, 8, 1, 2, 4, 8, 1, 2, 4, 8][type - 0xca];
  if (type >= 0xd4 && type <= 0xd8) return at + 2 + 2 ** (type - 0xd4);
  if (type === 0xdc) return many(data.readUInt16BE(at + 1), at + 3);
  if (type === 0xde) return many(2 * data.readUInt16BE(at + 1), at + 3);
  throw new Error(`msgpack ${type}`);
}
function outermost(data, change) {
  if (data[0] === NULL) return data;
  const [count, from] = data[0] === 0xde ? [data.readUInt16BE(1), 3] : [data[0] & 15, 1];
  const parts = [data.subarray(0, from)];
  for (let n = 0, at = from; n < count; n++) {
    const key = end(data, at), next = end(data, key);
    const name = data.subarray(data[at] === 0xd9 ? at + 2 : at + 1, key).toString();
    parts.push(data.subarray(at, key), change(name, data.subarray(key, next)));
    at = next;
  }
  return Buffer.concat(parts);
}
const isUnknown = (value) => value[0] === 0xc7 || (value[0] >= 0xd4 && value[0] <= 0xd8);
const text = (word) => Buffer.concat([Buffer.from([0xa0 + word.length]), Buffer.from(word)]);
const value = (field, data) => bytes(field, bytes(1, data));
const inside = (dynamic) => Buffer.from(fields(dynamic)[1]);
function planned(asked) {
  const late = new Set(["id", ...resources[asked[1].toString()].computed]);
  return outermost(inside(asked[3]), (name, one) => (one[0] === NULL && late.has(name) ? UNKNOWN : one));
}

const ANSWERS = {
  "/tfplugin5.Provider/GetSchema": () => SCHEMAS,
  "/tfplugin5.Provider/PrepareProviderConfig": (asked) => bytes(1, asked[1]),
  "/tfplugin5.Provider/ValidateResourceTypeConfig": () => message(),
  "/tfplugin5.Provider/Configure": () => message(),
  "/tfplugin5.Provider/UpgradeResourceState": (asked) => bytes(1, bytes(2, fields(asked[3])[1])),
  "/tfplugin5.Provider/ReadResource": (asked) => bytes(1, asked[2]),
  "/tfplugin5.Provider/PlanResourceChange": (asked) => value(1, planned(asked)),
  "/tfplugin5.Provider/ApplyResourceChange": (asked) =>
    value(1, outermost(inside(asked[3]), (name, one) => (isUnknown(one) ? text(`stub-${name}`.slice(0, 31)) : one))),
  "/grpc.health.v1.Health/Check": () => whole(1, 1),
};

const server = createServer();
server.on("stream", (stream, headers) => {
  const answer = ANSWERS[headers[":path"]];
  const head = { ":status": 200, "content-type": "application/grpc" };
  if (!answer) return stream.respond({ ...head, "grpc-status": "12" }, { endStream: true });
  const parts = [];
  stream.on("data", (part) => parts.push(part));
  stream.on("end", () => {
    const body = answer(fields(Buffer.concat(parts).subarray(5)));
    const length = Buffer.alloc(5);
    length.writeUInt32BE(body.length, 1);
    stream.respond(head, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    stream.end(Buffer.concat([length, body]));
  });
});
server.listen(socket, () => console.log("READY"));
process.stdin.on("end", () => process.exit(0)).resume();
