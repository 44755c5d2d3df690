import type { AdminApi, Output } from '@valetkey/sdk/contract'
import type { Command } from 'commander'
import { addConfirmOptions, type ConfirmOptions, confirm } from '../confirm.ts'
import { addCommand, addGroup, type Session, withSession } from '../session.ts'
import { type Io, UsageError, type View } from '../terminal/index.ts'

type EvidenceLog = Output<AdminApi['evidence']['logs']>['items'][number]

const view: View<EvidenceLog> = {
  kind: 'EvidenceLog',
  name: log => log.origin,
  columns: [
    { header: 'LOG', value: log => log.origin },
    { header: 'RECORDS', value: log => String(log.entries) },
    { header: 'SIGNED', value: log => String(log.signed) },
    { header: 'COSIGNED', value: log => String(log.cosigned) },
    { header: 'NAME', value: log => log.name, wide: true },
    { header: 'GENERATION', value: log => String(log.generation), wide: true },
  ],
}

/** Adds the commands about the logs themselves: what there is, its keys, its newest checkpoint, erasing. */
export function addLogs(group: Command, io: Io): void {
  addCommand(group, 'logs', {
    summary: 'List the logs: how many records each has, how many are signed, how many a witness has seen',
    examples: [
      ['valetkey audit logs', 'all'],
      ['valetkey audit logs --org northwind --json', 'with its checkpoint and keys'],
    ],
  }).action(
    withSession(io, async ({ api, organization, print }) =>
      print.list(view, (await api.evidence.logs(organization)).items),
    ),
  )
  addCommand(group, 'checkpoint', {
    summary:
      'Print the newest signed checkpoint, to keep it elsewhere: it dates and counts all that is on record',
    examples: [
      ['valetkey audit checkpoint --org northwind > northwind.checkpoint', 'of an organization'],
      ['valetkey audit checkpoint > heads.checkpoint', 'of the log that notes the heads of all others'],
    ],
  }).action(withSession(io, checkpoint))
  addKeys(group, io)
  addConfirmOptions(
    addCommand(group, 'erase', {
      summary: 'Erase arguments and details of records; the log stays as it is, and valid',
      examples: [
        [
          "valetkey audit erase --person jane@northwind.dev --reason 'her request of 3 May'",
          'what was done for a person',
        ],
        [
          "valetkey audit erase --resource customer/jane --org northwind --reason 'contract ended'",
          'what touched a resource',
        ],
      ],
    })
      .option('--person <name>', 'what was done for this person, and what was changed of them')
      .option('--resource <path>', 'calls that touched this resource, or what lay in it')
      .option('--record <id>', 'one record, by the id of its decision or change'),
  ).action(withSession(io, erase))
}

function addKeys(group: Command, io: Io): void {
  const keys = addGroup(group, 'key', {
    summary: 'The keys that the logs are signed with',
    examples: [
      ['valetkey audit key ls > northwind.keys', 'what verifiers and witnesses are told to trust'],
      ['valetkey audit key rotate', 'let a new one sign; the one before vouches for it'],
    ],
  })
  addCommand(keys, 'ls', {
    summary: 'Print the keys to trust for all logs of this environment, and which follows which, one a line',
    examples: [
      ['valetkey audit key ls', 'for a verifier: --key-file; for a witness: --trust-file'],
      ['valetkey audit key ls > northwind.keys', 'into a file'],
    ],
  }).action(
    withSession(io, async ({ api, io }) => {
      const { trust } = await api.evidence.logs({})
      io.out.write(trust.map(line => `${line}\n`).join(''))
    }),
  )
  addConfirmOptions(
    addCommand(keys, 'rotate', {
      summary:
        'Let a new key sign the logs; whoever knows the one before can go on, since that vouches for it',
      examples: [
        ['valetkey audit key rotate > northwind.keys', 'and give the new lines to witnesses'],
        ["valetkey audit key rotate --compromised --reason 'a stolen backup'", 'the keys before are void'],
      ],
    }).option(
      '--compromised',
      'no key from before signs or vouches for anything any more: all need the new one',
    ),
  ).action(withSession(io, rotate))
}

async function rotate(session: Session, options: ConfirmOptions & { compromised?: boolean }): Promise<void> {
  const { api, io } = session
  const { compromised = false, reason, dryRun } = options
  const preview = compromised
    ? [
        'No key from before signs any more, or vouches for one that follows.',
        'Whoever verifies, and every witness, has to be given the new key over a channel that can be trusted.',
      ]
    : ['The key that signs now vouches for a new one, and signs beside it until the next rotation.']
  if (
    (compromised || dryRun) &&
    !(await confirm(session, { name: 'logs', preview, incident: true }, options))
  )
    return
  const { trust } = await api.evidence.rotateKey({ compromised, reason })
  io.out.write(trust.map(line => `${line}\n`).join(''))
}

async function checkpoint({ api, io, organization }: Session): Promise<void> {
  const { items } = await api.evidence.logs(
    organization.organization === undefined ? { log: 'heads' } : organization,
  )
  const { checkpoint } = items.at(-1) ?? {}
  if (!checkpoint)
    throw new UsageError('There is no checkpoint yet.', 'Nothing was recorded there, or nothing is signed.')
  io.out.write(checkpoint)
}

async function erase(
  session: Session,
  options: ConfirmOptions & { person?: string; resource?: string; record?: string },
): Promise<void> {
  const { api, organization, print } = session
  const { person, resource, record } = options
  const name = person ?? resource ?? record
  if (name === undefined)
    throw new UsageError('Nobody said what to erase.', 'It takes one of --person, --resource and --record.')
  const preview = [
    'Arguments and details of these records are gone for good; that they were there, and that you erased them, stays.',
  ]
  const { reason } = options
  if (reason === undefined)
    throw new UsageError(
      'Nobody said why.',
      'What was erased stays on record, with the reason.',
      'Add --reason TEXT.',
    )
  if (!(await confirm(session, { name, preview }, options))) return
  const { erased } = await api.evidence.erase({ ...organization, person, resource, record, reason })
  print.say(erased === 1 ? 'Erased what lay beside 1 record.' : `Erased what lay beside ${erased} records.`)
}
