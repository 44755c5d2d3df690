import type { ColumnType, Generated } from 'kysely'

/**
 * The tables, as queries see them (columns are snake_case in SQL). Ids and times are text (ISO 8601, UTC); JSON is text
 * that the reading side parses; numbers of an organization's principals and resources are dense and never used again.
 */
export interface Database {
  setting: { key: string; value: string }

  organization: OrganizationTable
  changeLog: ChangeLogTable
  /** What was taken out of the log of changes. */
  changeHistory: ChangeLogTable
  principal: PrincipalTable
  agent: AgentTable
  client: ClientTable
  credential: CredentialTable
  groupMember: GroupMemberTable
  resource: ResourceTable
  assignment: AssignmentTable
  grant: GrantTable
  delegation: DelegationTable
  delegationPath: { delegationId: string; position: number; ancestorId: string }
  delegationRule: DelegationRuleTable
  revokedToken: RevokedTokenTable
  invitation: InvitationTable
  identityProvider: IdentityProviderTable
  identityRole: IdentityRoleTable
  identityDomain: IdentityDomainTable
  identityLink: IdentityLinkTable
  trustedIssuer: TrustedIssuerTable
  trustedIssuerRule: TrustedIssuerRuleTable
  federatedSession: FederatedSessionTable
  federatedGrant: { sessionId: string; grantId: string }
  scimToken: ScimTokenTable
  scimPerson: ScimPersonTable
  scimGroup: ScimGroupTable
  signalKey: SignalKeyTable
  signalReceiver: SignalReceiverTable
  signalStream: SignalStreamTable
  signalEvent: SignalEventTable
  signalCursor: { organizationId: string; revision: number }
  signalSource: SignalSourceTable
  clientRegistration: ClientRegistrationTable
  refreshFamily: RefreshFamilyTable
  signInPolicy: SignInPolicyTable
  totp: TotpTable
  recoveryCode: RecoveryCodeTable
  passkey: PasskeyTable
  signInLink: SignInLinkTable
  attempt: { bucket: string; count: number; endsAt: number }

  server: ServerTable
  serverKey: ServerKeyTable
  tool: ToolTable
  forward: ForwardTable
  seenDefinition: SeenDefinitionTable
  resourceType: ResourceTypeTable
  resourceTypeParent: { typeId: string; parentTypeId: string }
  permission: PermissionTable
  role: RoleTable
  rolePermission: { roleId: string; permissionId: string }

  enforcementPoint: EnforcementPointTable
  enforcementPointOrganization: EnforcementPointOrganizationTable

  signingKey: SigningKeyTable
  logKey: LogKeyTable
  evidenceRetention: { organizationId: string; kind: 'calls' | 'changes'; days: number }
  evidenceHold: EvidenceHoldTable
  evidenceFollower: EvidenceFollowerTable
  evidencePosition: { followerId: string; log: string; position: number }
  sink: SinkTable
  agentProfile: { agentId: string; organizationId: string; profile: string; updatedAt: string }
  alertPolicy: { organizationId: string; settings: string }
  alert: AlertTable
  oauthState: OauthStateTable
  waitingRequest: WaitingRequestTable
  replay: { id: string; expiresAt: number }

  apiToken: ApiTokenTable
  idempotency: IdempotencyTable
  auditOutbox: AuditOutboxTable
}

/** Since when it is refused; null while it is not. What is frozen can be thawed. */
type Frozen = ColumnType<string | null, string | null | undefined, string | null>

/** `catalogue`, number 0, holds no principals: its revision counts changes to servers, tools, permissions and roles. */
interface OrganizationTable {
  id: string
  seq: number
  slug: string
  name: string
  status: 'active' | 'frozen' | 'retired'
  revision: Generated<number>
  nextPrincipalSeq: Generated<number>
  nextResourceSeq: Generated<number>
  createdAt: ColumnType<string, string, never>
  /** JSON of how far its people may go when they let agents act; null is as everywhere. */
  consentPolicy: ColumnType<string | null, string | null | undefined, string | null>
}

/** One row a changed fact, in the order of `ord`; revisions of an organization have no gaps. */
interface ChangeLogTable {
  organizationId: string
  revision: number
  ord: number
  fact: string
  factId: string
  /** JSON of the fact; null where it was removed. */
  value: string | null
  actor: string
  at: string
}

interface PrincipalTable {
  organizationId: string
  seq: number
  id: string
  kind: 'user' | 'agent' | 'service' | 'group'
  /** A person's email address, an agent's name: unique in its kind. */
  externalId: string
  name: string
  status: 'active' | 'suspended' | 'retired' | 'pending'
  /** Who keeps a person or group up to date: null for people here, `scim`, or the id of an identity provider. */
  managedBy: ColumnType<string | null, string | null | undefined, string | null>
  createdAt: ColumnType<string, string, never>
  /** The sessions of a person that were opened at another number have ended. */
  sessionEpoch: Generated<number>
}

interface AgentTable {
  id: string
  organizationId: string
  ownerId: string
  purpose: string
  kind: 'autonomous' | 'user_authorized' | 'both'
  ceiling: string
  /** It cannot do with less than it asks for: people give it all of that, or nothing. */
  allOrNothing: ColumnType<number, number | undefined, number>
  /** Whether its tokens must be bound to a key. */
  dpop: ColumnType<number, number | undefined, number>
}

interface ClientTable {
  id: string
  organizationId: string
  kind: 'pre-registered' | 'metadata-document' | 'dynamic'
  agentId: string
  legacyAudience: number
  createdAt: ColumnType<string, string, never>
}

interface CredentialTable {
  id: string
  frozenAt: Frozen
  organizationId: string
  agentId: string
  clientId: string
  /**
   * `public` proves nothing: it stands for a client that cannot keep a secret, so that it can be taken back. `document` proves what
   * the client's metadata document says that it does, `workload` what an issuer says whom the organization trusts.
   */
  kind: 'secret' | 'key' | 'public' | 'document' | 'workload'
  /** SHA-256 of the secret, base64url. */
  secretHash: string | null
  publicJwk: string | null
  /** RFC 7638; no two agents share a key. */
  thumbprint: string | null
  label: string
  createdAt: ColumnType<string, string, never>
  createdBy: string
  expiresAt: string | null
  revokedAt: string | null
  lastUsedAt: string | null
  lastUsedFrom: string | null
}

/** Who belongs to a group; a member may be a group itself. */
interface GroupMemberTable {
  organizationId: string
  groupSeq: number
  memberSeq: number
  createdAt: ColumnType<string, string, never>
  createdBy: string
}

/** One that was removed stays, so that its number is never given again; its external id is free. */
interface ResourceTable {
  organizationId: string
  seq: number
  typeId: string
  externalId: string
  parentSeq: number | null
  name: string
  createdRevision: number
  deletedRevision: number | null
}

interface AssignmentTable {
  organizationId: string
  principalSeq: number
  resourceSeq: number
  roleId: string
  source: 'direct' | 'group' | 'idp' | 'approval'
  sourceId: string
  id: string
  expiresAt: string | null
  createdRevision: number
  createdAt: ColumnType<string, string, never>
  createdBy: string
}

interface GrantTable {
  id: string
  frozenAt: Frozen
  organizationId: string
  agentId: string
  personId: string
  scopes: string
  /** JSON of the numbers of the resources that it is limited to. */
  resources: string
  /** JSON of the authorization details that it was given for (RFC 9396); null where there were none. */
  details: string | null
  createdAt: ColumnType<string, string, never>
  expiresAt: string | null
  revokedAt: string | null
  /** Who it comes from: an administrator, or the person's own consent. */
  source: ColumnType<'administrator' | 'consent', 'administrator' | 'consent' | undefined, never>
  createdBy: ColumnType<string, string | undefined, never>
  /** The one server that it is for; null is every one. */
  serverId: ColumnType<string | null, string | null | undefined, never>
  /** JSON of what it holds for a shorter time: until when (ms), by permission. */
  elevated: Generated<string>
  /** 1: the person lends the agent what it may do at all, with this consent and with those that widen it. */
  lends: Generated<number>
  lastUsedAt: ColumnType<string | null, string | null | undefined, string | null>
}

/** A link: one agent lets another act. It is a fact from when it is activated until it ends. */
interface DelegationTable {
  id: string
  frozenAt: Frozen
  organizationId: string
  delegatorId: string
  delegateId: string
  /** The link that it continues, and the person's grant at the root of all. */
  parentId: string | null
  grantId: string | null
  ruleId: string
  /** By which the delegator proved itself. */
  credentialId: string
  scopes: string
  /** JSON of the numbers of the resources that it is limited to. */
  resources: string
  condition: string | null
  /** How many links may follow. */
  hops: number
  purpose: string
  /** SHA-256 of the handle by which the delegate takes it up, base64url. */
  handleHash: string
  handleExpiresAt: number
  createdAt: ColumnType<string, string, never>
  activatedAt: string | null
  expiresAt: string
  endedAt: string | null
  ending: 'revoked' | 'expired' | null
}

/** Who may delegate to whom: `agent:agt_…`, `role:rol_…` or `organization`. */
interface DelegationRuleTable {
  id: string
  organizationId: string
  delegator: string
  delegate: string
  /** JSON of the most that may be handed on; null for all. */
  scopes: string | null
  /** JSON of permissions that the delegate may hold although the delegator does not. */
  beyond: string
  createdAt: ColumnType<string, string, never>
  createdBy: string
}

/** One server may call another for those who have called it. */
interface ForwardTable {
  fromId: string
  toId: string
  createdAt: ColumnType<string, string, never>
  createdBy: string
}

interface RevokedTokenTable {
  id: string
  /** 1 for one that can be thawed. */
  frozen: ColumnType<number, number | undefined, number>
  organizationId: string
  agentId: string
  expiresAt: string
}

/** By which a person sets a password; good once. */
interface InvitationTable {
  id: string
  organizationId: string
  personId: string
  /** SHA-256 of the secret in the link, base64url. */
  hash: string
  createdAt: ColumnType<string, string, never>
  createdBy: string
  expiresAt: string
  usedAt: string | null
}

interface IdentityProviderTable {
  id: string
  organizationId: string
  name: string
  title: string
  kind: 'oidc' | 'saml'
  status: 'active' | 'disabled'
  /** JSON of what the contract calls `oidc` or `saml`. */
  settings: string
  /** The client secret (OIDC), or the key that signs our requests (SAML). */
  sealedSecret: string | null
  /** PEM of the certificate over that key. */
  certificate: string | null
  /** 1: makes a person of whoever signs in first. */
  provisions: number
  /** 1: a sign-out at the provider takes back what was consented to, too. */
  revokesOnLogout: number
  createdAt: ColumnType<string, string, never>
  createdBy: string
}

/** Whom a group of a provider makes what, and where. */
interface IdentityRoleTable {
  organizationId: string
  providerId: string
  groupName: string
  roleId: string
  resourceSeq: number
  createdAt: ColumnType<string, string, never>
  createdBy: string
}

/** A domain that an organization claims; of all that claim it, one at most has proved it. */
interface IdentityDomainTable {
  organizationId: string
  domain: string
  providerId: string | null
  token: string
  verifiedAt: string | null
  verifiedBy: 'dns' | 'trust' | null
  createdAt: ColumnType<string, string, never>
  createdBy: string
}

/** Who a subject of a provider is here; a person has one at a provider. */
interface IdentityLinkTable {
  id: string
  organizationId: string
  providerId: string
  subject: string
  personId: string
  /** JSON of the groups that the provider named last. */
  groupNames: string
  createdAt: ColumnType<string, string, never>
  lastUsedAt: string
}

/** Somebody elsewhere whose signed word an organization takes, about people or about programs. */
interface TrustedIssuerTable {
  id: string
  organizationId: string
  name: string
  kind: 'enterprise' | 'workload'
  issuer: string
  jwksUri: string | null
  /** JSON of public keys, where they were given. */
  jwks: string | null
  reusable: number
  byEmail: number
  tenant: string | null
  createdAt: ColumnType<string, string, never>
  createdBy: string
}

/** A workload with these claims is that agent, by that credential. */
interface TrustedIssuerRuleTable {
  organizationId: string
  issuerId: string
  agentId: string
  /** JSON of patterns by claim. */
  claims: string
  credentialId: string
}

/** A session that began at an identity provider, and what that one needs to end it. */
interface FederatedSessionTable {
  sessionId: string
  organizationId: string
  providerId: string
  personId: string
  subject: string
  /** What the provider calls the session. */
  sid: string | null
  sealedLogout: string
  createdAt: ColumnType<string, string, never>
  endedAt: string | null
  /** Milliseconds since 1970; nothing that it began lasts longer. */
  expiresAt: number
}

interface ScimTokenTable {
  id: string
  organizationId: string
  providerId: string | null
  name: string
  hash: string
  createdAt: ColumnType<string, string, never>
  createdBy: string
  expiresAt: string | null
  revokedAt: string | null
  lastUsedAt: string | null
}

/** What a directory elsewhere says of a person beside what the principal holds. */
interface ScimPersonTable {
  organizationId: string
  personId: string
  externalId: string | null
  /** 0: it was the directory that has suspended the person, so that it may reinstate them. */
  active: number
  attributes: string
  createdAt: ColumnType<string, string, never>
  updatedAt: string
}

interface ScimGroupTable {
  organizationId: string
  groupId: string
  externalId: string | null
  providerId: string | null
  displayName: string
  createdAt: ColumnType<string, string, never>
  updatedAt: string
}

/** A key that security events are signed with; the newest that everybody can know signs. */
interface SignalKeyTable {
  kid: string
  publicJwk: string
  sealedPrivateJwk: string
  createdAt: ColumnType<string, string, never>
}

/** Who may be told of an organization's revocations: a client of the authority, with one secret, that manages a stream of them. */
interface SignalReceiverTable {
  id: string
  organizationId: string
  name: string
  /** Names the secret in tokens and records; another one with every secret. */
  credentialId: string
  secretHash: string
  audience: string
  /** Where events may be pushed to; null: they are only polled. */
  pushOrigin: string | null
  /** How people are named. */
  subjects: 'iss_sub' | 'email'
  createdAt: ColumnType<string, string, never>
  createdBy: string
  lastUsedAt: string | null
}

interface SignalStreamTable {
  id: string
  receiverId: string
  organizationId: string
  status: 'enabled' | 'paused' | 'disabled'
  reason: string
  delivery: 'push' | 'poll'
  endpoint: string | null
  /** What goes into the header `Authorization` of what is pushed. */
  sealedAuthorization: string | null
  /** JSON of the event types that were asked for. */
  events: string
  description: string
  createdAt: ColumnType<string, string, never>
  /** Of the newest event. */
  sequence: number
  failures: number
  nextTryAt: number
  /** Until when a node delivers it, on the clock of the database. */
  claimedUntil: number
  lastDeliveredAt: string | null
  lastFault: string | null
  verifiedAt: number
}

/** An event that its receiver does not have yet. Its id is the `jti`. */
interface SignalEventTable {
  id: string
  streamId: string
  sequence: number
  /** 1: about the stream itself, delivered whatever its status is. */
  isControl: number
  /** JSON of the claims; signed when they leave. */
  body: string
}

/** An identity provider's transmitter of security events. */
interface SignalSourceTable {
  id: string
  organizationId: string
  name: string
  providerId: string
  issuer: string
  jwksUri: string
  audience: string
  /** Where it is polled; null: it pushes. */
  pollUrl: string | null
  /** As which OAuth client it is polled, as JSON; null where it wants a header that does not change, or none. */
  client: string | null
  /** The client's secret or private key, or the header. */
  sealedCredential: string | null
  createdAt: ColumnType<string, string, never>
  createdBy: string
  lastHeardAt: string | null
  lastFault: string | null
  nextPollAt: number
}

/** Where a client may return to. One that registered itself is here before it has an agent. */
interface ClientRegistrationTable {
  clientId: string
  kind: 'pre-registered' | 'dynamic' | 'metadata-document'
  /** As the client calls itself: never verified. */
  name: string
  uri: string | null
  redirectUris: string
  /** `none` proves nothing, `credential` takes a secret or key of its agent. */
  authentication: 'none' | 'credential'
  /** Whether requests have to be pushed (RFC 9126). */
  mustPush: Generated<number>
  registeredFrom: string
  createdAt: ColumnType<string, string, never>
  /** When it goes unless it is used; null for one that stays. */
  expiresAt: number | null
}

/** One chain of refresh tokens: `counter` is the number of the one that is good now. */
interface RefreshFamilyTable {
  id: string
  organizationId: string
  clientId: string
  grantId: string
  audience: string
  scopes: string
  /** Thumbprint of the key without which it is not renewed. */
  jkt: string | null
  counter: number
  rotatedAt: number
  createdAt: ColumnType<string, string, never>
  expiresAt: number
  revokedAt: string | null
}

/** How the people of an organization may sign in, where it differs from the default. */
interface SignInPolicyTable {
  organizationId: string
  /** JSON. */
  methods: string
  secondFactor: 'optional' | 'required'
  sessionMinutes: number
}

/** An authenticator app of a person. */
interface TotpTable {
  id: string
  organizationId: string
  personId: string
  sealedSecret: string
  /** The step of the last code that was taken: no code is good twice. */
  lastStep: number
  createdAt: ColumnType<string, string, never>
  lastUsedAt: string | null
}

/** One that is left; used ones are gone. */
interface RecoveryCodeTable {
  organizationId: string
  personId: string
  hash: string
}

interface PasskeyTable {
  id: string
  organizationId: string
  personId: string
  credentialId: string
  /** COSE, base64url. */
  publicKey: string
  counter: number
  label: string
  createdAt: ColumnType<string, string, never>
  lastUsedAt: string | null
}

/** A mailed link that signs a person in or sets a password, once; of nobody where the address is unknown. */
interface SignInLinkTable {
  hash: string
  purpose: 'link' | 'password'
  organizationId: string | null
  personId: string | null
  /** Of a cookie of the browser that asked. */
  browserHash: string
  /** JSON: where that browser goes on. */
  onward: string
  askedFrom: string
  askedAt: string
  expiresAt: number
}

interface ServerTable {
  id: string
  name: string
  url: string
  mode: 'enforce' | 'audit' | 'observe'
  /** When `observe` ends. */
  observeUntil: string | null
  status: 'active' | 'frozen' | 'retired'
  /** Header name and sealed value that the gateway adds towards the server. */
  upstreamHeader: string | null
  upstreamSecret: string | null
  createdAt: ColumnType<string, string, never>
}

interface ServerKeyTable {
  id: string
  serverId: string
  hash: string
  label: string
  createdAt: ColumnType<string, string, never>
  createdBy: string
  revokedAt: string | null
  lastUsedAt: string | null
}

interface ToolTable {
  id: string
  frozenAt: Frozen
  serverId: string
  kind: 'tool' | 'resource' | 'prompt' | 'method'
  name: string
  permissionId: string
  definition: string | null
  inputSchema: string | null
  resource: string | null
  condition: string | null
  risk: 'read' | 'write' | 'dangerous'
  mode: 'enforce' | 'audit' | null
}

interface SeenDefinitionTable {
  serverId: string
  kind: 'tool' | 'resource' | 'prompt' | 'method'
  name: string
  definition: string | null
  description: string | null
  inputSchema: string | null
  annotations: string | null
  seenAt: string
}

interface ResourceTypeTable {
  id: string
  slug: string
  name: string
  instances: ColumnType<
    'registered' | 'open',
    'registered' | 'open' | undefined,
    'registered' | 'open' | undefined
  >
}

interface PermissionTable {
  id: string
  slug: string
  typeId: string
  bit: number
  label: string
  risk: 'read' | 'write' | 'dangerous'
  /** CEL; where it does not hold, nobody has the permission. */
  condition: string | null
  retiredRevision: number | null
}

/** `organizationId` is `catalogue` for the roles that every organization may use. */
interface RoleTable {
  id: string
  organizationId: string
  slug: string
  name: string
  typeId: string
}

/** A guard or gateway: its own key, its start (`epoch`), the number of its last record that arrived without a gap. */
interface EnforcementPointTable {
  id: string
  serverId: string
  serverKeyId: string
  kind: 'guard' | 'gateway'
  /** The key that it signs with, as a JWK; the id derives from its thumbprint. */
  publicJwk: string
  /** The key that upstream credentials are encrypted to; gateways only. */
  sealingJwk: string | null
  epoch: number
  version: string
  sessionHash: string
  registeredAt: string
  lastSeenAt: string
  /** Milliseconds since 1970; after it the point decides nothing. */
  leaseUntil: number
  /** When the last lease of its earlier starts ends: until then one of them may still be deciding. */
  fencedUntil: Generated<number>
  recordCounter: number
  recordGaps: number
}

/** Which organizations a point holds, and up to which revision no older decision can still be released there. */
interface EnforcementPointOrganizationTable {
  pointId: string
  organizationId: string
  acknowledgedRevision: number
}

interface LogKeyTable {
  id: string
  publicKey: string
  /** Empty once it signs no more: what is not there cannot be stolen. */
  sealedSeed: string
  /** The one before the active one goes on signing beside it, unless it was stolen. */
  state: 'active' | 'previous' | 'retired' | 'revoked'
  /** A signed note; null for the first. */
  statement: string | null
  createdAt: string
}

interface EvidenceHoldTable {
  id: string
  organizationId: string
  personId: string | null
  reason: string
  createdAt: string
  createdBy: string
  releasedAt: string | null
}

/** Who reads the evidence to its end; only the holder does, as long as its lease lasts (milliseconds since 1970). */
interface EvidenceFollowerTable {
  id: string
  holder: string
  leaseUntil: number
  createdAt: ColumnType<string, string, never>
}

/** What an agent did otherwise than before; `what` and `records` are JSON. */
interface AlertTable {
  id: string
  organizationId: string
  agentId: string
  kind: string
  at: string
  raisedAt: string
  sentence: string
  what: string
  usual: string
  records: string
  suspension: 'none' | 'pending' | 'done' | 'failed'
  acknowledgedAt: string | null
  acknowledgedBy: string | null
  note: string | null
}

/** Where records are sent, and how that goes. `organizationId` is empty for one of the environment. */
interface SinkTable {
  id: string
  organizationId: string
  name: string
  kind: 'file' | 'syslog' | 'webhook' | 'otlp'
  url: string
  format: string
  /** JSON of which records it takes. */
  takes: string
  /** PEM of whom to trust instead of the authorities that the machine knows. */
  authority: string | null
  sealedSecrets: string | null
  /** JSON of the names of headers whose values are sealed. */
  headerNames: string
  status: 'active' | 'paused'
  sent: number
  lastSentAt: string | null
  failingSince: string | null
  failures: number
  lastError: string | null
  /** Milliseconds since 1970. */
  retryAt: number
  createdAt: ColumnType<string, string, never>
  createdBy: string
}

/** The one whose turn came last signs; the one that has no turn yet is known everywhere and waits for it. */
interface SigningKeyTable {
  kid: string
  alg: 'ES256' | 'EdDSA'
  publicJwk: string
  sealedPrivateJwk: string
  createdAt: ColumnType<string, string, never>
  /** Milliseconds since 1970; null for the one in reserve. */
  activeFrom: number | null
}

interface OauthStateTable {
  model: string
  id: string
  payload: string
  grantId: string | null
  uid: string | null
  userCode: string | null
  expiresAt: number | null
  consumedAt: number | null
}

/** What a client asks of a person who is somewhere else; the client comes again until there is an answer. */
interface WaitingRequestTable {
  id: string
  /** `device`: for whoever types its code. `backchannel`: for the one person whom the client names. */
  kind: 'device' | 'backchannel'
  /** Of what the client comes again with, and of what people type; SHA-256, base64url. */
  secretHash: string
  userCodeHash: string | null
  clientId: string
  personId: string | null
  /** JSON of the parameters of the request. */
  params: string
  message: string
  askedFrom: string
  createdAt: ColumnType<string, string, never>
  expiresAt: number
  polledAt: number
  /** JSON of what was granted; `"denied"` is a no, `"cancelled"` was taken back before, null is not answered. */
  answer: string | null
  usedAt: string | null
}

interface ApiTokenTable {
  id: string
  name: string
  hash: string
  permissions: string
  createdAt: ColumnType<string, string, never>
  createdBy: string
  expiresAt: string | null
  revokedAt: string | null
  lastUsedAt: string | null
}

interface IdempotencyTable {
  actor: string
  key: string
  operation: string
  requestHash: string
  sealedAnswer: string
  createdAt: string
}

interface AuditOutboxTable {
  id: string
  organizationId: string | null
  at: string
  body: string
}
