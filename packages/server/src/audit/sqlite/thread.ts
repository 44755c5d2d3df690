import { Worker } from 'node:worker_threads'
import type { EvidenceFile, FileSettings } from './file.ts'
import { revive } from './revive.ts'

interface Pending {
  resolve(value: unknown): void
  reject(error: Error): void
}
type Answer = { id: number; value: unknown } | { id: number; error: { code?: string; message: string } }

/** An EvidenceFile in a thread of its own. A thread that ends fails what waits for it; the next call starts another. */
export interface FileThread extends EvidenceFile {
  /** The thread as it is now, for tests that end it. */
  worker(): Worker | undefined
}

/** `isBackground` lets everything else go first. */
export function startThread(settings: FileSettings & { isBackground?: boolean }): FileThread {
  const { access, isBackground } = settings
  const pending = new Map<number, Pending>()
  let worker: Worker | undefined
  let lastId = 0
  let closed = false

  function start(): Worker {
    const started = new Worker(new URL('./worker.ts', import.meta.url), {
      workerData: settings,
      // Rows only pass through: what a shipment takes should die young, and more would hold memory for nothing. Who only
      // answers questions has never much in its hands.
      resourceLimits: { maxYoungGenerationSizeMb: access === 'write' || isBackground ? 24 : 3 },
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
      else waiting?.resolve(revive(answer.value))
    })
    started.on('error', fail)
    started.on('exit', () => fail(new Error('The audit thread ended.')))
    return started
  }

  function call<T>(method: keyof EvidenceFile, ...input: unknown[]): Promise<T> {
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
    ingest: batches => call('ingest', batches),
    append: entries => call('append', entries),
    missing: () => call('missing'),
    grow: () => call('grow'),
    logs: names => call('logs', names),
    keepNotes: notes => call('keepNotes', notes),
    anchors: log => call('anchors', log),
    tile: (log, level, number) => call('tile', log, level, number),
    entries: (log, from, to) => call('entries', log, from, to),
    erase: erasure => call('erase', erasure),
    expireInHeads: expiries => call('expireInHeads', expiries),
    expiring: expiries => call('expiring', expiries),
    rebuild: (segment, expiries) => call('rebuild', segment, expiries),
    replace: rebuilt => call('replace', rebuilt),
    beginGeneration: name => call('beginGeneration', name),
    ask: question => call('ask', question),
    summarize: question => call('summarize', question),
    lookUp: id => call('lookUp', id),
    waitingHeads: () => call('waitingHeads'),
    build: head => call('build', head),
    publish: built => call('publish', built),
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
