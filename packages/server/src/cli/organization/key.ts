import type { AdminApi, Output } from '@valetkey/sdk/contract'
import type { Command } from 'commander'
import { addConfirmOptions, type ConfirmOptions, confirm } from '../confirm.ts'
import { addWaitOption, barrierSentence, type WaitOptions, waitMsOf } from '../revocation/barrier.ts'
import { addCommand, addGroup, type Session, withSession } from '../session.ts'
import { EXIT, type Io, type View } from '../terminal/index.ts'

type SigningKey = Output<AdminApi['signingKeys']['rotate']>

const view: View<SigningKey> = {
  kind: 'SigningKey',
  name: key => key.kid,
  columns: [
    { header: 'KEY', value: key => key.kid },
    { header: 'STATUS', value: key => key.status },
    { header: 'SIGNS FROM', value: key => ({ time: key.signsFrom }) },
    { header: 'ENDS', value: key => ({ time: key.endsAt }) },
    { header: 'ALGORITHM', value: key => key.algorithm },
    { header: 'CREATED', value: key => ({ time: key.createdAt }), wide: true },
  ],
}

/** The keys that the authority signs tokens with. */
export function register(program: Command, io: Io): void {
  const group = addGroup(program, 'key', {
    summary: 'The keys that tokens are signed with: change them, take one away',
    examples: [
      ['valetkey key ls', 'which one signs, which follows, which still verifies'],
      ['valetkey key rotate', 'change keys without a restart, and without a refused token'],
    ],
  })
  addCommand(group, 'ls', {
    summary: 'List the keys that tokens are, were and will be signed with',
    examples: [
      ['valetkey key ls', 'as a table'],
      ['valetkey key ls --json', 'for a script'],
    ],
  }).action(
    withSession(io, async ({ api, print }) => print.list(view, (await api.signingKeys.list({})).items)),
  )
  addCommand(group, 'rotate', {
    summary: 'Let the next key sign, as soon as everybody knows it; the one before goes by itself',
    examples: [
      ['valetkey key rotate', 'at once, where the next key is known for a quarter of an hour'],
      ['valetkey key rotate --urgent', 'after ten seconds at most'],
    ],
  })
    .option('--urgent', 'wait for guards and gateways only, not for others that verify tokens')
    .action(withSession(io, rotate))
  addConfirmOptions(
    addWaitOption(
      addCommand(group, 'retire <key>', {
        summary: 'Take a key away: every token that it has signed is refused at once',
        examples: [
          ['valetkey key retire key_01kam9 --reason leaked --wait', 'and know when that holds everywhere'],
          ['valetkey key retire key_01kam9 --dry-run', 'see what that touches'],
        ],
      }),
    ),
  ).action(withSession(io, retire))
}

async function rotate({ api, print }: Session, { urgent = false }: { urgent?: boolean }): Promise<void> {
  const key = await api.signingKeys.rotate({ urgent })
  print.item(view, key)
}

async function retire(session: Session, kid: string, options: ConfirmOptions & WaitOptions): Promise<void> {
  const preview = [
    'Every token that it has signed is refused, and its agents have to fetch new ones.',
    'If it is the one that signs, the next one takes over at once.',
  ]
  if (!(await confirm(session, { name: kid, preview, incident: true }, options))) return
  const { api, print, io } = session
  const waitMs = waitMsOf(options)
  const { barrier, ...key } = await api.signingKeys.retire({ kid, reason: options.reason, waitMs })
  print.item(view, key)
  if (barrier) print.say(barrierSentence(barrier))
  if (barrier && !barrier.complete) io.exitCode = EXIT.unreachable
}
