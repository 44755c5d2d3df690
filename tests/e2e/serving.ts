import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type AdminApi, api, type Client, createClient } from '@valetkey/sdk/contract'
import { findFreePort } from '../../packages/server/src/cli/run/demo/files.ts'
import { type Program, valetkey } from './program.ts'

/** What a node of `valetkey serve` is started with; always the same, however often. */
export interface Site extends AsyncDisposable {
  readonly directory: string
  readonly url: string
  readonly adminUrl: string
  readonly env: Record<string, string>
  /** Starts a node, and waits until it serves. */
  serve(env?: Record<string, string>): Promise<Program>
  /** Starts a node that is not expected to serve. */
  attempt(env?: Record<string, string>): Program
  /** An administrator, by the one-time code of the node that runs. */
  claim(node: Program): Promise<{ token: string; api: Client<AdminApi> }>
}

const CODE = /vk_boot_\S+/

/** A place for a node: free ports, a master key, an empty directory that is gone at disposal. */
export async function openSite(settings: Record<string, string> = {}): Promise<Site> {
  const directory = await mkdtemp(join(tmpdir(), 'valetkey-serve-'))
  const [port, adminPort] = [await findFreePort(), await findFreePort()]
  const url = `http://127.0.0.1:${port}`
  const env = {
    VALETKEY_ISSUER: url,
    VALETKEY_MASTER_KEY: randomBytes(32).toString('base64'),
    VALETKEY_HTTP_PORT: String(port),
    VALETKEY_ADMIN_PORT: String(adminPort),
    ...settings,
  }
  const attempt = (more: Record<string, string> = {}) => valetkey(directory, ['serve'], { ...env, ...more })
  return {
    directory,
    url,
    adminUrl: `http://127.0.0.1:${adminPort}`,
    env,
    attempt,
    async serve(more) {
      const node = attempt(more)
      await node.says('valetkey serves ')
      return node
    },
    async claim(node) {
      await node.says(CODE)
      const code = CODE.exec(node.err())?.[0] ?? ''
      const first = createClient(api, { baseUrl: url, token: () => code })
      const { token } = await first.session.bootstrap({ name: 'admin' })
      return { token, api: createClient(api, { baseUrl: url, token: () => token }) }
    },
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  }
}
