import { type DefinitionsRequest, isoTime } from '@valetkey/sdk/core'
import type { Store } from '../store/index.ts'

/** Notes what a server offers, as its point sees it now. Approving it, or not, is another matter: no revision changes. */
export async function noteDefinitions(
  store: Store,
  serverId: string,
  { definitions }: DefinitionsRequest,
  now: number,
): Promise<void> {
  await store.write(async tx => {
    for (const { kind, name, definition, description, inputSchema, annotations } of definitions) {
      if (name.includes('\0')) continue
      const seen = {
        definition,
        description: description?.replaceAll('\0', '') ?? null, // PostgreSQL has no text with U+0000 in it.
        inputSchema: inputSchema && JSON.stringify(inputSchema),
        annotations: annotations && JSON.stringify(annotations),
        seenAt: isoTime(now),
      }
      await tx
        .insertInto('seenDefinition')
        .values({ serverId, kind, name, ...seen })
        .onConflict(conflict => conflict.columns(['serverId', 'kind', 'name']).doUpdateSet(seen))
        .execute()
    }
  })
}
