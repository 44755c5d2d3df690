import { enrollAgent, openKeyStore } from '@valetkey/sdk/agent'
import type { Command } from 'commander'
import { findAgent } from '../find.ts'
import { addCommand, type Session, withSession } from '../session.ts'
import type { Io } from '../terminal/index.ts'

/** Where the agents of this machine are kept: the directory that is named, else the keyring or the home directory. */
export function openAgentStore({ env }: Pick<Io, 'env'>) {
  const directory = env['VALETKEY_AGENT_DIRECTORY']
  return openKeyStore(directory === undefined ? {} : { directory })
}

/** Adds `agent enroll`: a key that is made and kept here, for programs on this machine. */
export function addEnroll(group: Command, io: Io): void {
  addCommand(group, 'enroll <agent>', {
    summary: 'Give an agent a key that is made and kept on this machine',
    examples: [
      ['valetkey agent enroll support-bot', 'then: valetkey gateway --as support-bot --upstream URL'],
      ['valetkey agent enroll support-bot --label laptop', 'to tell its credentials apart'],
    ],
  })
    .option('--label <text>', 'what it is for')
    .action(withSession(io, enroll))
}

async function enroll(session: Session, text: string, options: { label?: string }): Promise<void> {
  const { api, io, print } = session
  const { id, organization, name } = await findAgent(session, text)
  const store = await openAgentStore(io)
  const before = await store.load(name)
  const { issuer } = await api.session.whoami({})
  const registry = {
    credentials: {
      create: (input: Parameters<typeof api.credentials.create>[0]) =>
        api.credentials.create({ ...input, agent: id }),
      list: (input: Parameters<typeof api.credentials.list>[0]) =>
        api.credentials.list({ ...input, agent: id }),
    },
  }
  await enrollAgent(registry, {
    ...{ issuer, agent: name, organization, store },
    ...(options.label !== undefined && { label: options.label }),
  })
  print.note(
    before?.clientId
      ? `${name} has a key in ${store.place} already.`
      : `The key of ${name} is kept in ${store.place}.`,
  )
}
