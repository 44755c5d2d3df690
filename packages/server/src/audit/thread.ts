import { Worker } from 'node:worker_threads'
import type { SqliteFile } from './sqlite-file.ts'

interface Pending {
  resolve(value: unknown): void
  reject(error: Error): void
}
type Answer = { id: number; value: unknown } | { id: number; error: { code?: string; message: string } }

/** A SqliteFile in a thread of its own. A thread that ends fails what waits for it; the next call starts another. */
export interface FileThread extends SqliteFile {
  /** The thread as it is now, for tests that end it. */
  worker(): Worker | undefined
}

export function startThread(path: string, access: 'write' | 'read'): FileThread {
  const pending = new Map<number, Pending>()
  let worker: Worker | undefined
  let lastId = 0
  let closed = false

  function start(): Worker {
    const started = new Worker(new URL('./worker.ts', import.meta.url), {
      workerData: { path, access },
      // Rows only pass through: a large nursery would hold memory for nothing.
      resourceLimits: { maxYoungGenerationSizeMb: 8 },
    })
    const fail = (error: Error) => {
      if (worker !== started) return
      worker = undefined
      for (const { reject } of pending.values()) reject(error)
      pending.clear()
    }
    started.on('message', (answer: Answer) => {
      const waiting = pending.get(answer.id)
      pending.delete(answer.id)
      if ('error' in answer) waiting?.reject(Object.assign(new Error(answer.error.message), answer.error))
      else waiting?.resolve(answer.value)
    })
    started.on('error', fail)
    started.on('exit', () => fail(new Error('The audit thread ended.')))
    return started
  }

  function call<T>(method: keyof SqliteFile, ...input: unknown[]): Promise<T> {
    if (closed) return Promise.reject(new Error('The audit store is closed.'))
    worker ??= start()
    const target = worker
    return new Promise<T>((resolve, reject) => {
      const id = ++lastId
      // What comes back is what the method of that name gave.
      pending.set(id, { resolve: value => resolve(value as T), reject })
      target.postMessage({ id, method, input })
    })
  }

  return {
    ingest: batch => call('ingest', batch),
    append: rows => call('append', rows),
    query: (text, parameters) => call('query', text, parameters),
    async close() {
      if (closed || !worker) {
        closed = true
        return
      }
      const ended = new Promise(resolve => worker?.once('exit', resolve))
      const answer = call<void>('close')
      closed = true
      await answer
      await ended
    },
    worker: () => worker,
  }
}
