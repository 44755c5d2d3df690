import type { CatalogueOp } from '../../packages/sdk/src/core/index.ts'
import type { Caller, DecisionRequest } from '../../packages/sdk/src/engine/index.ts'
import { findResource, parseRef } from '../../packages/sdk/src/engine/naming.ts'
import { ORGANIZATION } from './facts.ts'
import type { Stage } from './run.ts'

/** The number of a resource. */
export const seqOf = ({ view }: Stage, resource: string) => {
  const ref = parseRef(resource)
  return ref ? findResource(view, ref.type, ref.id) : 0
}

/** A server with a tool for every permission, on the resource that its argument names. */
export function toolsOf({ schema }: Stage): CatalogueOp[] {
  const server = {
    id: 'srv_1',
    name: 's',
    url: 'https://s/mcp',
    mode: 'enforce' as const,
    status: 'active' as const,
  }
  return [
    { fact: 'server', id: 'srv_1', value: server },
    ...schema.permissions.map(
      ({ slug, type }): CatalogueOp => ({
        fact: 'tool',
        id: `tol_${slug}`,
        value: {
          id: `tol_${slug}`,
          server: 'srv_1',
          kind: 'tool',
          name: slug,
          permission: slug,
          definition: 'sha256-a',
          inputSchema: { type: 'object', properties: { id: { type: 'string' } }, required: ['id'] },
          resource: `${type}/{args.id}`,
          condition: null,
          risk: 'read',
          mode: null,
        },
      }),
    ),
  ]
}

/** A call of the tool for a permission, on a resource, by whoever it is that calls. */
export function requestOn(
  { world }: Stage,
  permission: string,
  resource: string,
  who: Partial<Caller>,
): DecisionRequest {
  return {
    id: 'dec_1',
    now: world.now,
    server: 'srv_1',
    caller: {
      ...{
        organization: ORGANIZATION,
        agent: '',
        credential: '',
        client: 'client',
        token: 'jti',
        scopes: [],
      },
      ...{ expiresAt: world.now + 10 ** 9, person: null, grant: null, chain: [] },
      ...who,
    },
    action: {
      kind: 'tool',
      name: permission,
      arguments: { id: parseRef(resource)?.id ?? '' },
      definition: 'sha256-a',
    },
  }
}
