import { parentPort, workerData } from 'node:worker_threads'
import { openSqliteFile } from './sqlite-file.ts'

/** The thread that owns one connection: takes calls of SqliteFile by name, one after the other, and answers each. */
const port = parentPort
if (!port) throw new Error('unreachable: started outside a worker')
const { path, access } = workerData as { path: string; access: 'write' | 'read' }
const file = openSqliteFile(path, access)

type Call = { [K in keyof typeof file]: { id: number; method: K; input: Parameters<(typeof file)[K]> } }
port.on('message', ({ id, method, input }: Call[keyof Call]) => {
  // The type of a call says that its input fits its method.
  const work = file[method] as (...input: unknown[]) => Promise<unknown>
  work(...input)
    .then(
      value => port.postMessage({ id, value }),
      (error: { code?: string; message: string }) =>
        port.postMessage({ id, error: { code: error.code, message: error.message } }),
    )
    .finally(() => {
      if (method === 'close') port.close()
    })
    .catch(error => {
      throw error
    })
})
