import { execFile } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { getRequestListener } from '@hono/node-server'
import { expect, test } from 'vitest'
import { northwind, type Product, start } from './product.ts'
import { openTerminal, type Printed } from './terminal.ts'

const PROGRAM = join(import.meta.dirname, '../../packages/server/bin/valetkey.js')

/** Runs the program that people run, in its own process. */
function valetkey(
  cwd: string,
  argv: string[],
  env: Record<string, string> = {},
  input = '',
): Promise<Printed> {
  return new Promise(resolve => {
    const clean = { PATH: process.env['PATH'] ?? '', HOME: cwd, ...env }
    const child = execFile(process.execPath, [PROGRAM, ...argv], { cwd, env: clean }, (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code), out, err }),
    )
    child.stdin?.end(input)
  })
}

async function listen(product: Product) {
  const server = createServer(getRequestListener(product.send))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url,
    [Symbol.asyncDispose]: () => new Promise<void>(resolve => void server.close(() => resolve())),
  }
}

test('the program signs in from a pipe, works over HTTP, and ends with the number that a script needs', async () => {
  await using product = await start()
  await northwind(product)
  await using terminal = await openTerminal(product)
  await using listening = await listen(product)
  const { directory } = terminal
  const login = await valetkey(directory, ['login', '--url', listening.url], {}, product.adminToken)
  expect(login).toMatchObject({ code: 0, out: `Signed in to ${listening.url} as admin.\n` })
  expect(login.out + login.err).not.toContain(product.adminToken)

  const listed = await valetkey(directory, ['agent', 'ls', '-o', 'name'])
  expect(listed).toEqual({ code: 0, out: 'support-bot\n', err: '' })
  const check = ['check', 'support-bot', 'nothing', '--server', 'billing', '-o', 'name']
  expect(await valetkey(directory, check)).toMatchObject({ code: 10, out: 'deny\n' })
  expect((await valetkey(directory, ['agent', 'get', 'nobody'])).code).toBe(4)
}, 30_000)

test('help goes to stdout and complaints to stderr', async () => {
  const version = await valetkey('/', ['--version'])
  expect(version).toMatchObject({ code: 0, out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) })
  const wrong = await valetkey('/', ['explain', '--wat'])
  expect(wrong).toMatchObject({ code: 2, out: '' })
  expect(wrong.err.split('\n')).toHaveLength(4)
}, 30_000)
