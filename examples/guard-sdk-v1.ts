// An MCP server on SDK v1 with the guard in front. Set VALETKEY_URL and VALETKEY_SERVER_KEY, then: node examples/guard-sdk-v1.ts
import { createServer } from 'node:http'
import { createGuard } from '@valetkey/sdk/guard'
import { createInvoicesV1 } from './invoices-v1.ts'

const guard = createGuard()
createServer(guard.node(createInvoicesV1())).listen(Number(process.env['PORT'] ?? 8787), '127.0.0.1')
