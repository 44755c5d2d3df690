import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { AdminApi, Output } from '@valetkey/sdk/contract'
import type { Command } from 'commander'
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK } from 'jose'
import { addConfirmOptions, type ConfirmOptions } from '../confirm.ts'
import { expiryOf } from '../expiry.ts'
import { findAgent } from '../find.ts'
import { addWaitOption, type WaitOptions } from '../revocation/barrier.ts'
import { revokeNamed } from '../revocation/revoke.ts'
import { reserveSecretFile } from '../secret-file.ts'
import { addCommand, addGroup, allPages, type Session, withSession } from '../session.ts'
import { type Io, parseMoment, UsageError, type View } from '../terminal/index.ts'
import { type CredentialCalls, callsByCredential, NO_CALLS } from './credential-calls.ts'

type Credential = Output<AdminApi['credentials']['list']>['items'][number]

const view: View<Credential> = {
  kind: 'Credential',
  name: credential => credential.id,
  columns: [
    { header: 'ID', value: credential => credential.id },
    { header: 'KIND', value: credential => credential.kind },
    { header: 'STATUS', value: credential => credential.status },
    { header: 'LABEL', value: credential => credential.label },
    { header: 'CREATED', value: credential => ({ time: credential.createdAt }) },
    { header: 'LAST USED', value: credential => ({ time: credential.lastUsedAt }) },
    { header: 'EXPIRES', value: credential => ({ time: credential.expiresAt }) },
    { header: 'CLIENT ID', value: credential => credential.clientId, wide: true },
    { header: 'LAST USED FROM', value: credential => credential.lastUsedFrom, wide: true },
    { header: 'CREATED BY', value: credential => credential.createdBy, wide: true },
  ],
}

/** What came by a credential in the time that is looked at; null where the record does not say. */
type Used = Credential & { calls: CredentialCalls | null }

const usedView: View<Used> = {
  ...view,
  columns: view.columns.flatMap(column =>
    column.header === 'EXPIRES'
      ? [
          {
            header: 'CALLS',
            value: ({ calls }: Used) => calls && calls.permitted + calls.refused,
            align: 'right' as const,
          },
          { header: 'LAST CALL', value: ({ calls }: Used) => ({ time: calls?.last ?? null }) },
          column,
        ]
      : [column],
  ),
}

/** Credentials: how an agent proves who it is. Several at a time, so that rotation overlaps. */
export function register(program: Command, io: Io): void {
  const group = addGroup(program, 'credential', {
    summary: "Agents' credentials: list, create, revoke",
    examples: [
      [
        'valetkey credential create support-bot --generate --key-file support-bot.jwk',
        'a key; it stays here',
      ],
      ['valetkey credential revoke crd_01kam9 --reason leaked --wait', 'take it back, everywhere'],
    ],
  })
  addCommand(group, 'ls <agent>', {
    summary: "List an agent's credentials, and how many calls still come by each",
    examples: [
      ['valetkey credential ls support-bot', 'with the calls of the last 7 days: is the old key out of use?'],
      ['valetkey credential ls support-bot --since 24h -o wide', 'of the last day; and from where'],
    ],
  })
    .option('--since <time>', 'count calls from then on', '7d')
    .action(withSession(io, list))
  addCommand(group, 'create <agent>', {
    summary: 'Give an agent a key or, if it must be, a secret',
    examples: [
      [
        'valetkey credential create support-bot --generate --key-file support-bot.jwk',
        'make a key pair here',
      ],
      ['valetkey credential create support-bot --key public.jwk --expires 90d', 'a key that exists'],
    ],
  })
    .option('--key <file>', 'public key as a JWK')
    .option('--generate', 'make a key pair here; its public part is registered')
    .option('--key-file <file>', 'where to write the private key that --generate makes')
    .option('--secret', 'a client secret instead of a key, for clients that cannot sign')
    .option('--secret-file <file>', 'where to write the secret; else it is printed, once')
    .option('--label <text>', 'what it is for')
    .option('--expires <time>', 'when it ends: 90d, 12h or 2027-01-31')
    .option('--legacy-audience', 'let assertions name the token endpoint as audience, for old clients')
    .action(withSession(io, create))
  addConfirmOptions(
    addWaitOption(
      addCommand(group, 'revoke <credential>', {
        summary: 'Take a credential back, at every enforcement point',
        examples: [
          ['valetkey credential revoke crd_01kam9 --reason leaked', 'at once'],
          [
            'valetkey credential revoke crd_01kam9 --reason leaked --wait',
            'and wait until all have confirmed',
          ],
        ],
      }),
    ),
  ).action(
    withSession(io, (session, text: string, options: ConfirmOptions & WaitOptions) =>
      revokeNamed(session, 'credential', text, options),
    ),
  )
}

async function list(session: Session, text: string, options: { since: string }): Promise<void> {
  const { io, utc, api, print } = session
  const since = parseMoment(options.since, 'from', { now: io.now(), utc })
  const { id, organization } = await findAgent(session, text)
  const credentials = await allPages(page => api.credentials.list({ ...page, agent: id, organization }))
  const counted = await callsByCredential(session, { agent: id, organization, since })
  const used = credentials.map(credential => ({
    ...credential,
    calls: counted ? (counted.calls.get(credential.id) ?? NO_CALLS) : null,
  }))
  const lookedBackTo = counted?.lookedBackTo ?? null
  print.list(usedView, used, { since, lookedBackTo })
  if (lookedBackTo !== null)
    print.note(`There are too many calls to count them all: only what came after ${lookedBackTo} was.`)
}

interface CreateOptions {
  key?: string
  generate?: boolean
  keyFile?: string
  secret?: boolean
  secretFile?: string
  label?: string
  expires?: string
  legacyAudience?: boolean
}

async function create(session: Session, text: string, options: CreateOptions): Promise<void> {
  checkOptions(options)
  const agent = await findAgent(session, text)
  const file = options.keyFile ?? options.secretFile
  await using target = file === undefined ? undefined : await reserveSecretFile(session.io, file)
  const pair = options.generate ? await generateKey() : undefined
  const created = await session.api.credentials.create({
    agent: agent.id,
    organization: agent.organization,
    kind: options.secret ? 'secret' : 'key',
    publicKey:
      pair?.publicKey ?? (options.key === undefined ? undefined : await readKey(session.io, options.key)),
    label: options.label,
    expiresAt: options.expires === undefined ? null : expiryOf(options.expires, session),
    legacyAudience: options.legacyAudience,
  })
  const { secret, ...credential } = created
  const { print } = session
  const written = await target?.write(`${pair ? JSON.stringify(pair.privateKey, null, 2) : secret}\n`)
  const shown = secret !== null && !written ? { ...credential, secret } : credential
  print.item(
    { ...view, columns: [...view.columns, ...(secret !== null && !written ? [secretColumn] : [])] },
    shown,
  )
  if (written) print.note(`${pair ? 'Private key' : 'Secret'} written to ${written}: nothing else has it.`)
  else if (secret !== null) print.note('The secret is shown this once. Have you copied it?')
}

const secretColumn = {
  header: 'SECRET',
  value: (credential: Credential & { secret?: string }) => credential.secret ?? null,
}

function checkOptions({ key, generate, keyFile, secret, secretFile }: CreateOptions): void {
  const ways = [key !== undefined, generate, secret].filter(Boolean).length
  if (ways !== 1)
    throw new UsageError(
      ways === 0 ? 'What should the credential be?' : 'A credential is one thing only.',
      'It is a key that exists (--key), a new key (--generate) or a secret (--secret).',
      'Add --generate --key-file FILE.',
    )
  if (generate && keyFile === undefined)
    throw new UsageError(
      'Where should the private key go?',
      'A private key is never printed.',
      'Add --key-file FILE.',
    )
  if ((keyFile !== undefined && !generate) || (secretFile !== undefined && !secret))
    throw new UsageError(
      'There is nothing to write to that file.',
      '--key-file goes with --generate, --secret-file with --secret.',
    )
}

async function generateKey(): Promise<{ publicKey: PublicKey; privateKey: JWK }> {
  const pair = await generateKeyPair('ES256', { extractable: true })
  const publicJwk = await exportJWK(pair.publicKey)
  const common = { alg: 'ES256', use: 'sig', kid: await calculateJwkThumbprint(publicJwk) }
  return {
    publicKey: { ...publicJwk, kty: 'EC', ...common },
    privateKey: { ...(await exportJWK(pair.privateKey)), ...common },
  }
}

type PublicKey = { kty: 'EC' | 'OKP' | 'RSA'; crv?: string; alg?: string; [member: string]: unknown }

async function readKey(io: Io, file: string): Promise<PublicKey> {
  try {
    const key = JSON.parse(await readFile(resolve(io.cwd, file), 'utf8')) as PublicKey
    if (!('d' in key)) return key
  } catch (error) {
    const why = error instanceof SyntaxError ? 'It is not JSON.' : (error as Error).message
    throw new UsageError(
      `Cannot read the key in ${file}.`,
      why,
      'Name a file that holds a public key as a JWK.',
    )
  }
  throw new UsageError(
    `${file} holds a private key.`,
    'Only the public part leaves the agent; nothing was sent.',
    'Name a file that holds the public part only.',
  )
}
