import { ReadableStream } from 'node:stream/web'
import type { AdminApi, Parsed } from '@valetkey/sdk/contract'
import type { Audit } from '../open.ts'

type Evidence = AdminApi['evidence']
type Asking = { actor: { id: string } }

type Bundle = globalThis.ReadableStream<Uint8Array>

async function* toBytes(lines: AsyncIterable<string>): AsyncGenerator<Uint8Array> {
  for await (const text of lines) yield Buffer.from(text)
}

/** The operations of the admin API that prove what is on record. */
export function proofHandlers({ proof }: Pick<Audit, 'proof'>) {
  return {
    logs: (_ctx: unknown, input: Parsed<Evidence['logs']>) => proof.logs(input),
    async export({ actor }: Asking, input: Parsed<Evidence['export']>) {
      return ReadableStream.from(toBytes(await proof.export(input, actor.id))) as Bundle
    },
    receipt: (_ctx: unknown, { id }: Parsed<Evidence['receipt']>) => proof.receipt(id),
    erase: ({ actor }: Asking, input: Parsed<Evidence['erase']>) => proof.erase(input, actor.id),
    rotateKey: ({ actor }: Asking, input: Parsed<Evidence['rotateKey']>) => proof.rotateKey(input, actor.id),
  }
}
