import {
  type AgentFact,
  type AssignmentFact,
  type AuthorizationDetail,
  boundsOf,
  type CredentialFact,
  type ForwardFact,
  type GrantFact,
  type Json,
  type LinkFact,
  type MemberFact,
  type OrganizationFact,
  type PermissionFact,
  type PrincipalFact,
  type ResourceTypeFact,
  type RevokedTokenFact,
  type RoleFact,
  type ServerFact,
  type ServerKeyFact,
  type SigningKeyFact,
  type ToolFact,
} from '@valetkey/sdk/core'
import type { Selectable } from 'kysely'
import type { Database } from '../store/index.ts'

/**
 * What enforcement points are told of a row. Both the change log and a fresh load go through these functions, so that a
 * replica that followed every change holds exactly what one that started now would load.
 */
export type Row<T extends keyof Database> = Selectable<Database[T]>

export function organizationFact(row: Pick<Row<'organization'>, 'id' | 'slug' | 'status'>): OrganizationFact {
  return { id: row.id, slug: row.slug, status: row.status }
}

export function principalFact(
  row: Pick<Row<'principal'>, 'id' | 'seq' | 'kind' | 'name' | 'status'>,
): PrincipalFact {
  return { id: row.id, seq: row.seq, kind: row.kind, name: row.name, status: row.status }
}

/** An agent's principal has the agent's id. */
export function agentFact(
  row: Pick<Row<'agent'>, 'id' | 'ownerId' | 'kind' | 'ceiling' | 'dpop'>,
): AgentFact {
  return {
    id: row.id,
    principal: row.id,
    owner: row.ownerId,
    kind: row.kind,
    ceiling: JSON.parse(row.ceiling) as string[],
    ...(row.dpop === 1 && { dpop: true }),
  }
}

/** Null once it is revoked: enforcement points then know nothing of it, and refuse. An expired one stays. */
export function credentialFact(
  row: Pick<Row<'credential'>, 'id' | 'agentId' | 'expiresAt' | 'revokedAt' | 'frozenAt'>,
): CredentialFact | null {
  if (row.revokedAt !== null) return null
  return { id: row.id, agent: row.agentId, expiresAt: milliseconds(row.expiresAt), ...frozen(row) }
}

export function assignmentFact(
  row: Pick<
    Row<'assignment'>,
    'id' | 'principalSeq' | 'resourceSeq' | 'roleId' | 'source' | 'expiresAt' | 'createdBy'
  >,
): AssignmentFact {
  return {
    id: row.id,
    principal: row.principalSeq,
    resource: row.resourceSeq,
    role: row.roleId,
    source: row.source,
    expiresAt: milliseconds(row.expiresAt),
    createdBy: row.createdBy,
  }
}

/** By what id the fact of a membership goes. */
export function memberId(row: Pick<Row<'groupMember'>, 'groupSeq' | 'memberSeq'>): string {
  return `${row.groupSeq}.${row.memberSeq}`
}

export function memberFact(row: Pick<Row<'groupMember'>, 'groupSeq' | 'memberSeq'>): MemberFact {
  return { group: row.groupSeq, member: row.memberSeq }
}

/** Authorization details as they are kept. */
export function parseDetails(text: string): AuthorizationDetail[] {
  return JSON.parse(text) as AuthorizationDetail[]
}

/** Null once it is revoked. An expired one stays. */
export function grantFact(
  row: Pick<
    Row<'grant'>,
    | 'id'
    | 'agentId'
    | 'personId'
    | 'scopes'
    | 'elevated'
    | 'resources'
    | 'serverId'
    | 'details'
    | 'lends'
    | 'expiresAt'
    | 'revokedAt'
    | 'frozenAt'
  >,
): GrantFact | null {
  if (row.revokedAt !== null) return null
  const tools = row.details === null ? null : boundsOf(parseDetails(row.details)).tools
  return {
    id: row.id,
    agent: row.agentId,
    person: row.personId,
    scopes: JSON.parse(row.scopes) as string[],
    resources: JSON.parse(row.resources) as number[],
    expiresAt: milliseconds(row.expiresAt),
    ...(row.serverId !== null && { server: row.serverId }),
    ...(tools && { tools: [...tools] }),
    ...(row.lends === 1 && { lends: true as const }),
    ...(row.elevated !== '{}' && { elevated: JSON.parse(row.elevated) as Record<string, number> }),
    ...frozen(row),
  }
}

/** Null before the delegate has taken it up, and once it has ended. */
export function linkFact(row: Row<'delegation'>): LinkFact | null {
  if (row.activatedAt === null || row.endedAt !== null) return null
  return {
    id: row.id,
    from: row.delegatorId,
    to: row.delegateId,
    parent: row.parentId,
    grant: row.grantId,
    credential: row.credentialId,
    scopes: JSON.parse(row.scopes) as string[],
    resources: JSON.parse(row.resources) as number[],
    condition: row.condition,
    hops: row.hops,
    expiresAt: Date.parse(row.expiresAt),
    ...frozen(row),
  }
}

export function revokedTokenFact(
  row: Pick<Row<'revokedToken'>, 'id' | 'expiresAt' | 'frozen'>,
): RevokedTokenFact {
  return { id: row.id, expiresAt: Date.parse(row.expiresAt), ...(row.frozen === 1 && { frozen: true }) }
}

export function serverFact(
  row: Pick<Row<'server'>, 'id' | 'name' | 'url' | 'mode' | 'observeUntil' | 'status'>,
): ServerFact {
  const { id, name, url, mode, status } = row
  const observeUntil = milliseconds(row.observeUntil)
  return { id, name, url, mode, status, ...(observeUntil !== null && { observeUntil }) }
}

/** Null while the server that calls is not active; `status` is that one's. */
export function forwardFact({
  fromId: from,
  toId: to,
  status,
}: Pick<Row<'forward'>, 'fromId' | 'toId'> & Pick<Row<'server'>, 'status'>): ForwardFact | null {
  return status === 'active' ? { from, to } : null
}

/** Null where it was revoked. */
export function serverKeyFact({
  id,
  serverId: server,
  revokedAt,
}: Pick<Row<'serverKey'>, 'id' | 'serverId' | 'revokedAt'>): ServerKeyFact | null {
  return revokedAt === null ? { id, server } : null
}

export function signingKeyFact(row: Pick<Row<'signingKey'>, 'kid' | 'alg' | 'publicJwk'>): SigningKeyFact {
  return { id: row.kid, alg: row.alg, publicJwk: parseObject(row.publicJwk) ?? {} }
}

/** `permission` is the slug of the permission that the row names by id. */
export function toolFact(row: Row<'tool'>, permission: string): ToolFact {
  return {
    id: row.id,
    server: row.serverId,
    kind: row.kind,
    name: row.name,
    permission,
    definition: row.definition,
    inputSchema: parseObject(row.inputSchema),
    resource: row.resource,
    condition: row.condition,
    risk: row.risk,
    mode: row.mode,
    ...frozen(row),
  }
}

export function resourceTypeFact(
  row: Pick<Row<'resourceType'>, 'id' | 'slug' | 'instances'>,
  parentIds: readonly string[],
): ResourceTypeFact {
  return { id: row.id, slug: row.slug, parents: [...parentIds].sort(), instances: row.instances }
}

/** Null once it is retired. */
export function permissionFact(row: Row<'permission'>): PermissionFact | null {
  if (row.retiredRevision !== null) return null
  const { id, slug, typeId, bit, risk, condition } = row
  return { id, slug, type: typeId, bit, risk, condition }
}

/** `permissions` are the slugs that the role holds. */
export function roleFact(
  row: Pick<Row<'role'>, 'id' | 'slug' | 'typeId'>,
  permissions: readonly string[],
): RoleFact {
  return { id: row.id, slug: row.slug, type: row.typeId, permissions: [...permissions].sort() }
}

/** JSON as the store keeps it, back as an object. */
export function parseObject(text: string | null): Record<string, Json> | null {
  return text === null ? null : (JSON.parse(text) as Record<string, Json>)
}

function frozen({ frozenAt }: { frozenAt: string | null }): { frozen?: true } {
  return frozenAt === null ? {} : { frozen: true }
}

function milliseconds(time: string | null): number | null {
  return time === null ? null : Date.parse(time)
}
