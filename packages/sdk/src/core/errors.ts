/** Every expected failure: its HTTP status and what it means. `docs/errors.md` holds the same rows; a test compares them. */
export const ERRORS = {
  'request.invalid': [400, 'The request does not have the form that the operation takes.'],
  'query.invalid': [400, 'A question is not written in the words of the query language.'],
  'request.too_large': [413, 'The request is larger than the limit.'],
  'request.encoding': [415, 'The body is not plain UTF-8 JSON.'],
  'request.too_many': [429, 'Too many wrong credentials from one address; wait a minute.'],
  'auth.required': [401, 'The request carries no credential.'],
  'auth.invalid': [401, 'The credential is unknown, expired or revoked.'],
  'permission.denied': [403, 'The credential does not carry the permission of this operation.'],
  not_found: [404, 'The named thing does not exist here.'],
  'conflict.exists': [409, 'A thing of that name exists already.'],
  'conflict.state': [409, 'The thing is not in a state that allows this.'],
  'conflict.in_use': [409, 'Other things still depend on this one.'],
  'idempotency.reused': [409, 'The idempotency key was used before, with another request.'],
  'resource.has_dependents': [409, 'Other resources lie below this one, or roles are given on it.'],
  'resource.misplaced': [409, 'A resource of this type cannot lie there.'],
  'domain.unproved': [409, 'DNS does not show the record that proves the domain.'],
  'delegation.refused': [403, 'The delegation is not allowed, or would give more than it rests on.'],
  'permission.mismatch': [422, 'The permission belongs to another resource type.'],
  'revision.unknown': [400, 'The revision token is not one of this organization.'],
  'policy.invalid': [422, 'A policy names things that do not exist or contradict each other.'],
  'config.invalid': [400, 'The configuration has an unknown key or an unusable value.'],
  'config.unsafe': [400, 'The configuration is not safe for production.'],
  'dns.unavailable': [503, 'DNS does not answer.'],
  'store.unavailable': [503, 'The database does not answer.'],
  'store.newer': [503, 'The database was written by a newer version.'],
  'store.durability': [503, 'The database does not make commits durable.'],
  'store.locked': [503, 'Another process has the SQLite database open.'],
  'store.other': [503, 'The database is another one than this node has worked with.'],
  'secret.unreadable': [503, 'A stored secret cannot be decrypted with this master key.'],
  'evidence.invalid': [422, 'Evidence does not hold: it was changed, or is not what it says it is.'],
  'audit.unavailable': [503, 'The record of a call cannot be made durable, so the call is refused.'],
  'mail.off': [409, 'This authority sends no mail.'],
  'mail.failed': [502, 'The mail server did not take a mail.'],
  'audit.rolled_back': [
    503,
    'The evidence is older than what was signed: it was restored from a copy, or cut.',
  ],
  'spool.locked': [503, 'Another process uses the same spool directory.'],
  'point.fenced': [409, 'A newer start of the same enforcement point has taken its place.'],
  'point.forged': [
    403,
    'An enforcement point ships records that are not its own, or that it does not vouch for.',
  ],
  'authority.unreachable': [503, 'The authority does not answer.'],
  'upstream.unreachable': [502, 'The MCP server behind the gateway does not answer.'],
  'upstream.timeout': [504, 'The MCP server behind the gateway took too long.'],
  'upstream.invalid': [502, 'The MCP server behind the gateway answered with something that is not MCP.'],
  'token.refused': [401, 'The authorization server did not issue a token.'],
  'agent.halted': [401, 'The agent may not act any more: its authority, or a server, says no.'],
  internal: [500, 'A fault of ours: it is in the log under the request id.'],
} as const satisfies Record<string, readonly [status: number, meaning: string]>

export type ErrorCode = keyof typeof ERRORS

/**
 * An expected failure that someone can act on. `message` may reach a stranger; `cause` stays in this process.
 * @example throw new AppError('not_found', 'No agent "support-bot" in northwind.')
 */
export class AppError extends Error {
  override name = 'AppError'
  readonly code: ErrorCode
  /** Where in the input the fault lies, for example `servers.billing.tools.refund.needs`. */
  readonly path: string | undefined
  constructor(code: ErrorCode, message: string, options: { cause?: unknown; path?: string } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.path = options.path
  }
  get status(): number {
    return ERRORS[this.code][0]
  }
}
