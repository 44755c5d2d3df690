import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import { addExamples } from '../session.ts'
import type { Io } from '../terminal/index.ts'
import { findFreePort } from './demo/files.ts'
import type { AskSomebody } from './demo/stage.ts'
import { type Step, tellStory } from './demo/story.ts'
import { startDevAuthority } from './dev-authority.ts'

/** Registers `valetkey demo`: the product at work, with real parties, in a folder that is gone afterwards. */
export function register(program: Command, io: Io): void {
  const command = program
    .command('demo')
    .description('Watch a real agent be let in, be refused, and be shut out.')
    .option('--json', 'print one JSON object with every status and time')
    .option('--browser', 'answer for the person in a browser of your own')
    .action(async (options: { json?: true; browser?: true }) => runDemo(io, options))
  addExamples(command, [
    ['valetkey demo', 'the story, in about two seconds'],
    ['valetkey demo --json', 'the same for a program'],
    ['valetkey demo --browser', 'you are the person who is asked'],
  ])
}

async function runDemo(io: Io, options: { json?: true; browser?: true }): Promise<void> {
  const isJson = options.json === true
  const directory = await mkdtemp(join(tmpdir(), 'valetkey-demo-'))
  const port = await findFreePort()
  const { authority, token } = await startDevAuthority({
    directory: join(directory, 'authority'),
    port,
    logLevel: 'error',
  })
  try {
    if (!isJson)
      io.out.write(
        `\n  Valet Key demo: an authority at ${authority.url}, a guarded server, a gateway, real clients\n\n`,
      )
    const story = await tellStory({
      url: authority.url,
      token,
      directory,
      askSomebody: options.browser && (ask => io.err.write(toInvitation(ask))),
      onStep: step => {
        if (!isJson) io.out.write(toText(step))
      },
    })
    if (isJson) io.out.write(`${JSON.stringify({ apiVersion: 'v1', kind: 'Demo', ...story })}\n`)
    else
      io.out.write(
        `\n  Done in ${(story.totalMs / 1000).toFixed(1)} s. Try it on your own server: README.md, "Protect your server".\n\n`,
      )
  } finally {
    await authority.close()
    await rm(directory, { recursive: true, force: true })
  }
}

function toInvitation({ url, email, password }: Parameters<AskSomebody>[0]): string {
  return `  Open   ${url}\n  as     ${email}, password "${password}"\n  and let support-bot read tickets and invoices, for Acme, for a day.\n\n`
}

const SIGNS: Partial<Record<Step['status'] & string, string>> = {
  permitted: '✓',
  refused: '✗',
  'shut out': '✗',
  proved: '✓',
  found: '✗',
}

function toText(step: Step): string {
  const sign = typeof step.status === 'number' ? (step.status < 400 ? '✓' : '✗') : (SIGNS[step.status] ?? '·')
  const head = `${String(step.step).padStart(3)}  ${step.title}`
  return `${head}\n     ${sign} ${step.status}  ${step.text}  (${step.ms} ms)\n\n`
}
