// An MCP server on SDK v2 with the guard in front. Set VALETKEY_URL and VALETKEY_SERVER_KEY, then: node examples/guard-sdk-v2.ts
import { createServer } from 'node:http'
import { createGuard } from '@valetkey/sdk/guard'
import { createInvoices } from './invoices.ts'

const guard = createGuard()
createServer(guard.node(createInvoices().fetch)).listen(Number(process.env['PORT'] ?? 8787), '127.0.0.1')
