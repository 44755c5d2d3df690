// The guard in Fastify 5, before its body parser. Set VALETKEY_URL and VALETKEY_SERVER_KEY, then: node examples/guard-fastify.ts
import { createGuard } from '@valetkey/sdk/guard'
import fastify from 'fastify'
import { createInvoices } from './invoices.ts'

const guarded = createGuard().node(createInvoices().fetch)
const app = fastify()
app.addHook('onRequest', (request, reply, next) => {
  let isForOthers = false
  guarded(request.raw, reply.raw, () => {
    isForOthers = true
    next()
  })
  // What the guard answers is no business of Fastify's any more.
  if (!isForOthers) reply.hijack()
})
app.get('/health', async () => 'ok')
await app.listen({ port: Number(process.env['PORT'] ?? 8787), host: '127.0.0.1' })
