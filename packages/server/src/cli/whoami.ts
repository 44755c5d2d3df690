import type { AdminApi, Output } from '@valetkey/sdk/contract'
import type { Command } from 'commander'
import { addCommand, type Session, withSession } from './session.ts'
import type { Io, View } from './terminal/index.ts'

const view: View<Output<AdminApi['session']['whoami']>> = {
  kind: 'Whoami',
  name: who => who.name,
  columns: [
    { header: 'NAME', value: who => who.name },
    { header: 'ID', value: who => who.id },
    { header: 'PERMISSIONS', value: who => who.permissions.join(' ') },
    { header: 'ISSUER', value: who => who.issuer },
    { header: 'DEV', value: who => (who.dev ? 'yes' : 'no') },
  ],
}

export function register(program: Command, io: Io): void {
  addCommand(program, 'whoami', {
    summary: 'Show who you are here and what you may do',
    examples: [
      ['valetkey whoami', 'as a list'],
      ['valetkey whoami --json', 'for a script'],
    ],
  }).action(withSession(io, whoami))
}

async function whoami({ api, print, context }: Session): Promise<void> {
  print.item(view, await api.session.whoami({}))
  print.note(`Signed in by ${context.source}.`)
}
