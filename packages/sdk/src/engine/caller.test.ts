import fc from 'fast-check'
import { expect, test } from 'vitest'
import { CATALOGUE, type CatalogueOp, type OrganizationOp } from '../core/index.ts'
import { type Caller, createSnapshot, type DecisionRequest, decide } from './index.ts'

const T0 = 1_800_000_000_000
const ORG = 'org_1'

/** What there may be, in each form that it may have; a fact that is not there is null. */
const server = (id: string) => (status: 'active' | 'frozen') => ({
  ...{ id, name: id, url: `https://${id}/mcp`, mode: 'enforce' as const },
  status,
})
const principal =
  (id: string, seq: number, kind: 'user' | 'agent') => (status: 'active' | 'suspended' | 'retired') => ({
    ...{ id, seq, kind, name: id },
    status,
  })
const agent =
  (id: string) =>
  (owner: string, ceiling = ['p:*', 'q:*']) => ({
    ...{ id, principal: id, owner, kind: 'both' as const },
    ceiling,
  })
const credential = (id: string, of: string) => (expiresAt: number | null) => ({ id, agent: of, expiresAt })
const grant = (more: object) => ({
  ...{
    id: 'gnt_1',
    agent: 'agt_1',
    person: 'usr_2',
    scopes: ['p:*', 'q:*'],
    resources: [1],
    expiresAt: null,
  },
  ...more,
})
const link = (more: object) => ({
  ...{ id: 'lnk_1', from: 'agt_1', to: 'agt_2', parent: null, grant: 'gnt_1', credential: 'crd_1' },
  ...{ scopes: ['p:*'], resources: [1], condition: null, hops: 0, expiresAt: T0 + 50 },
  ...more,
})

const catalogueForms: Record<string, readonly (object | null)[]> = {
  'server srv_1': [server('srv_1')('active'), server('srv_1')('frozen'), null],
  'server srv_2': [server('srv_2')('active'), server('srv_2')('frozen')],
  'signing_key key_1': [{ id: 'key_1', alg: 'ES256', publicJwk: {} }, null],
}
const organizationForms: Record<string, readonly (object | null)[]> = {
  'organization org_1': (['active', 'frozen'] as const).map(status => ({ id: ORG, slug: 'o', status })),
  'principal usr_1': [
    principal('usr_1', 1, 'user')('active'),
    principal('usr_1', 1, 'user')('retired'),
    null,
  ],
  'principal usr_2': [
    principal('usr_2', 2, 'user')('active'),
    principal('usr_2', 2, 'user')('suspended'),
    null,
  ],
  'principal agt_1': [principal('agt_1', 3, 'agent')('active'), principal('agt_1', 3, 'agent')('suspended')],
  'principal agt_2': [principal('agt_2', 4, 'agent')('active'), principal('agt_2', 4, 'agent')('retired')],
  'agent agt_1': [
    agent('agt_1')('usr_1'),
    agent('agt_1')('usr_2'),
    agent('agt_1')('usr_1', ['p:*']),
    agent('agt_1')('usr_1', ['q:*']),
    null,
  ],
  'agent agt_2': [agent('agt_2')('usr_1')],
  'credential crd_1': [null, T0 + 20, T0 - 1]
    .map(end => credential('crd_1', 'agt_1')(end))
    .concat(null as never),
  'credential crd_2': [credential('crd_2', 'agt_2')(null), null],
  'grant gnt_1': [
    grant({ expiresAt: T0 + 30 }),
    grant({}),
    grant({ person: 'usr_1' }),
    grant({ server: 'srv_2' }),
    grant({ agent: 'agt_2' }),
    grant({ scopes: [] }),
    grant({ scopes: ['q:*'], elevated: { 'p:read': T0 + 25 } }),
    null,
  ],
  'link lnk_1': [link({}), link({ grant: null }), link({ expiresAt: T0 + 10 }), null],
  'revoked_token jti_1': [null, { id: 'jti_1', expiresAt: T0 + 60 }],
}

function opOf<Op>(key: string, value: object | null | undefined): Op {
  const [fact, id] = key.split(' ')
  return { fact, id, value: value ?? null } as Op
}

/** A tool for each, on either server. */
const PERMISSIONS = ['p:read', 'q:read']
const rest: CatalogueOp[] = [
  ...PERMISSIONS.map((slug, bit): CatalogueOp => {
    const value = {
      id: `prm_${bit}`,
      slug,
      type: 'organization',
      bit,
      risk: 'read',
      condition: null,
    } as const
    return { fact: 'permission', id: value.id, value }
  }),
  {
    fact: 'role',
    id: 'rol_1',
    value: { id: 'rol_1', slug: 'r', type: 'organization', permissions: PERMISSIONS },
  },
]
const tools = ['srv_1', 'srv_2'].flatMap(of =>
  PERMISSIONS.map((permission): CatalogueOp => {
    const id = `tol_${of}_${permission}`
    const value = {
      ...({ id, server: of, kind: 'prompt', name: permission, permission, definition: null } as const),
      ...({ inputSchema: null, resource: null, condition: null, risk: 'read', mode: null } as const),
    }
    return { fact: 'tool', id, value }
  }),
)
const given = [2, 3, 4].map((who): OrganizationOp => {
  const value = { id: `asg_${who}`, principal: who, resource: 1, role: 'rol_1', source: 'direct' } as const
  return { fact: 'assignment', id: value.id, value: { ...value, expiresAt: null, createdBy: 'usr_1' } }
})

const callers: Caller[] = [
  { agent: 'agt_1', credential: 'crd_1', person: null, grant: null, chain: [] },
  { agent: 'agt_1', credential: 'crd_1', person: 'usr_2', grant: 'gnt_1', chain: [] },
  { agent: 'agt_1', credential: 'crd_1', person: 'usr_2', grant: 'gnt_1', chain: [], scopes: ['p:*'] },
  { agent: 'agt_2', credential: 'crd_2', person: 'usr_2', grant: 'gnt_1', chain: ['lnk_1'] },
  { agent: 'agt_2', credential: 'crd_2', person: null, grant: null, chain: ['lnk_1'], key: 'key_2' },
].map(who => ({
  ...{
    organization: ORG,
    client: 'c',
    token: 'jti_1',
    key: 'key_1',
    scopes: ['p:*', 'q:*'],
    expiresAt: T0 + 40,
  },
  ...who,
}))

const keys = [...Object.keys(catalogueForms), ...Object.keys(organizationForms)]
const step = fc.record({
  key: fc.constantFrom(...keys),
  form: fc.nat(6),
  how: fc.constantFrom(
    'apply',
    'apply',
    'apply',
    'load',
    'drop',
    ...Array.from({ length: 6 }, () => 'nothing'),
  ),
  // Just before something ends, just when it does, and long after.
  now: fc.constantFrom(...[0, 9, 10, 19, 20, 24, 25, 29, 30, 39, 40, 60].map(ms => T0 + ms)),
  server: fc.constantFrom('srv_1', 'srv_2'),
})

test('a caller that calls again and again is decided as one that was never seen before, whatever changes and in whatever order time is asked about', () => {
  const reasons = new Set<string>()
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 40 }), steps => {
      const forms = new Map([...Object.entries(catalogueForms), ...Object.entries(organizationForms)])
      const now = new Map(keys.map(key => [key, forms.get(key)?.[0]]))
      const snapshot = createSnapshot()
      const opsOf = <Op>(of: object) => Object.keys(of).map(key => opOf<Op>(key, now.get(key)))
      const load = (part: string) =>
        part === CATALOGUE
          ? snapshot.load({
              ...{ organization: CATALOGUE, revision: snapshot.catalogue.revision },
              ops: [...opsOf<CatalogueOp>(catalogueForms).filter(op => op.value), ...rest, ...tools],
            })
          : snapshot.load({
              ...{ organization: ORG, revision: snapshot.revisionOf(ORG) ?? 1 },
              ops: [
                ...opsOf<OrganizationOp>(organizationForms).filter(op => op.value),
                { fact: 'resource', id: '1', value: { type: 'organization', rows: [[1, 'o', null]] } },
                ...given,
              ],
            })
      load(CATALOGUE)
      load(ORG)
      const known = callers.map(caller => ({ ...caller }))
      for (const { key, form, how, now: at, server: of } of steps) {
        const part = key in catalogueForms ? CATALOGUE : ORG
        const value = forms.get(key)?.[form % (forms.get(key)?.length ?? 1)]
        if (how === 'drop') snapshot.drop(ORG)
        else if (how !== 'nothing') now.set(key, value)
        const revision = (snapshot.revisionOf(part) ?? 0) + 1
        if (how === 'apply')
          snapshot.apply({ organization: part, revision, ops: [opOf(key, value)] } as never)
        if (how === 'load') load(part)
        // With an index made anew, too: nothing may hang on there either.
        const fresh = snapshot.fork(ORG)
        for (const [n, caller] of known.entries()) {
          for (const name of PERMISSIONS) {
            const ask = (who: Caller): DecisionRequest => ({
              ...{ id: 'dec_1', now: at, server: of, caller: who },
              action: { kind: 'prompt', name, arguments: {}, definition: null },
            })
            const again = decide(ask(caller), snapshot)
            expect(again).toEqual(decide(ask({ ...(callers[n] as Caller) }), fresh))
            reasons.add(again.reason)
          }
        }
      }
    }),
    { numRuns: 300 },
  )
  // Else it would have been a test of nothing.
  for (const reason of [
    'permitted',
    'frozen',
    'revoked',
    'suspended',
    'stale',
    'scope_missing',
    'agent_ceiling',
    'delegation_expired',
  ])
    expect(reasons).toContain(reason)
})
