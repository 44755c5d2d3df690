import type { Server } from 'node:http'
import { AppError } from '@valetkey/sdk/core'
import { envName } from './config.ts'
import type { SettingName } from './settings.ts'

/** Binds a server to an address and says which port it got. `setting` is what to change where that fails. */
export async function listen(
  server: Server,
  { port, host, setting }: { port: number; host: string; setting: SettingName },
): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', cause => {
      const why = WHY[(cause as NodeJS.ErrnoException).code ?? ''] ?? 'cannot be used'
      reject(
        new AppError(
          'config.invalid',
          `Port ${port} on ${host} ${why}. Choose another ${setting} (${envName(setting)}).`,
          { cause, path: setting },
        ),
      )
    })
    server.listen(port, host, resolve)
  })
  const address = server.address()
  return typeof address === 'object' && address ? address.port : port
}

const WHY: Record<string, string> = {
  EADDRINUSE: 'is taken by another program',
  EACCES: 'is only for the administrator of the machine',
  EADDRNOTAVAIL: 'is not an address of this machine',
}
