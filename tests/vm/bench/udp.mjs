// What answers the board's datagrams: a name server and a time server, from the world's tables.
export const DNS = 53, NTP = 123;
const NTP_TO_UNIX = 2208988800;

// The answer, or nothing: then nobody answers.
export function answer(world, host, port, question, unixUs) {
  if (port === DNS) return world.name_server ? names(world, question) : null;
  if (port === NTP) return world.time_server ? time(question, unixUs + world.time_server_off_s * 1e6) : null;
  return null;
}

function names(world, question) {
  let at = 12;
  const labels = [];
  while (question[at]) {
    labels.push(question.toString('latin1', at + 1, at + 1 + question[at]));
    at += question[at] + 1;
  }
  const address = world.dns[labels.join('.')];
  const head = Buffer.from(question.subarray(0, 12));
  head.writeUInt16BE(address ? 0x8180 : 0x8183, 2);
  head.writeUInt16BE(address ? 1 : 0, 6);
  const asked = question.subarray(12, at + 5);
  if (!address) return Buffer.concat([head, asked]);
  return Buffer.concat([head, asked, Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, ...address.split('.').map(Number)])]);
}

function time(question, unixUs) {
  const said = Buffer.alloc(48);
  said[0] = 0x24; // version 4, server
  said[1] = 2;
  question.copy(said, 24, 40, 48);
  const seconds = Math.floor(unixUs / 1e6) + NTP_TO_UNIX;
  said.writeUInt32BE(seconds % 2 ** 32, 32);
  said.writeUInt32BE(seconds % 2 ** 32, 40);
  return said;
}
