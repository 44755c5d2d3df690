// The guard in Hono. Set VALETKEY_URL and VALETKEY_SERVER_KEY, then: node examples/guard-hono.ts
import { serve } from '@hono/node-server'
import { createGuard } from '@valetkey/sdk/guard'
import { Hono } from 'hono'
import { createInvoices } from './invoices.ts'

const guarded = createGuard().fetch(createInvoices().fetch)
const app = new Hono().all('*', c => guarded(c.req.raw))
serve({ fetch: app.fetch, port: Number(process.env['PORT'] ?? 8787), hostname: '127.0.0.1' })
