import type { Server } from 'node:http'
import { AppError } from '@valetkey/sdk/core'

/** Binds a server to an address and says which port it got. */
export async function listen(server: Server, port: number, host: string): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', cause => {
      const why =
        (cause as NodeJS.ErrnoException).code === 'EADDRINUSE'
          ? 'is taken by another program'
          : 'cannot be used'
      reject(new AppError('config.invalid', `Port ${port} on ${host} ${why}. Choose another.`, { cause }))
    })
    server.listen(port, host, resolve)
  })
  const address = server.address()
  return typeof address === 'object' && address ? address.port : port
}
