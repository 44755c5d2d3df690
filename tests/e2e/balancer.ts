import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

/** A port in front of several nodes that knows nothing of HTTP: each connection goes to the first node that takes it. */
export interface Balancer extends AsyncDisposable {
  /** New connections go to these ports, tried in this order; those there are stay where they are. */
  prefer(...ports: number[]): void
}

export async function startBalancer(port: number, ...ports: number[]): Promise<Balancer> {
  let order = ports
  const sockets = new Set<Socket>()
  const server = createServer(async client => {
    sockets.add(client)
    client.on('error', () => undefined).on('close', () => sockets.delete(client))
    const node = await reach(order)
    if (!node) return void client.destroy()
    node.on('error', () => undefined).on('close', () => client.destroy())
    client.on('close', () => node.destroy())
    client.pipe(node).pipe(client)
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return {
    prefer(...next) {
      order = next
    },
    async [Symbol.asyncDispose]() {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

async function reach(ports: number[]): Promise<Socket | undefined> {
  for (const port of ports) {
    const socket = connect(port, '127.0.0.1')
    const isThere = await once(socket, 'connect').then(
      () => true,
      () => false,
    )
    if (isThere) return socket
  }
  return undefined
}
