// The support desk on a socket. Set VALETKEY_URL, VALETKEY_SERVER_KEY and VALETKEY_TOKEN, then: node examples/support-desk/main.ts
import { mkdirSync } from 'node:fs'
import { createServer } from 'node:http'
import { type AdminApi, api, createClient } from '@valetkey/sdk/contract'
import { createGuard } from '@valetkey/sdk/guard'
import { openDatabase } from './database.ts'
import { createDesk } from './desk.ts'
import { registerAll } from './register.ts'

const { VALETKEY_URL: baseUrl = '', VALETKEY_TOKEN: token = '', PORT = '8787' } = process.env
mkdirSync('.valetkey', { recursive: true })
const db = openDatabase('.valetkey/support-desk.db')
await registerAll(db, createClient<AdminApi>(api, { baseUrl, token: () => token }))

const guard = createGuard()
createServer(guard.node(createDesk(db).fetch)).listen(Number(PORT), '127.0.0.1')
await guard.ready()
console.log(`The support desk answers at http://127.0.0.1:${PORT}/mcp`)
