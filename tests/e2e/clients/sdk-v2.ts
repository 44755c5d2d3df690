import {
  Client,
  ClientCredentialsProvider,
  PrivateKeyJwtProvider,
  StreamableHTTPClientTransport,
} from '@modelcontextprotocol/client'
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio'
import { type Errand, runErrand, type Visitor } from './visit.ts'

type Mode = 'legacy' | 'auto' | { pin: string }

/** `@modelcontextprotocol/client` 2.4.0 over streamable HTTP. */
export function sdkV2(mode: Mode, by: 'secret' | 'key'): Visitor {
  return async errand => {
    const client = new Client({ name: 'sdk-v2', version: '1.0.0' }, { versionNegotiation: { mode } })
    const authProvider = by === 'secret' ? bySecret(errand) : byKey(errand)
    await client.connect(new StreamableHTTPClientTransport(new URL(errand.url), { authProvider }))
    return runErrand(client, errand)
  }
}

export function bySecret({ issuer, identity }: Pick<Errand, 'issuer' | 'identity'>) {
  const { clientId, clientSecret } = identity.secret
  return new ClientCredentialsProvider({ clientId, clientSecret, expectedIssuer: issuer })
}

export function byKey({ issuer, identity }: Pick<Errand, 'issuer' | 'identity'>) {
  const { clientId, privateKey } = identity.key
  return new PrivateKeyJwtProvider({
    clientId,
    privateKey: { ...privateKey },
    algorithm: 'ES256',
    expectedIssuer: issuer,
  })
}

/** A host that starts a local program and speaks MCP to it over stdio, as desktop hosts do. */
export async function overStdio(
  errand: Errand,
  program: { args: string[]; env: Record<string, string> },
): ReturnType<Visitor> {
  const client = new Client({ name: 'desktop-host', version: '1.0.0' })
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: program.args,
    env: { HOME: errand.home, PATH: process.env['PATH'] ?? '', ...program.env },
    stderr: 'pipe',
  })
  let noise = ''
  transport.stderr?.on('data', (chunk: Buffer) => {
    noise += chunk.toString()
  })
  try {
    await client.connect(transport)
    return await runErrand(client, errand)
  } catch (cause) {
    throw new Error(`${cause instanceof Error ? cause.message : cause}\n${noise.slice(-2_000)}`, { cause })
  } finally {
    await client.close()
  }
}
