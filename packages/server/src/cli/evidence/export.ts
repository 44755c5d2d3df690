import { open, rm, writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { addFilters, type CallFlags, toQuery } from '../question/call-query.ts'
import { addCommand, type Session, wholeNumber, withSession } from '../session.ts'
import { type Io, UsageError } from '../terminal/index.ts'

interface LogOptions {
  log?: 'environment' | 'heads'
  generation?: number
  file?: string
}

/** Adds `valetkey audit export` and `valetkey audit receipt`. */
export function addExport(group: Command, io: Io): void {
  addFilters(
    addCommand(group, 'export [filters...]', {
      summary: 'Write evidence that verifies without us: records, proofs, checkpoints, keys, the query',
      examples: [
        ['valetkey audit export --org northwind --file northwind.evidence', 'everything'],
        [
          'valetkey audit export resource:customer/acme on:tuesday --org northwind --file acme.evidence',
          'what was asked for',
        ],
      ],
    })
      .option('--file <file>', 'where to write it; else to the standard output')
      .option('--log <name>', 'environment or heads, instead of an organization')
      .option('--generation <number>', 'an earlier generation of the log', wholeNumber),
  ).action(withSession(io, write))
  addCommand(group, 'receipt <record>', {
    summary: 'Write a receipt that proves one record to whoever has the key (C2SP tlog-proof)',
    examples: [
      ['valetkey audit receipt dec_01m80 --file dec_01m80.tlog-proof', 'of a decision'],
      ['valetkey audit receipt evt_01m80', 'of a change, to the standard output'],
    ],
  })
    .option('--file <file>', 'where to write it; else to the standard output')
    .action(withSession(io, receipt))
}

async function write(session: Session, words: string[], options: CallFlags & LogOptions): Promise<void> {
  const { api, organization, io, print } = session
  const { log, generation, file, ...filters } = options
  if (log === undefined && organization.organization === undefined)
    throw new UsageError(
      'Nobody said which log.',
      'Each organization has one of its own.',
      'Add --org NAME; or --log environment, or --log heads.',
    )
  const query = toQuery(session, words, filters)
  const bundle = await api.evidence.export({ ...query, log, generation })
  if (file === undefined) {
    const decoder = new TextDecoder()
    for await (const bytes of bundle) io.out.write(decoder.decode(bytes, { stream: true }))
    return
  }
  const path = resolve(io.cwd, file)
  const handle = await open(path, 'wx', 0o600)
  try {
    await writeFile(handle, bundle)
    await handle.sync()
  } catch (error) {
    // Half a bundle would be taken for one that was cut.
    await rm(path, { force: true })
    throw error
  } finally {
    await handle.close().catch(() => undefined)
  }
  print.say(
    `Wrote ${file}. To check it, with what "valetkey audit key ls" prints: valetkey audit verify ${file} --key-file KEYS`,
  )
}

async function receipt(session: Session, id: string, { file }: { file?: string }): Promise<void> {
  const { api, io, print } = session
  const { receipt, index, size, origin } = await api.evidence.receipt({ id })
  if (file === undefined) return void io.out.write(receipt)
  await writeFile(resolve(io.cwd, file), receipt, { flag: 'wx', mode: 0o600 })
  print.say(`Wrote ${file}: record ${index} of the ${size} in ${origin}.`)
}
