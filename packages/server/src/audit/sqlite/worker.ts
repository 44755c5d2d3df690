import { setPriority } from 'node:os'
import { parentPort, workerData } from 'node:worker_threads'
import { type FileSettings, openEvidenceFile } from './file.ts'
import { revive } from './revive.ts'

/** The thread that owns one connection: takes calls by name, one after the other, and answers each. */
const port = parentPort
if (!port) throw new Error('unreachable: started outside a worker')
const { isBackground, ...settings } = workerData as FileSettings & { isBackground: boolean }
if (isBackground) stepBack()
const file = openEvidenceFile(settings)

type Call = { [K in keyof typeof file]: { id: number; method: K; input: Parameters<(typeof file)[K]> } }
port.on('message', ({ id, method, input }: Call[keyof Call]) => {
  // The type of a call says that its input fits its method.
  const work = file[method] as (...input: unknown[]) => Promise<unknown>
  work(...(revive(input) as unknown[]))
    .then(
      value => port.postMessage({ id, value }),
      (error: { code?: string; message: string; stack?: string }) =>
        port.postMessage({ id, error: { code: error.code, message: error.message } }),
    )
    .finally(() => {
      if (method === 'close') port.close()
    })
    .catch(error => {
      throw error
    })
})

/** On Linux the priority is that of the thread alone: calls are answered before segments are built. */
function stepBack(): void {
  if (process.platform !== 'linux') return
  try {
    setPriority(15)
  } catch {
    // Not permitted: it builds at the same priority.
  }
}
