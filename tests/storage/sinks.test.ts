import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Webhook } from 'standardwebhooks'
import { afterEach, expect, test, vi } from 'vitest'
import { type Audit, openAudit } from '../../packages/server/src/audit/index.ts'
import {
  type ConfiguredSink,
  openSinks,
  parseSinks,
  type Sinks,
} from '../../packages/server/src/sinks/index.ts'
import type { Store } from '../../packages/server/src/store/index.ts'
import { attempt, insertNames, outcome, refusal } from './audit-samples.ts'
import { describeOnBoth, freshDirectory } from './databases.ts'
import {
  CERTIFICATE,
  type Received,
  startHttpReceiver,
  startSyslogProcess,
  startSyslogReceiver,
} from './receivers.ts'
import { ship } from './shipping.ts'

const START = Date.UTC(2026, 8, 2)
const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`

const calls = (first: number, count: number) => Array.from({ length: count }, (_, i) => attempt(first + i))
const idsOf = (first: number, count: number) => calls(first, count).map(({ id }) => id)

function configured(...sinks: object[]): ConfiguredSink[] {
  const parsed = parseSinks(sinks.map(sink => ({ takes: ['calls'], ...sink })))
  if (!parsed) throw new Error('these are no sinks')
  return parsed
}

describeOnBoth('sinks', (open, place) => {
  /** What rests on the database is held to both; how receivers are spoken to is the same over any. */
  const none = () => undefined
  const inMemory = place.kind === 'memory' ? test : none
  const onDisk = place.kind === 'memory' ? none : test
  const closers: (() => Promise<unknown>)[] = []
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close()
    vi.useRealTimers()
  })

  /** A node: evidence and sinks over a store, on a clock of its own. */
  async function startNode(store: Store, path: string, sinks: ConfiguredSink[]) {
    let nowMs = START
    const faults: unknown[] = []
    const now = () => nowMs
    const audit = await openAudit({ store, path, origin: 'auth.test/log', now, headRecords: 60 })
    const sending = await openSinks({
      ...{ store, audit, now, configured: sinks, privateHosts: [], host: 'auth.test' },
      onFault: fault => faults.push(fault),
    })
    const stop = async () => {
      await sending.close()
      await audit.close()
    }
    closers.push(stop)
    return {
      ...{ audit, sinks: sending, faults },
      passTime(ms: number) {
        nowMs += ms
      },
      stop: async () => {
        closers.splice(closers.indexOf(stop), 1)
        await stop()
      },
    }
  }
  async function start(sinks: ConfiguredSink[]) {
    const store = await open()
    await insertNames(store)
    const path = place.kind === 'memory' ? ':memory:' : join(freshDirectory(), 'audit', 'evidence.db')
    return { store, path, ...(await startNode(store, path, sinks)) }
  }
  type Node = { sinks: Sinks; audit: Audit; passTime(ms: number): void }

  /** Lets time pass until it holds: retries are minutes apart. */
  async function until(node: Node, check: () => void | Promise<void>): Promise<void> {
    await vi.waitFor(
      async () => {
        node.passTime(60_000)
        await node.sinks.wake()
        await check()
      },
      { timeout: 20_000, interval: 20 },
    )
  }
  const backlogOf = async ({ sinks }: Node, name: string) =>
    (await sinks.figures()).find(({ sink }) => sink === name)?.backlog

  onDisk('a file gets every record once and in order, and a line that was cut off is ended', async () => {
    const file = join(freshDirectory(), 'records.jsonl')
    writeFileSync(file, '{"unfinish')
    const node = await start(configured({ name: 'file', url: `file://${file}`, format: 'record' }))
    await ship(node.audit, 'pnt_1', 1, calls(1, 700))
    const lines = () => readFileSync(file, 'utf8').split('\n').slice(1, -1)
    await until(node, () => expect(lines()).toHaveLength(700))
    expect(lines().map(line => JSON.parse(line).id)).toEqual(idsOf(1, 700))
    await until(node, async () => expect(await backlogOf(node, 'file')).toBe(0))
  })

  onDisk(
    'a syslog server that was away gets all that it missed, from the node that started meanwhile',
    async () => {
      await using server = await startSyslogReceiver()
      const sink = { name: 'siem', url: `syslog+tls://localhost:${server.port}`, authority: CERTIFICATE }
      const node = await start(configured(sink))
      const seen = () => [...new Set(server.messages.map(message => /externalId=(\S+)/.exec(message)?.[1]))]
      await ship(node.audit, 'pnt_1', 1, calls(1, 20))
      await until(node, () => expect(seen()).toEqual(idsOf(1, 20)))
      await server.stop()
      await ship(node.audit, 'pnt_1', 1, calls(21, 400))
      await until(node, async () => {
        const row = await node.store.db.selectFrom('sink').selectAll().executeTakeFirstOrThrow()
        expect(row.failures).toBeGreaterThan(1)
      })
      const row = await node.store.db.selectFrom('sink').selectAll().executeTakeFirstOrThrow()
      expect(row).toMatchObject({ sent: 20, lastError: expect.stringContaining('ECONNREFUSED') })
      // The shipment itself is an entry, too.
      expect(await backlogOf(node, 'siem')).toBe(401)
      await node.stop()
      const present = await startNode(node.store, node.path, configured(sink))
      await ship(present.audit, 'pnt_1', 1, calls(421, 30))
      await server.start()
      await until(present, () => expect(seen()).toEqual(idsOf(1, 450)))
      for (const message of server.messages)
        expect(message).toMatch(/^<109>1 \S+Z auth\.test valetkey - call - CEF:0\|/)
      await until(present, async () => expect(await backlogOf(present, 'siem')).toBe(0))
    },
  )

  inMemory('a syslog server that breaks off in the middle of a batch gets the batch again', async () => {
    await using server = await startSyslogReceiver()
    server.fault.cutAfter = 5
    const url = `syslog+tls://localhost:${server.port}`
    const node = await start(configured({ name: 'siem', url, authority: CERTIFICATE, format: 'record' }))
    await ship(node.audit, 'pnt_1', 1, calls(1, 200))
    const ids = () => server.messages.map(message => JSON.parse(message.slice(message.indexOf('{'))).id)
    await until(node, () => expect(ids().slice(-200)).toEqual(idsOf(1, 200)))
    expect(ids().slice(0, 5)).toEqual(idsOf(1, 5))
  })

  inMemory(
    'a syslog server that is killed when it has read a batch and kept none of it gets it again',
    async () => {
      const file = join(freshDirectory(), 'siem.log')
      const kept = () => (existsSync(file) ? (readFileSync(file, 'utf8').match(/"id":"dec_\d+"/g) ?? []) : [])
      const wanted = (count: number) => idsOf(1, count).map(id => `"id":"${id}"`)
      await using first = await startSyslogProcess('keeps', { file })
      const { port } = first
      const url = `syslog+tls://localhost:${port}`
      const node = await start(configured({ name: 'siem', url, authority: CERTIFICATE, format: 'record' }))
      for (const [round, mode] of (['keeps', 'silent'] as const).entries()) {
        const begin = 1 + round * 400
        if (round > 0) await first.kill()
        await using healthy = round > 0 ? await startSyslogProcess(mode, { file, port }) : first
        await ship(node.audit, 'pnt_1', 1, calls(begin, 100))
        await until(node, () => expect([...new Set(kept())]).toEqual(wanted(begin + 99)))
        await until(node, async () => expect(await backlogOf(node, 'siem')).toBe(0))
        await healthy.kill()
        await using hanging = await startSyslogProcess('hangs', { file, port })
        await ship(node.audit, 'pnt_1', 1, calls(begin + 100, 300))
        await until(node, () => expect(hanging.read()).toBeGreaterThan(0))
        await hanging.kill()
        await until(node, async () => {
          const row = await node.store.db.selectFrom('sink').selectAll().executeTakeFirstOrThrow()
          expect(row.failures).toBeGreaterThan(0)
        })
        await using back = await startSyslogProcess(mode, { file, port })
        await until(node, () => expect([...new Set(kept())]).toEqual(wanted(begin + 399)))
        await until(node, async () => expect(await backlogOf(node, 'siem')).toBe(0))
        await back.kill()
      }
    },
  )

  inMemory(
    'a webhook is signed as Standard Webhooks has it, and its retries are known by their id',
    async () => {
      await using server = await startHttpReceiver()
      const url = `https://localhost:${server.port}/hook`
      const headers = { authorization: 'Bearer of-the-receiver' }
      const sink = { name: 'hook', url, headers, signingSecret: SECRET, authority: CERTIFICATE }
      server.answer.status = 503
      const node = await start(configured({ ...sink, kind: 'webhook' }))
      await ship(node.audit, 'pnt_1', 1, [...calls(1, 3), refusal(4)])
      await until(node, async () => {
        const row = await node.store.db.selectFrom('sink').selectAll().executeTakeFirstOrThrow()
        expect(row).toMatchObject({ sent: 0, lastError: expect.stringContaining('503') })
      })
      vi.useFakeTimers({ now: START, toFake: ['Date'] })
      server.answer.status = 202
      await until(node, () => expect(server.received).toHaveLength(1))
      const [{ headers: got, body, path } = {} as Received] = server.received
      expect([path, got['content-type'], got['authorization']]).toEqual([
        ...['/hook', 'application/cloudevents-batch+json', 'Bearer of-the-receiver'],
      ])
      vi.setSystemTime(Number(got['webhook-timestamp']) * 1000)
      expect(new Webhook(SECRET).verify(body, got)).toMatchObject([
        { id: 'dec_00000001' },
        {},
        {},
        { id: 'dec_00000004' },
      ])
      expect(() => new Webhook(SECRET).verify(body.replace('permit', 'denied'), got)).toThrow()
      // Nothing of it is kept in clear.
      const kept = JSON.stringify(await node.store.db.selectFrom('sink').selectAll().execute())
      expect(kept).not.toContain('of-the-receiver')
      expect(kept).not.toContain(SECRET)
    },
  )

  inMemory(
    'an OTLP receiver gets logs of all and spans of what ended, and what it rejects is said',
    async () => {
      await using server = await startHttpReceiver()
      const at = `https://localhost:${server.port}`
      const common = { kind: 'otlp', authority: CERTIFICATE }
      const node = await start(
        configured(
          { ...common, name: 'logs', url: `${at}/v1/logs` },
          { ...common, name: 'spans', url: `${at}/v1/traces`, format: 'spans' },
        ),
      )
      await ship(node.audit, 'pnt_1', 1, [attempt(1), refusal(2), outcome(3, attempt(1).id)])
      const bodies = (path: string) =>
        server.received.filter(each => each.path === path).map(({ body }) => JSON.parse(body))
      const spans = () => bodies('/v1/traces').flatMap(({ resourceSpans: [of] }) => of.scopeSpans[0].spans)
      const logs = () => bodies('/v1/logs').flatMap(({ resourceLogs: [of] }) => of.scopeLogs[0].logRecords)
      await until(node, () => expect([logs().length, spans().length]).toEqual([3, 2]))
      expect(spans().map(({ name }: { name: string }) => name)).toEqual([
        'tools/call delete_invoice',
        'tools/call get_invoice',
      ])
      expect(server.received.every(({ headers }) => headers['content-type'] === 'application/json')).toBe(
        true,
      )
      // The attempt that an outcome ends was sent long ago.
      await ship(node.audit, 'pnt_1', 1, [attempt(4)])
      await until(node, () => expect(logs()).toHaveLength(4))
      server.answer.body = JSON.stringify({ partialSuccess: { rejectedSpans: '1', errorMessage: 'too old' } })
      await ship(node.audit, 'pnt_1', 1, [outcome(5, attempt(4).id)])
      await until(node, () => expect(spans()).toHaveLength(3))
      await until(node, async () => {
        const rows = await node.store.db.selectFrom('sink').selectAll().where('name', '=', 'spans').execute()
        expect(rows[0]).toMatchObject({ sent: 3, lastError: 'The receiver rejected 1 records: too old' })
      })
    },
  )

  inMemory('a receiver that takes little at a time gets little at a time', async () => {
    await using server = await startHttpReceiver()
    const sizes: number[] = []
    const node = await start(
      configured({
        name: 'hook',
        url: `https://localhost:${server.port}/`,
        signingSecret: SECRET,
        authority: CERTIFICATE,
      }),
    )
    const answer = server.answer
    Object.defineProperty(answer, 'status', { get: () => (sizes.push(1) <= 3 ? 413 : 200) })
    await ship(node.audit, 'pnt_1', 1, calls(1, 300))
    const ids = () =>
      server.received.flatMap(({ body }) => JSON.parse(body).map(({ id }: { id: string }) => id))
    await until(node, () => expect(ids()).toEqual(idsOf(1, 300)))
    expect(JSON.parse(server.received[0]?.body ?? '[]')).toHaveLength(32)
  })

  inMemory('a sink that hangs holds up nobody: not ingest, not other sinks, not the end', async () => {
    await using server = await startHttpReceiver()
    await using silent = await startSyslogReceiver()
    const file = join(freshDirectory(), 'records.jsonl')
    const node = await start(
      configured(
        { name: 'file', url: `file://${file}`, format: 'record' },
        // Speaks another protocol, so that the connection stands and nothing comes back.
        {
          name: 'hung',
          url: `https://localhost:${silent.port}/`,
          authority: CERTIFICATE,
          signingSecret: SECRET,
        },
        {
          name: 'hook',
          url: `https://localhost:${server.port}/`,
          authority: CERTIFICATE,
          signingSecret: SECRET,
        },
      ),
    )
    await ship(node.audit, 'pnt_1', 1, calls(1, 50))
    await until(node, () => expect(readFileSync(file, 'utf8').split('\n')).toHaveLength(51))
    await ship(node.audit, 'pnt_1', 1, calls(51, 50))
    await until(node, () => expect(readFileSync(file, 'utf8').split('\n')).toHaveLength(101))
    await until(node, async () => expect(await backlogOf(node, 'hook')).toBe(0))
    expect(await backlogOf(node, 'hung')).toBeGreaterThanOrEqual(102)
  })

  onDisk('two nodes: one sends, and after it the other goes on where it ended', async () => {
    // A file has one node.
    if (place.kind === 'file') return
    await using server = await startHttpReceiver()
    const sink = {
      name: 'hook',
      url: `https://localhost:${server.port}/`,
      signingSecret: SECRET,
      authority: CERTIFICATE,
    }
    const first = await start(configured(sink))
    const second = await startNode(
      first.store,
      join(dirname(first.path), 'second', 'evidence.db'),
      configured(sink),
    )
    const ids = () =>
      server.received.flatMap(({ body }) => JSON.parse(body).map(({ id }: { id: string }) => id))
    for (let round = 0; round < 5; round++) {
      await ship(first.audit, 'pnt_1', 1, calls(1 + round * 40, 20))
      await ship(second.audit, 'pnt_1', 1, calls(21 + round * 40, 20))
      await until(first, async () => {
        await second.sinks.wake()
        expect(ids()).toHaveLength((round + 1) * 40)
      })
    }
    expect(ids()).toEqual(idsOf(1, 200))
    expect(await first.store.db.selectFrom('sink').select('name').execute()).toHaveLength(1)
    await first.stop()
    await ship(second.audit, 'pnt_1', 1, calls(201, 10))
    await until(second, () => expect(ids()).toEqual(idsOf(1, 210)))
  })

  onDisk('a node that lost its lease while it was sending notes nothing', async () => {
    await using server = await startHttpReceiver()
    const node = await start(
      configured({
        name: 'hook',
        url: `https://localhost:${server.port}/`,
        signingSecret: SECRET,
        authority: CERTIFICATE,
      }),
    )
    await ship(node.audit, 'pnt_1', 1, calls(1, 5))
    await until(node, () => expect(server.received).toHaveLength(1))
    const { id } = await node.store.db.selectFrom('sink').select('id').executeTakeFirstOrThrow()
    const [log] = await node.audit.following.heads('org_nw')
    if (!log) throw new Error('unreachable: there are records')
    const follower = node.audit.following.open(id, 'org_nw')
    await follower.hold()
    expect(await follower.hold()).toBe(place.kind === 'file')
    const late = node.audit.following.open(id, 'org_nw')
    await expect(late.advance([{ log, to: 99 }])).rejects.toThrow('Another node')
    await ship(node.audit, 'pnt_1', 1, calls(6, 5))
    const ids = () =>
      server.received.flatMap(({ body }) => JSON.parse(body).map(({ id: each }: { id: string }) => each))
    await until(node, () => expect([...new Set(ids())]).toEqual(idsOf(1, 10)))
  })
})

test('what is no sink is refused as a whole', () => {
  const good = { name: 'a', url: 'https://siem.example.com/x' }
  expect(parseSinks([good])).toMatchObject([{ kind: 'webhook', format: 'cloudevents' }])
  for (const bad of [
    { ...good, url: 'http://siem.example.com/x' },
    { ...good, url: 'https://user:secret@siem.example.com/' },
    { ...good, url: 'https://siem.example.com/?token=secret' },
    { ...good, url: 'syslog://siem.example.com' },
    { ...good, format: 'cef' },
    { ...good, headers: { Host: 'other' } },
    { ...good, headers: { 'x-a': 'a\r\nx-b: c' } },
    { ...good, name: 'A B' },
    { ...good, colour: 'red' },
  ])
    expect(parseSinks([bad]), JSON.stringify(bad)).toBeUndefined()
  expect(parseSinks([good, good])).toBeUndefined()
  expect(parseSinks('x')).toBeUndefined()
  expect(parseSinks([{ ...good, kind: 'otlp', url: 'http://127.0.0.1:4318/v1/logs' }])).toMatchObject([
    { format: 'logs' },
  ])
})
