// The guard in Express 5, before or after express.json(). Set VALETKEY_URL and VALETKEY_SERVER_KEY, then: node examples/guard-express.ts
import { createGuard } from '@valetkey/sdk/guard'
import express from 'express'
import { createInvoices } from './invoices.ts'

const app = express()
app.get('/health', (_, response) => void response.send('ok'))
app.use(createGuard().node(createInvoices().fetch))
app.listen(Number(process.env['PORT'] ?? 8787), '127.0.0.1')
