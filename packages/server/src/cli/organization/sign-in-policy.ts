import type { AdminApi, Output } from '@valetkey/sdk/contract'
import { shapes } from '@valetkey/sdk/contract'
import { type Command, Option } from 'commander'
import { findOrganization } from '../find.ts'
import { addCommand, collect, type Session, wholeNumber, withSession } from '../session.ts'
import type { Io, View } from '../terminal/index.ts'

type SignInPolicy = Output<AdminApi['signIn']['get']>

const view: View<SignInPolicy> = {
  kind: 'SignInPolicy',
  name: policy => policy.organization,
  columns: [
    { header: 'METHODS', value: policy => policy.methods.join(', ') },
    { header: 'SECOND FACTOR', value: policy => policy.secondFactor },
    { header: 'SESSION MINUTES', value: policy => policy.sessionMinutes, align: 'right' },
    { header: 'ORGANIZATION', value: policy => policy.organization, wide: true },
  ],
}

interface Changes {
  method?: SignInPolicy['methods']
  secondFactor?: SignInPolicy['secondFactor']
  sessionMinutes?: number
}

/** How the people of an organization sign in. */
export function registerSignIn(group: Command, io: Io): void {
  addCommand(group, 'sign-in <organization>', {
    summary: 'Show or say how the people of an organization sign in',
    examples: [
      ['valetkey org sign-in northwind', 'how they do now'],
      [
        'valetkey org sign-in northwind --method passkey,password --second-factor required',
        'in two ways, and never by a password alone; other sessions end at once',
      ],
    ],
  })
    .option(
      '--method <methods>',
      `${shapes.SignInMethod.options.join(', ')}; several times, or with commas`,
      collect,
    )
    .addOption(
      new Option('--second-factor <when>', 'optional: of who has one').choices(shapes.SecondFactor.options),
    )
    .option('--session-minutes <number>', 'how long a session lasts at most', wholeNumber)
    .action(withSession(io, signIn))
}

async function signIn(session: Session, text: string, changes: Changes): Promise<void> {
  const { id } = await findOrganization(session, text)
  const { method: methods, secondFactor, sessionMinutes } = changes
  const { signIn } = session.api
  const isAsking = Object.values(changes).every(value => value === undefined)
  const policy = isAsking
    ? await signIn.get({ id })
    : await signIn.update({ id, methods, secondFactor, sessionMinutes })
  session.print.item(view, policy)
}
