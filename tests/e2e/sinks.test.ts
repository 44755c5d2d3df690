import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { CERTIFICATE, startHttpReceiver } from '../storage/receivers.ts'
import { openSite } from './serving.ts'

test('a node that is killed while its receivers are away sends everything after its next start, at least once and in order', async () => {
  await using receiver = await startHttpReceiver()
  await receiver.stop()
  const common = { kind: 'webhook', authority: CERTIFICATE, takes: ['changes'] }
  await using site = await openSite()
  const file = join(site.directory, 'records.jsonl')
  const sinks = [
    { name: 'hook', url: `https://localhost:${receiver.port}/`, ...common },
    { name: 'archive', url: `file://${file}`, format: 'record', takes: ['changes'] },
  ]
  const env = { VALETKEY_AUDIT_SINKS: JSON.stringify(sinks) }
  const names = Array.from({ length: 20 }, (_, i) => `p${i}@northwind.test`)
  {
    await using node = await site.serve(env)
    const { api } = await site.claim(node)
    await api.organizations.create({ slug: 'northwind', name: 'Northwind' })
    for (const email of names) await api.people.create({ email, name: email })
    const waiting = async () =>
      /^valetkey_sink_failing\{sink="hook"\} (\d)/m.exec(await metricsOf(site.adminUrl))?.[1]
    await expect.poll(waiting).toBe('1')
    node.signal('SIGKILL')
    await node.ended
  }
  await receiver.start()
  await using node = await site.serve(env)
  const created = () =>
    receiver.received
      .flatMap(
        ({ body }) =>
          JSON.parse(body) as { type: string; data: { type: string; detail: { email?: string } } }[],
      )
      .filter(({ data }) => data.type === 'person.created')
      .map(({ data }) => data.detail.email)
  await expect.poll(() => [...new Set(created())], { timeout: 30_000 }).toEqual(names)
  const lines = readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
  const filed = lines.filter(({ type }) => type === 'person.created').map(({ detail }) => detail.email)
  expect([...new Set(filed)]).toEqual(names)
  node.signal('SIGTERM')
  expect(await node.ended).toBe(0)
})

async function metricsOf(adminUrl: string): Promise<string> {
  return (await fetch(`${adminUrl}/metrics`)).text()
}
