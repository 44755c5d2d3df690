import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { expect, test } from 'vitest'

const root = resolve(import.meta.dirname, '../..')

interface Manifest {
  name: string
  dependencies: Record<string, string>
}

function manifestOf(workspace: string): Manifest {
  return JSON.parse(readFileSync(resolve(root, `packages/${workspace}/package.json`), 'utf8')) as Manifest
}

/** Programs that are started, not imported. */
const PROGRAMS = ['mcp-proxy', '@modelcontextprotocol/server-filesystem']

const dependencies = ['sdk', 'server'].flatMap(workspace =>
  Object.entries(manifestOf(workspace).dependencies).map(([name, version]) => ({ workspace, name, version })),
)

test.each(dependencies)('$workspace pins $name exactly', ({ version }) => {
  expect(version).toMatch(/^\d+\.\d+\.\d+(-[a-z0-9.]+)?$/)
})

test.each(dependencies.filter(({ name }) => !PROGRAMS.includes(name) && !name.startsWith('@valetkey/')))(
  '$workspace can load $name',
  async ({ name, workspace }) => {
    if (!existsSync(resolve(root, `packages/${workspace}/node_modules/${name}`)))
      return expect(await import(name)).toBeTypeOf('object')
    // One that npm puts below the workspace is found from there only.
    const load = ['--input-type=module', '--eval', `await import(${JSON.stringify(name)})`]
    execFileSync(process.execPath, load, { cwd: resolve(root, `packages/${workspace}`) })
  },
  30_000,
)
