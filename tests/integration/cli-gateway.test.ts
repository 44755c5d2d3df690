import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ISSUER, start } from './product.ts'
import { openTerminal } from './terminal.ts'

test.each([
  [
    'an agent that was not enrolled',
    ['--as', 'nobody', '--upstream', 'http://127.0.0.1:1/mcp'],
    'No agent "nobody" was enrolled',
  ],
  ['an agent and nothing to call', ['--as', 'support-bot'], 'Which server shall it call'],
  ['a command under no name', ['--as', 'support-bot', '--', 'true'], 'Which server is the command'],
  [
    'an agent at a server that is governed here too',
    ['--as', 'a', '--server', 'b', '--upstream', 'http://127.0.0.1:1'],
    'Who decides the calls',
  ],
  [
    'a secret file over stdio',
    ['--as', 'a', '--upstream', 'http://127.0.0.1:1', '--secret-file', 'x'],
    'no secret over stdio',
  ],
  ['a gateway before nothing', ['--server', 'files'], 'Where does the server itself answer'],
  ['no server at all', [], 'Before which server'],
  [
    'an address and a command',
    ['--server', 'files', '--upstream', 'http://127.0.0.1:1', '--', 'true'],
    'not both',
  ],
])('%s is refused', async (_, args, reason) => {
  await using product = await start()
  await using terminal = await openTerminal(product)
  const env = {
    VALETKEY_URL: ISSUER,
    VALETKEY_TOKEN: product.adminToken,
    VALETKEY_AGENT_DIRECTORY: join(terminal.directory, 'agents'),
  }
  const refused = await terminal.valetkey(['gateway', ...args], { env })
  expect(refused.code).toBeGreaterThan(0)
  expect(refused.err).toContain(reason)
})
