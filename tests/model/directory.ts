import { api } from '../../packages/sdk/src/contract/index.ts'
import { AppError, CATALOGUE, isoTime } from '../../packages/sdk/src/core/index.ts'
import { findResource } from '../../packages/sdk/src/engine/naming.ts'
import type { OrganizationView } from '../../packages/sdk/src/engine/organization.ts'
import { createSnapshot, type Snapshot } from '../../packages/sdk/src/engine/snapshot.ts'
import * as directory from '../../packages/server/src/directory/index.ts'
import type { Store } from '../../packages/server/src/store/index.ts'
import { type Command, createWorld, happen, isPossible, ROOT } from './commands.ts'
import { createSchema, type Schema } from './schema.ts'
import type { Assignment, World } from './spec.ts'

/** The specification beside the real directory on a real database, and an index that follows its change log. */
export interface DirectoryStage {
  schema: Schema
  world: World
  store: Store
  organization: string
  snapshot: Snapshot
  readonly view: OrganizationView
  /** Lets it happen in both, or sees it refused. Says whether it happened. */
  perform(command: Command): Promise<boolean>
  /** An index that is loaded from the tables now. */
  loadAnew(): Promise<OrganizationView>
}

type Call = (ctx: directory.Context, organization: string) => Promise<unknown>

/** Builds a product's mirror in an empty database, through the operations that an administrator would use. */
export async function createDirectoryStage(
  numbers: readonly number[],
  store: Store,
  now: number,
): Promise<DirectoryStage> {
  const schema = createSchema(numbers)
  const world = createWorld(schema, now)
  const actor = { id: 'tok_test', name: 'test', permissions: ['*'] }
  const ctx: directory.Context = { store, actor, now: () => world.now }
  const { id: organization } = await directory.createOrganization(
    ctx,
    api.organizations.create.body.parse({ slug: 'acme', name: 'Acme' }),
  )
  await createCatalogue(ctx, schema)
  await createPrincipals(ctx, schema)
  const snapshot = createSnapshot()
  snapshot.load(await directory.loadCatalogue(store.db))
  snapshot.load(await directory.loadOrganization(store.db, organization, now))
  const stage: DirectoryStage = {
    ...{ schema, world, store, organization, snapshot },
    get view() {
      return viewOf(snapshot, organization)
    },
    async perform(command) {
      const call = callFor(stage, command)
      if (!call) return false
      const isWanted =
        isPossible(schema, world, command) &&
        !isCircle(world, command) &&
        !isOwnerless(schema, world, command)
      const isDone = await attempt(() => call(ctx, organization), isWanted, command)
      if (isDone && isWanted) happen(world, command)
      for (const part of [CATALOGUE, organization]) await follow(stage, part)
      return isDone && isWanted
    },
    async loadAnew() {
      const fresh = createSnapshot()
      fresh.load(await directory.loadOrganization(store.db, organization, world.now))
      fresh.load(await directory.loadCatalogue(store.db))
      return viewOf(fresh, organization)
    },
  }
  return stage
}

function viewOf(snapshot: Snapshot, organization: string): OrganizationView {
  const view = snapshot.organization(organization)
  if (!view) throw new Error(`${organization} is not loaded`)
  return view
}

/** What is possible must be done; what is not may only be refused, in words, or turn out to change nothing. */
async function attempt(call: () => Promise<unknown>, isWanted: boolean, command: Command): Promise<boolean> {
  try {
    await call()
    return true
  } catch (refusal) {
    if (!isWanted && refusal instanceof AppError && refusal.code !== 'internal') return false
    throw new Error(`${JSON.stringify(command)} failed`, { cause: refusal })
  }
}

async function follow({ store, snapshot }: DirectoryStage, part: string): Promise<void> {
  const tail = await directory.readTail(store.db, part, snapshot.revisionOf(part) ?? -1)
  if (tail === 'gone') throw new Error(`the change log of ${part} cannot be read`)
  for (const change of tail.changes)
    if (!snapshot.apply(change)) throw new Error(`${part} has a gap before ${change.revision}`)
  if (snapshot.revisionOf(part) !== tail.head) throw new Error(`${part} is at ${tail.head} without a change`)
}

async function createCatalogue(ctx: directory.Context, schema: Schema): Promise<void> {
  for (const type of schema.types.slice(1))
    await directory.createResourceType(ctx, api.resourceTypes.create.body.parse(type))
  for (const permission of schema.permissions)
    await directory.createPermission(ctx, api.permissions.create.body.parse(permission))
  for (const { isOwn, ...role } of schema.roles) {
    const of = isOwn ? { organization: 'acme' } : {}
    await directory.createRole(ctx, api.roles.create.body.parse({ ...role, ...of }))
  }
}

async function createPrincipals(ctx: directory.Context, schema: Schema): Promise<void> {
  const owner = ownerOf(schema)
  for (const { kind, name } of schema.principals)
    if (kind === 'user')
      await directory.createPerson(ctx, api.people.create.body.parse({ email: emailOf(name), name }))
    else if (kind === 'agent')
      await directory.createAgent(
        ctx,
        api.agents.create.body.parse({ name, owner: emailOf(owner), ceiling: [] }),
      )
    else if (kind === 'service') await directory.createService(ctx, api.services.create.body.parse({ name }))
    else await directory.createGroup(ctx, api.groups.create.body.parse({ name }))
}

/** One person owns all agents. */
const ownerOf = (schema: Schema) => `${schema.principals.find(({ kind }) => kind === 'user')?.name}`

const emailOf = (name: string) => `${name}@acme.test`

/** `user-0` is `user:user-0@acme.test`. */
function refOf(principal: string): string {
  const kind = principal.slice(0, principal.indexOf('-'))
  return `${kind}:${kind === 'user' ? emailOf(principal) : principal}`
}

/** A group that would belong to itself, by whatever way. */
function isCircle(world: World, command: Command): boolean {
  if (command.do !== 'join') return false
  const above = new Set([command.group])
  for (const one of above) for (const { group, member } of world.members) if (member === one) above.add(group)
  return above.has(command.member)
}

/** A suspended agent that would act again for an owner who may not. */
function isOwnerless(schema: Schema, world: World, command: Command): boolean {
  if (command.do !== 'set status' || command.status !== 'active') return false
  const { principal } = command
  const isSuspendedAgent = principal.startsWith('agent') && world.principals.get(principal) === 'suspended'
  return isSuspendedAgent && world.principals.get(ownerOf(schema)) === 'suspended'
}

/** The operation that a command stands for; none where no time but the clock's passes. */
function callFor(stage: DirectoryStage, command: Command): Call | undefined {
  switch (command.do) {
    case 'add':
      return addResources(stage, command)
    case 'move': {
      const { resource, parent } = command
      return ctx => directory.moveResource(ctx, api.resources.move.body.parse({ resource, parent }))
    }
    case 'remove':
      return removeResource(stage, command.resource)
    case 'give':
      return give(command.assignment)
    case 'take':
      return take(stage, command.assignment)
    case 'clear principal': {
      const input = api.assignments.clear.body.parse({ principal: refOf(command.principal) })
      return ctx => directory.clearAssignments(ctx, input)
    }
    case 'clear resource': {
      const input = api.assignments.clear.body.parse({ resource: command.resource })
      return command.resource === ROOT ? undefined : ctx => directory.clearAssignments(ctx, input)
    }
    case 'edit role': {
      const { role: id, permissions } = command
      const isOwn = stage.schema.roles.find(({ slug }) => slug === id)?.isOwn
      const of = isOwn ? { organization: 'acme' } : {}
      return ctx => directory.updateRole(ctx, { ...api.roles.update.body.parse({ permissions, ...of }), id })
    }
    case 'set status':
      return setStatus(command.principal, command.status)
    case 'wait':
      return async () => undefined
    default:
      return callForGroup(command)
  }
}

function callForGroup(command: Command & { do: 'join' | 'leave' | 'create group' | 'remove group' }): Call {
  const { group } = command
  switch (command.do) {
    case 'join': {
      const input = api.groups.add.body.parse({ member: refOf(command.member) })
      return ctx => directory.addMember(ctx, { ...input, group })
    }
    case 'leave': {
      const input = api.groups.drop.query.parse({ member: refOf(command.member) })
      return ctx => directory.dropMember(ctx, { ...input, group })
    }
    case 'create group':
      return ctx => directory.createGroup(ctx, api.groups.create.body.parse({ name: group }))
    case 'remove group':
      return ctx => directory.removeGroup(ctx, { ...api.groups.remove.query.parse({}), group })
  }
}

/** One is put; a branch is imported, which is possible in part: so only where all of it is. */
function addResources({ schema, world }: DirectoryStage, command: Command & { do: 'add' }): Call | undefined {
  const rows = command.resources.map(({ resource, type, parent }) => ({
    type,
    id: resource.slice(type.length + 1),
    ...(parent === ROOT ? {} : { parent }),
  }))
  const [only] = rows
  if (!only) return undefined
  if (rows.length === 1) return ctx => directory.putResource(ctx, api.resources.put.body.parse(only))
  if (!isPossible(schema, world, command)) return undefined
  return async ctx => {
    const done = await directory.importResources(ctx, api.resources.import.body.parse({ rows }))
    if (done.created !== rows.length) throw new Error(`imported only ${JSON.stringify(done)}`)
  }
}

/** What something depends on goes only when that is said. */
function removeResource({ world }: DirectoryStage, resource: string): Call {
  const input = { resource, cascade: false }
  const hasDependents =
    [...world.resources.values()].some(({ parent }) => parent === resource) ||
    world.assignments.some(assignment => assignment.resource === resource)
  return async ctx => {
    if (!hasDependents) return directory.removeResource(ctx, input)
    const refusal = await directory.removeResource(ctx, input).catch((error: unknown) => error)
    const isRoot = resource === ROOT
    if (!(refusal instanceof AppError) || (!isRoot && refusal.code !== 'resource.has_dependents'))
      throw new Error(`${resource} went with all that depended on it`)
    return directory.removeResource(ctx, { ...input, cascade: true })
  }
}

function give({ principal, role, resource, source, expiresAt }: Assignment): Call {
  const input = api.assignments.create.body.parse({
    ...{ principal: refOf(principal), role, source },
    ...(resource === ROOT ? {} : { resource }),
    expiresAt: expiresAt === null ? null : isoTime(expiresAt),
  })
  return ctx => directory.createAssignment(ctx, input)
}

function take({ view }: DirectoryStage, { principal, role, resource, source }: Assignment): Call {
  const [type = '', external = ''] = resource.split('/')
  const seq = findResource(view, type, external)
  const held = [...view.holdings.all()].find(
    ({ fact, role: view_ }) =>
      view.principalAt[fact.principal]?.name === principal &&
      fact.resource === seq &&
      view_.fact?.slug === role &&
      fact.source === source,
  )
  return ctx => directory.removeAssignment(ctx, { id: held?.fact.id ?? 'asg_none' })
}

/** Groups have no such state. */
function setStatus(name: string, status: 'active' | 'suspended'): Call | undefined {
  const id = name
  if (name.startsWith('user'))
    return ctx =>
      directory.updatePerson(ctx, {
        ...api.people.update.body.parse({ status, ...(status === 'active' && { reason: 'looked into' }) }),
        id: emailOf(name),
      })
  if (name.startsWith('service'))
    return ctx =>
      directory.updateService(ctx, { ...api.services.update.body.parse({ status }), service: name })
  if (!name.startsWith('agent')) return undefined
  return status === 'active'
    ? ctx => directory.resumeAgent(ctx, { ...api.agents.resume.body.parse({ reason: 'looked into' }), id })
    : ctx => directory.suspendAgent(ctx, { ...api.agents.suspend.body.parse({}), id })
}
