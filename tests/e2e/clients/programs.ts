import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { overStdio } from './sdk-v2.ts'
import { type Errand, type Seen, type ToolCall, toSeen, type Visitor } from './visit.ts'

/** mcp-remote puts a variable of its environment here. */
// biome-ignore lint/suspicious/noTemplateCurlyInString: it is mcp-remote's template, not ours
const PLACEHOLDER = '${MCP_CLIENT_SECRET}'

const run = promisify(execFile)

/** mcp-remote 0.15.1 between a desktop host and the server; the secret travels in its environment. */
export function mcpRemote(protocol: 'legacy' | 'auto'): Visitor {
  return errand => {
    const { clientId, clientSecret } = errand.identity.secret
    const info = JSON.stringify({ client_id: clientId, client_secret: PLACEHOLDER })
    const flags = ['--client-credentials', '--protocol', protocol, '--static-oauth-client-info', info]
    return overStdio(errand, {
      args: [programOf('mcp-remote'), errand.url, ...flags],
      env: { MCP_CLIENT_SECRET: clientSecret, MCP_REMOTE_CONFIG_DIR: errand.home },
    })
  }
}

/** The Inspector's command line 2.12.0, one process a question, with a bearer header from a file. */
export function inspector(era: 'legacy' | 'auto' | 'modern'): Visitor {
  return async errand => {
    const config = join(errand.home, `inspector-${era}.json`)
    const headers = { Authorization: `Bearer ${await errand.identity.token(errand.url)}` }
    const server = { type: 'streamable-http', url: errand.url, headers }
    await writeFile(config, JSON.stringify({ mcpServers: { server } }), { mode: 0o600 })
    const ask = (...args: string[]) => inspect(errand, [config, era, ...args])
    const { tools } = (await ask('--method', 'tools/list')) as { tools: { name: string }[] }
    return {
      tools: tools.map(tool => tool.name),
      permitted: await call(ask, errand.permitted),
      refused: await call(ask, errand.refused),
    }
  }
}

type Ask = (...args: string[]) => Promise<unknown>

async function call(ask: Ask, { name, arguments: args }: ToolCall): Promise<Seen> {
  return toSeen(
    await ask('--method', 'tools/call', '--tool-name', name, '--tool-args-json', JSON.stringify(args)),
  )
}

async function inspect(errand: Errand, [config, era, ...args]: string[]): Promise<unknown> {
  const line = [
    programOf('@modelcontextprotocol/inspector'),
    '--cli',
    ...['--config', config ?? '', '--server', 'server', '--protocol-era', era ?? ''],
    ...['--stored-auth-only', '--format', 'json', '--quiet'],
    ...args,
  ]
  const env = { HOME: errand.home, PATH: process.env['PATH'] ?? '' }
  try {
    const { stdout } = await run(process.execPath, line, { env, timeout: 60_000 })
    return resultOf(stdout)
  } catch (fault) {
    // A tool's refusal ends the program with a code of its own; the result is on stdout all the same.
    const { stdout = '', stderr = '' } = fault as { stdout?: string; stderr?: string }
    if (stdout.trim() === '')
      throw new Error(`the Inspector failed: ${stderr.slice(-2_000)}`, { cause: fault })
    return resultOf(stdout)
  }
}

function resultOf(stdout: string): unknown {
  const { result, error } = JSON.parse(stdout) as { result?: unknown; error?: { message: string } }
  if (error) throw new Error(error.message)
  return result
}

/** The file behind a package's first command. */
export function programOf(name: string): string {
  const require = createRequire(import.meta.url)
  for (const folder of require.resolve.paths(name) ?? []) {
    try {
      const path = join(folder, name, 'package.json')
      const { bin } = require(path) as { bin: string | Record<string, string> }
      const file = typeof bin === 'string' ? bin : (bin[name] ?? Object.values(bin)[0])
      if (file !== undefined) return join(dirname(path), file)
    } catch {}
  }
  throw new Error(`${name} is not installed`)
}
