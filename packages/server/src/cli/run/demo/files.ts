import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { AppError } from '@valetkey/sdk/core'
import { readOffer, type ServerOffer } from '@valetkey/sdk/guard'

/** The unmodified filesystem server, made reachable over HTTP by a bridge that is not ours either. */
export interface FilesServer {
  url: string
  offer: ServerOffer
  /** The folder that it serves. */
  folder: string
  close(): void
}

const START_WITHIN_MS = 15_000

export async function startFilesServer(directory: string): Promise<FilesServer> {
  const folder = join(directory, 'shared')
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'handbook.txt'), 'Refunds over $500 need a second pair of eyes.\n')
  const port = await findFreePort()
  const bridge = binary('mcp-proxy')
  const server = binary('@modelcontextprotocol/server-filesystem')
  const args = [bridge, '--host', '127.0.0.1', '--port', String(port), '--server', 'stream', '--']
  const child = spawn(process.execPath, [...args, process.execPath, server, folder], { stdio: 'ignore' })
  const url = `http://127.0.0.1:${port}/mcp`
  try {
    return { url, folder, offer: await readWhenUp(url, child), close: () => void child.kill() }
  } catch (fault) {
    child.kill()
    throw fault
  }
}

async function readWhenUp(url: string, child: ChildProcess): Promise<ServerOffer> {
  for (const until = Date.now() + START_WITHIN_MS; ; ) {
    try {
      return await readOffer({ url, send: request => fetch(request) })
    } catch (fault) {
      if (child.exitCode !== null || Date.now() > until)
        throw new AppError('upstream.unreachable', 'The filesystem server did not start.', { cause: fault })
      await new Promise(resolve => setTimeout(resolve, 50))
    }
  }
}

/** The program that a package installs. */
function binary(name: string): string {
  const require = createRequire(import.meta.url)
  const base = require.resolve.paths(name)?.map(path => join(path, name, 'package.json')) ?? []
  for (const path of base) {
    try {
      const { bin } = require(path) as { bin: string | Record<string, string> }
      const file = typeof bin === 'string' ? bin : Object.values(bin)[0]
      if (file !== undefined) return join(dirname(path), file)
    } catch {}
  }
  throw new AppError('config.invalid', `The package ${name} is not installed; the demo needs it.`)
}

export async function findFreePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      const port = typeof address === 'object' && address ? address.port : 0
      probe.close(() => resolve(port))
    })
  })
}
