// The embedded broker: plain MQTT on loopback, behind the gate, which has judged everything that arrives here.
// Prints its port as one line; ends when standard input closes, so it never outlives the gate.
import net from 'node:net'
import { Aedes } from 'aedes'

const broker = await Aedes.createBroker({
  concurrency: 0, // unlimited: with a limit, one stalled subscriber overflows the call stack
  drainTimeout: 10000, // and with this it is cut off
  connectTimeout: 10000,
  maxClientsIdLength: 128,
  // aedes would grant a shared subscription and deliver nothing on it
  authorizeSubscribe: (client, subscription, done) =>
    done(null, subscription.topic.startsWith('$share/') ? null : subscription)
})

const server = net.createServer({ noDelay: true }, broker.handle)
server.listen(0, '127.0.0.1', () => console.log(server.address().port))
process.stdin.on('close', () => process.exit(0)).resume()
