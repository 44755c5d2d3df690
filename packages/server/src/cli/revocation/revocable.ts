import type { AdminApi, Input } from '@valetkey/sdk/contract'
import { decodeJwt } from 'jose'
import {
  findAgent,
  findCredential,
  findDelegation,
  findGrant,
  findOrganization,
  findPerson,
  findServer,
} from '../find.ts'
import { previewOf } from '../principal/agent.ts'
import { whetherInUse } from '../principal/credential-calls.ts'
import type { Session } from '../session.ts'
import { UsageError } from '../terminal/index.ts'

type Kind = Input<AdminApi['revocations']['create']>['kind']

/** What is to be taken back, or frozen. */
export interface Named {
  id: string
  organization?: string | undefined
  /** What people call it. */
  name: string
  /** What else there is to know of it before it is taken back. */
  about?: readonly string[]
}

interface Noun<K extends string> {
  kind: K
  /** As an argument in an example. */
  example: string
  /** What taking it back means, to go on from "Take back". */
  revoke: string
  /** What freezing it means, to go on from "Refuse". */
  freeze: string
  find(session: Session, text: string): Promise<Named>
}

/** Everything that can be taken back, by the word that a command has for it. */
export const NOUNS: Record<string, Noun<Kind>> = {
  agent: {
    kind: 'agent',
    example: 'support-bot',
    revoke: 'all that an agent acts with: its credentials, tokens, grants and delegations',
    freeze: 'all calls of an agent',
    async find(session, text) {
      const agent = await findAgent(session, text)
      const { id, organization, name } = agent
      return { id, organization, name, about: (await previewOf(session, agent)).slice(0, 1) }
    },
  },
  credential: {
    kind: 'credential',
    example: 'crd_01kam9',
    revoke: 'one credential, with the tokens that it got and the delegations that were made by it',
    freeze: 'what a credential got, and give it no more',
    async find(session, text) {
      const { id } = await findCredential(session, text)
      return { id, ...session.organization, name: id, about: await whetherInUse(session, id) }
    },
  },
  token: {
    kind: 'token',
    example: '-',
    revoke: 'one access token, by its id (jti), or with - by reading the token itself',
    freeze: 'one access token, by its id (jti), or with - by reading the token itself',
    async find(session, text) {
      const id = text === '-' ? tokenId(await session.io.in.readAll()) : text
      if (id.startsWith('ey') && id.includes('.'))
        throw new UsageError(
          'This is a token, not the id of one.',
          'Arguments can be read by everyone on this machine.',
          'Use "-" and give the token on the standard input.',
        )
      return { id, ...session.organization, name: id }
    },
  },
  grant: {
    kind: 'grant',
    example: 'gnt_01kam9',
    revoke: 'what a person let an agent do, and what was handed on of it',
    freeze: 'what an agent does for a person by a grant',
    find: by(findGrant, ({ id }) => id),
  },
  delegation: {
    kind: 'delegation',
    example: 'dlg_01kam9',
    revoke: 'what an agent let another do, and all that was handed on of it',
    freeze: 'what an agent does for another by a delegation, and all that follows from it',
    find: by(findDelegation, ({ id }) => id),
  },
  person: {
    kind: 'person',
    example: 'maya@northwind.dev',
    revoke: 'what a person let agents do, and suspend the person, whose agents are then refused too',
    freeze: 'a person, and the agents that the person owns',
    find: by(findPerson, ({ id, email }) => email ?? id),
  },
  server: {
    kind: 'server',
    example: 'billing',
    revoke: 'a whole MCP server, for good: its calls are refused, its keys open nothing',
    freeze: 'all calls of an MCP server',
    find: by(findServer, ({ name }) => name),
  },
  tool: {
    kind: 'tool',
    example: 'billing/refund_invoice',
    revoke: 'the rule of a tool: it is refused until it is mapped again',
    freeze: 'all calls of a tool',
    find: async (_, text) => ({ id: text, name: text }),
  },
  organization: {
    kind: 'organization',
    example: 'contoso',
    revoke: 'everything that an organization may, for good',
    freeze: 'all calls in an organization',
    find: by(findOrganization, ({ slug }) => slug),
  },
  key: {
    kind: 'signing_key',
    example: 'key_01kam9',
    revoke: 'a signing key: every token that it signed is refused',
    freeze: '',
    find: async (_, text) => ({ id: text, name: text }),
  },
}

/** Finds a thing by what the command line has, and says what people call it. */
function by<T extends { id: string; organization?: string }>(
  find: (session: Session, text: string) => Promise<T>,
  nameOf: (found: T) => string,
): Noun<Kind>['find'] {
  return async (session, text) => {
    const found = await find(session, text)
    return { id: found.id, organization: found.organization, name: nameOf(found) }
  }
}

/** The `jti`; the token itself is not sent anywhere. */
function tokenId(token: string): string {
  try {
    const { jti } = decodeJwt(token.trim())
    if (jti) return jti
  } catch {}
  throw new UsageError(
    'What came on the standard input is not an access token.',
    'It holds no token id (jti).',
  )
}
