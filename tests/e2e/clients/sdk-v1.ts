import {
  ClientCredentialsProvider,
  PrivateKeyJwtProvider,
} from '@modelcontextprotocol/sdk/client/auth-extensions.js'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import { runErrand, type Visitor } from './visit.ts'

/** `@modelcontextprotocol/sdk` 1.32.2, which speaks 2025-11-25 and no later. */
export function sdkV1(by: 'secret' | 'key'): Visitor {
  return async errand => {
    const { secret, key } = errand.identity
    const expectedIssuer = errand.issuer
    const authProvider =
      by === 'secret'
        ? new ClientCredentialsProvider({ ...secret, expectedIssuer })
        : new PrivateKeyJwtProvider({
            clientId: key.clientId,
            privateKey: { ...key.privateKey },
            algorithm: 'ES256',
            expectedIssuer,
          })
    const client = new Client({ name: 'sdk-v1', version: '1.0.0' })
    const transport = new StreamableHTTPClientTransport(new URL(errand.url), { authProvider })
    // The SDK's own types disagree under exactOptionalPropertyTypes.
    await client.connect(transport as Transport)
    return runErrand(client, errand)
  }
}
