import type { DefinitionsRequest, JsonObject } from '@valetkey/sdk/core'
import { AppError } from '@valetkey/sdk/core'
import { readOffer, type ServerOffer, toDefinitions } from '@valetkey/sdk/guard'
import type { Io } from '../../terminal/index.ts'

type Definition = DefinitionsRequest['definitions'][number]

/** What a server offers, in all eras of MCP that it speaks. */
export interface Offer {
  definitions: Definition[]
  capabilities: JsonObject
  warnings: string[]
}

/** Asks a server what it offers: as the current revision of MCP and as the one before, where it speaks both. */
export async function readOffers(
  io: Pick<Io, 'fetch'>,
  options: { url: string; headers: Record<string, string>; timeoutMs: number },
): Promise<Offer> {
  // A redirect would carry the header of the upstream to another place.
  const send = (request: Request) => io.fetch(new Request(request, { redirect: 'error' }))
  const newest = await readOffer({ ...options, send })
  if (newest.era === 'legacy') return merge([newest])
  const older = await readOffer({
    ...options,
    send: request => (isModern(request) ? refuse() : send(request)),
  }).catch(error => {
    if (error instanceof AppError && error.code === 'upstream.invalid') return undefined
    throw error
  })
  return merge(older ? [newest, older] : [newest])
}

/** The reader tries the current era first; answering for the server that it is not spoken shows the older one. */
function isModern(request: Request): boolean {
  return request.headers.get('mcp-protocol-version') === '2026-07-28'
}

function refuse(): Response {
  return Response.json(
    { jsonrpc: '2.0', id: null, error: { code: -32601, message: 'not asked' } },
    { status: 400 },
  )
}

function merge(offers: readonly ServerOffer[]): Offer {
  const byKey = new Map<string, Definition>()
  const warnings: string[] = []
  for (const definition of offers.flatMap(toDefinitions)) {
    const key = `${definition.kind}:${definition.name}`
    const known = byKey.get(key)
    if (!known) byKey.set(key, definition)
    else if (known.definition !== definition.definition)
      warnings.push(
        `${definition.name} is defined differently in the two eras of MCP; the current one is approved.`,
      )
  }
  const capabilities = Object.assign({}, ...offers.map(offer => offer.capabilities).reverse()) as JsonObject
  return { definitions: [...byKey.values()], capabilities, warnings: [...new Set(warnings)] }
}
