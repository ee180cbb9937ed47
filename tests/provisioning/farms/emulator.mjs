// A database of a cloud's on loopback, for tests: `firestore` or `dynamodb`. Prints its port as one line; ends when
// standard input closes, so it never outlives the test.
import { ServerCredentials } from '@grpc/grpc-js'

const servers = {
  firestore: async (ready) => {
    const { FirestoreServer } = await import('@firestore-emulator/server')
    const server = new FirestoreServer()
    replaceWhole(server.state)
    // Its own `start` listens on every address, and does not say at which port.
    server.server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
      if (error) throw error
      ready(port)
    })
  },
  dynamodb: async (ready) => {
    const { default: dynalite } = await import('dynalite')
    const server = dynalite({ createTableMs: 0 })
    server.listen(0, '127.0.0.1', () => ready(server.address().port))
  }
}

// A `set` without a mask replaces the document; the emulator keeps the fields that the new one lacks.
function replaceWhole (state) {
  const write = state.writeV1Document.bind(state)
  state.writeV1Document = (date, one) => {
    if (one.has_update && !one.has_update_mask && !one.has_current_document) {
      state.getDocument(one.update.name).fields = {}
    }
    return write(date, one)
  }
}

await servers[process.argv[2]]((port) => console.log(port))
process.stdin.on('close', () => process.exit(0)).resume()
