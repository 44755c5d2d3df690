import type { AdminApi } from '@valetkey/sdk/contract'
import { CATALOGUE } from '@valetkey/sdk/core'
import * as directory from '../directory/index.ts'
import type { Mailer } from '../mail/index.ts'
import {
  cancelWaitingRequest,
  cancelWaitingRequests,
  listSigningKeys,
  listWaitingRequests,
  registerClient,
  retireSigningKey,
  rotateSigningKey,
  takeSigningKey,
} from '../oauth/index.ts'
import type { LimitedFetch } from '../outbound/index.ts'
import { invite, listFactorsOf, removeFactorOf, signOutPerson } from '../people/index.ts'
import * as signals from '../signals/index.ts'

/** One operation of the contract: authenticated, permitted and parsed input comes in, a value goes out. */
type Handler<G extends keyof AdminApi, O extends keyof AdminApi[G]> = (
  ctx: directory.Context,
  input: directory.InputOf<G, O>,
) => Promise<directory.OutputOf<G, O>>

/** A handler for every operation of the contract; the compiler asks for each. */
export type Handlers = { [G in keyof AdminApi]: { [O in keyof AdminApi[G]]: Handler<G, O> } }

/** What other modules and the configuration bring to the table. */
export interface HandlerParts {
  evidence: Pick<Handlers, 'audit' | 'evidence'> & { decisions: Pick<Handlers['decisions'], 'get'> }
  sinks: Handlers['sinks']
  alerts: Handlers['alerts']
  policy: Handlers['policy'] & Pick<Handlers['access'], 'whatIf'>
  waitForPoints: directory.WaitForPoints
  resolveTxt: directory.ResolveTxt
  fetch: LimitedFetch
  issuer: string
  mailer: Mailer | undefined
  dev: boolean
  installation: Handlers['installation']
}

/** What is kept by the authorization server. */
const REVOKE_ELSEWHERE: directory.RevokeElsewhere = {
  async signing_key(ctx, { id, reason }) {
    const { kid, revision } = await takeSigningKey(ctx, { kid: id, reason })
    return { id: kid, organization: CATALOGUE, revision }
  },
}

export function createHandlers(parts: HandlerParts): Handlers {
  const { evidence, sinks, alerts, policy, waitForPoints, resolveTxt, issuer, mailer, dev, installation } =
    parts
  const { fetch } = parts
  return {
    session: {
      bootstrap: directory.claimBootstrapCode,
      async whoami({ actor }) {
        return { id: actor.id, name: actor.name, permissions: [...actor.permissions], dev, issuer }
      },
    },
    organizations: {
      list: directory.listOrganizations,
      get: directory.showOrganization,
      create: directory.createOrganization,
      freeze: directory.freezeOrganization,
      thaw: directory.thawOrganization,
    },
    signIn: { get: directory.showSignInPolicy, update: directory.updateSignInPolicy },
    consent: { get: directory.showConsentPolicy, update: directory.updateConsentPolicy },
    people: {
      list: directory.listPeople,
      get: directory.showPerson,
      create: directory.createPerson,
      update: directory.updatePerson,
      signOut: signOutPerson,
    },
    clients: { register: registerClient },
    identityProviders: {
      list: directory.listProviders,
      get: directory.showProvider,
      create: directory.createProvider,
      update: directory.updateProvider,
      remove: directory.removeProvider,
    },
    identityLinks: { list: directory.listLinks, remove: directory.removeLink },
    domains: {
      list: directory.listDomains,
      claim: directory.claimDomain,
      verify: (ctx, input) => directory.verifyDomain(ctx, input, resolveTxt),
      trust: directory.trustDomain,
      update: directory.updateDomain,
      remove: directory.removeDomain,
    },
    issuers: {
      list: directory.listIssuers,
      get: directory.showIssuer,
      create: directory.createIssuer,
      update: directory.updateIssuer,
      remove: directory.removeIssuer,
    },
    scimTokens: {
      list: directory.listScimTokens,
      create: directory.createScimToken,
      revoke: directory.revokeScimToken,
    },
    signalReceivers: {
      list: signals.listReceivers,
      create: (ctx, input) => signals.createReceiver(ctx, input, issuer),
      rotateSecret: signals.rotateReceiverSecret,
      remove: signals.removeReceiver,
    },
    signalStreams: {
      start: (ctx, input) => signals.startStream(ctx, input, issuer),
      update: (ctx, input) => signals.updateStream(ctx, input, issuer),
      verify: (ctx, input) => signals.verifyStream(ctx, input, issuer),
    },
    signalSources: {
      list: signals.listSources,
      create: (ctx, input) => signals.createSource(ctx, input, { issuer, fetch }),
      remove: signals.removeSource,
    },
    signalKeys: { list: signals.listSignalKeys, rotate: signals.rotateSignalKey },
    invitations: { create: (ctx, input) => invite(ctx, input, { issuer, mailer }) },
    factors: { list: listFactorsOf, remove: removeFactorOf },
    agents: {
      list: directory.listAgents,
      get: directory.showAgent,
      create: directory.createAgent,
      update: directory.updateAgent,
      suspend: directory.suspendAgent,
      resume: directory.resumeAgent,
    },
    installation,
    credentials: { list: directory.listCredentials, create: directory.createCredential },
    servers: {
      list: directory.listServers,
      get: directory.showServer,
      create: directory.createServer,
      update: directory.updateServer,
      definitions: directory.listDefinitions,
      setUpstreamCredential: directory.setUpstreamCredential,
    },
    serverKeys: {
      list: directory.listServerKeys,
      create: directory.createServerKey,
      revoke: directory.revokeServerKey,
    },
    forwards: {
      list: directory.listForwards,
      allow: directory.allowForward,
      disallow: directory.disallowForward,
    },
    tools: { list: directory.listTools, map: directory.mapTool, unmap: directory.unmapTool },
    resourceTypes: {
      list: directory.listResourceTypes,
      create: directory.createResourceType,
      update: directory.updateResourceType,
    },
    permissions: {
      list: directory.listPermissions,
      create: directory.createPermission,
      update: directory.updatePermission,
    },
    roles: {
      list: directory.listRoles,
      get: directory.showRole,
      create: directory.createRole,
      update: directory.updateRole,
    },
    assignments: {
      list: directory.listAssignments,
      create: directory.createAssignment,
      clear: directory.clearAssignments,
      remove: directory.removeAssignment,
    },
    resources: {
      list: directory.listResources,
      get: directory.showResource,
      put: directory.putResource,
      move: directory.moveResource,
      remove: directory.removeResource,
      import: directory.importResources,
    },
    groups: {
      list: directory.listGroups,
      create: directory.createGroup,
      remove: directory.removeGroup,
      members: directory.listMembers,
      add: directory.addMember,
      drop: directory.dropMember,
    },
    services: {
      list: directory.listServices,
      create: directory.createService,
      update: directory.updateService,
    },
    grants: {
      list: directory.listGrants,
      get: directory.showGrant,
      create: directory.createGrant,
      revoke: directory.revokeGrant,
      revokeAll: directory.revokeGrants,
    },
    waitingRequests: {
      list: listWaitingRequests,
      cancel: cancelWaitingRequest,
      cancelAll: cancelWaitingRequests,
    },
    delegations: {
      list: directory.listDelegations,
      get: directory.showDelegation,
      revoke: directory.revokeDelegation,
    },
    delegationRules: {
      list: directory.listDelegationRules,
      put: directory.putDelegationRule,
      remove: directory.removeDelegationRule,
      report: directory.reportDelegation,
    },
    access: {
      check: directory.checkAccess,
      checkMany: directory.checkManyAccess,
      effective: directory.listEffective,
      resources: directory.listReachable,
      principals: directory.listHolders,
      reach: directory.listReach,
      filter: directory.filterResources,
      explain: directory.explainAccess,
      whatIf: policy.whatIf,
    },
    points: {
      list: directory.listPoints,
      wait: (ctx, input) => directory.awaitPoints(ctx, input, waitForPoints),
    },
    revocations: {
      create: (ctx, input) => directory.createRevocation(ctx, input, waitForPoints, REVOKE_ELSEWHERE),
      preview: directory.previewRevocation,
    },
    freezes: {
      freeze: (ctx, input) => directory.freeze(ctx, input, waitForPoints),
      thaw: (ctx, input) => directory.thaw(ctx, input, waitForPoints),
    },
    signingKeys: {
      list: listSigningKeys,
      rotate: rotateSigningKey,
      retire: (ctx, input) => retireSigningKey(ctx, input, waitForPoints),
    },
    decisions: {
      check: directory.checkDecision,
      get: evidence.decisions.get,
      async rebuild(ctx, input) {
        return directory.rebuildDecision(ctx, await evidence.decisions.get(ctx, input))
      },
    },
    audit: evidence.audit,
    evidence: evidence.evidence,
    sinks,
    alerts,
    policy: { apply: policy.apply },
    apiTokens: {
      list: directory.listApiTokens,
      create: directory.createApiToken,
      revoke: directory.revokeApiToken,
    },
  }
}
