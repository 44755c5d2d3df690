import { prepareQuery, type Store } from '../../store/index.ts'
import type { ClaimPatterns } from './claim-rules.ts'

/** An issuer whose word an organization takes. */
export interface Issuer {
  readonly id: string
  readonly organization: string
  readonly kind: 'enterprise' | 'workload'
  readonly issuer: string
  readonly jwksUri: string | null
  readonly jwks: string | null
  readonly reusable: boolean
  readonly byEmail: boolean
  readonly tenant: string | null
}

/** Which workload of an issuer is which agent. */
export interface Rule {
  readonly agent: string
  readonly credential: string
  readonly claims: ClaimPatterns
}

const findRows = prepareQuery((db, { issuer, kind }: { issuer: string; kind: string }) =>
  db
    .selectFrom('trustedIssuer')
    .innerJoin('organization', 'organization.id', 'trustedIssuer.organizationId')
    .selectAll('trustedIssuer')
    .where('issuer', '=', issuer)
    .where('kind', '=', kind as Issuer['kind'])
    .where('organization.status', '=', 'active')
    .orderBy('trustedIssuer.id'),
)

/** Every organization's trust in an issuer. Nothing of it is kept: trust that has ended a moment ago is gone. */
export async function findIssuers({ db }: Store, issuer: string, kind: Issuer['kind']): Promise<Issuer[]> {
  const rows = await findRows(db, { issuer, kind })
  return rows.map(({ id, organizationId: organization, kind, issuer, jwksUri, jwks, tenant, ...flags }) => ({
    ...{ id, organization, kind, issuer, jwksUri, jwks, tenant },
    reusable: flags.reusable === 1,
    byEmail: flags.byEmail === 1,
  }))
}

const findRules = prepareQuery((db, { issuer }: { issuer: string }) =>
  db
    .selectFrom('trustedIssuerRule')
    .select(['agentId', 'claims', 'credentialId'])
    .where('issuerId', '=', issuer),
)

export async function rulesOf({ db }: Store, { id }: Issuer): Promise<Rule[]> {
  const rows = await findRules(db, { issuer: id })
  return rows.map(({ agentId: agent, claims, credentialId: credential }) => ({
    ...{ agent, credential },
    claims: JSON.parse(claims) as ClaimPatterns,
  }))
}
