/** What a client that nobody has changed does for a person, step by step. */
export const STEPS = {
  signIn: 'sign-in',
  less: 'less than it asked for',
  call: 'call',
  stepUp: 'step-up',
  refresh: 'refresh',
  revoked: 'revoked, and stops',
} as const
export type Step = keyof typeof STEPS

/** How it comes to be known: it registers itself, is described by a document at its id, or was registered beforehand. */
export const KNOWN = {
  dynamic: 'registers itself',
  document: 'by a document',
  registered: 'registered here',
} as const
export type Known = keyof typeof KNOWN

export const CLIENTS = {
  'sdk-v1': 'MCP SDK v1 (`@modelcontextprotocol/sdk` 1.32.2)',
  'sdk-v2': 'MCP SDK v2 (`@modelcontextprotocol/client` 2.4.0)',
  'mcp-remote': '`mcp-remote` 0.15.1',
  inspector: 'Inspector, command line (2.12.0)',
  oauth4webapi: '`oauth4webapi` 3.8.8, strictly',
  'openid-client': '`openid-client` 6.8.9, strictly',
} as const
export type ClientName = keyof typeof CLIENTS

/** What comes of a step: it works, or it ends in the one way that is known, which the note tells. */
export type Cell = 'works' | NoteName

export const NOTES = {
  renewsInstead:
    'It has its refresh token in store and renews instead of asking for more, which brings nothing new; so it ends with “auth() returned AUTHORIZED without authorization code”, and goes on with what it may do already.',
  asksAgain:
    'It asks for no `offline_access`, so it gets no refresh token: when its token is over, it leads its person to the page, where a click is enough. That is what lets it ask for more in the step before.',
} as const
export type NoteName = keyof typeof NOTES

export interface Row {
  client: ClientName
  known: Known
  steps: Readonly<Record<Step, Cell>>
}

const ALL = {
  signIn: 'works',
  less: 'works',
  call: 'works',
  stepUp: 'works',
  refresh: 'works',
  revoked: 'works',
} as const

/** Who was walked through which step, and what came of it. `docs/clients.md` shows the same. */
export const MATRIX: readonly Row[] = [
  { client: 'sdk-v1', known: 'dynamic', steps: { ...ALL, refresh: 'asksAgain' } },
  { client: 'sdk-v1', known: 'document', steps: { ...ALL, refresh: 'asksAgain' } },
  { client: 'sdk-v1', known: 'registered', steps: { ...ALL, refresh: 'asksAgain' } },
  { client: 'sdk-v2', known: 'dynamic', steps: ALL },
  { client: 'sdk-v2', known: 'document', steps: ALL },
  { client: 'sdk-v2', known: 'registered', steps: ALL },
  { client: 'mcp-remote', known: 'dynamic', steps: ALL },
  { client: 'mcp-remote', known: 'document', steps: ALL },
  { client: 'inspector', known: 'dynamic', steps: { ...ALL, stepUp: 'renewsInstead' } },
  { client: 'inspector', known: 'registered', steps: ALL },
  { client: 'oauth4webapi', known: 'dynamic', steps: ALL },
  { client: 'openid-client', known: 'dynamic', steps: ALL },
]
