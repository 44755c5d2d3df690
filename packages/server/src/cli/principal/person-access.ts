import type { AdminApi, Output } from '@valetkey/sdk/contract'
import type { Command } from 'commander'
import { addConfirmOptions, type ConfirmOptions, confirm } from '../confirm.ts'
import { findPerson } from '../find.ts'
import { addCommand, type Session, withSession } from '../session.ts'
import type { Io, View } from '../terminal/index.ts'

const invitationView: View<Output<AdminApi['invitations']['create']>> = {
  kind: 'Invitation',
  name: invitation => invitation.id,
  columns: [
    { header: 'EMAIL', value: invitation => invitation.email },
    { header: 'LINK', value: invitation => invitation.url },
    { header: 'EXPIRES', value: invitation => ({ time: invitation.expiresAt }) },
    { header: 'ID', value: invitation => invitation.id, wide: true },
  ],
}

const factorView: View<Output<AdminApi['factors']['remove']>> = {
  kind: 'Factor',
  name: factor => factor.id,
  columns: [
    { header: 'KIND', value: factor => factor.kind },
    { header: 'LABEL', value: factor => factor.label },
    { header: 'CREATED', value: factor => ({ time: factor.createdAt }) },
    {
      header: 'LAST USED',
      value: factor => (factor.lastUsedAt === null ? '-' : { time: factor.lastUsedAt }),
    },
    { header: 'ID', value: factor => factor.id },
  ],
}

/** How a person comes to sign in, and what an administrator does for who has lost something. */
export function registerAccess(group: Command, io: Io): void {
  addCommand(group, 'invite <person>', {
    summary: 'Make the link by which a person sets a password; earlier ones are void',
    examples: [
      ['valetkey person invite maya@northwind.dev', 'printed once: hand it over'],
      ['valetkey person invite maya@northwind.dev --mail', 'mailed as well'],
    ],
  })
    .option('--mail', 'mail it to the person')
    .action(withSession(io, invite))
  addCommand(group, 'factors <person>', {
    summary: 'List what a person signs in by beside a password',
    examples: [
      ['valetkey person factors maya@northwind.dev', 'authenticator app and passkeys'],
      ['valetkey person factors maya@northwind.dev -o name', 'only their ids'],
    ],
  }).action(withSession(io, listFactors))
  addConfirmOptions(
    addCommand(group, 'drop-factor <person> <factor>', {
      summary: 'Take away a factor that a person has lost, and end the person’s sessions',
      examples: [
        ['valetkey person drop-factor maya@northwind.dev fac_01kam9… --reason "lost phone"', 'at once'],
        ['valetkey person drop-factor maya@northwind.dev fac_01kam9… --dry-run', 'see what that touches'],
      ],
    }),
  ).action(withSession(io, dropFactor))
  addConfirmOptions(
    addCommand(group, 'sign-out <person>', {
      summary: 'End all sessions of a person',
      examples: [
        ['valetkey person sign-out maya@northwind.dev --reason "lost laptop"', 'at once'],
        ['valetkey person sign-out maya@northwind.dev --dry-run', 'see what that touches'],
      ],
    }),
  ).action(withSession(io, signOut))
}

async function invite(session: Session, text: string, { mail = false }: { mail?: boolean }): Promise<void> {
  const { id, organization } = await findPerson(session, text)
  session.print.item(invitationView, await session.api.invitations.create({ id, organization, mail }))
}

async function listFactors(session: Session, text: string): Promise<void> {
  const { id, organization } = await findPerson(session, text)
  const { items } = await session.api.factors.list({ id, organization })
  session.print.list(factorView, items)
}

async function dropFactor(
  session: Session,
  text: string,
  factor: string,
  options: ConfirmOptions,
): Promise<void> {
  const { id, organization, externalId: name } = await findPerson(session, text)
  const preview = [
    `${name} signs in without ${factor} from then on, and is signed out everywhere.`,
    'With the last factor the recovery codes go.',
  ]
  if (!(await confirm(session, { name, preview }, options))) return
  const { reason } = options
  session.print.item(factorView, await session.api.factors.remove({ id, organization, factor, reason }))
}

async function signOut(session: Session, text: string, options: ConfirmOptions): Promise<void> {
  const { id, organization, externalId: name } = await findPerson(session, text)
  const preview = [`${name} is signed out everywhere, and may sign in again.`]
  if (!(await confirm(session, { name, preview, incident: true }, options))) return
  await session.api.people.signOut({ id, organization, reason: options.reason ?? '' })
  session.print.say(`All sessions of ${name} have ended.`)
}
