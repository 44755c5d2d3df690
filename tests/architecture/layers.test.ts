import { globSync, readFileSync } from 'node:fs'
import { dirname, relative, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { MODULES } from './modules.ts'

const root = resolve(import.meta.dirname, '../..')
const files = globSync('packages/*/src/**/*.ts', { cwd: root }).filter(
  file => !file.endsWith('.test.ts') && !file.includes('/testing/') && !file.endsWith('.d.ts'),
)

/** `packages/sdk/src/guard/spool/spool.ts` belongs to `sdk/guard`. */
function moduleOf(path: string): string {
  const [, workspace, , folder] = path.split('/')
  return `${workspace}/${folder}`
}

function importsOf(file: string): string[] {
  const source = readFileSync(resolve(root, file), 'utf8')
  const statement =
    /^(?:import|export)\b[^'"`;]*?\bfrom\s*'([^'\n]+)'|^import\s*'([^'\n]+)'|\bimport\('([^'$\n]+)'\)/gm
  return [...source.matchAll(statement)].map(match => match[1] ?? match[2] ?? match[3] ?? '')
}

/** Where an import goes: a module of ours, with the file in it, or a package. */
function targetOf(
  file: string,
  specifier: string,
): { module: string; file: string } | { package: string } | null {
  if (specifier.startsWith('node:')) return null
  if (specifier.startsWith('@valetkey/sdk/'))
    return { module: specifier.replace('@valetkey/', ''), file: 'index.ts' }
  if (specifier.startsWith('.')) {
    const path = relative(root, resolve(root, dirname(file), specifier))
    if (!path.startsWith('packages/') || !path.includes('/src/')) return null
    return { module: moduleOf(path), file: path.split('/').slice(4).join('/') }
  }
  return {
    package: specifier
      .split('/')
      .slice(0, specifier.startsWith('@') ? 2 : 1)
      .join('/'),
  }
}

test('every folder of the packages is a module of the table, and every module has a folder', () => {
  const found = new Set(files.map(moduleOf))
  expect([...found].sort()).toEqual(Object.keys(MODULES).sort())
})

test.each(files)('%s imports only what its module may, and others only through their index', file => {
  const own = moduleOf(file)
  const { imports, packages } = MODULES[own] ?? { imports: [], packages: [] }
  for (const specifier of importsOf(file)) {
    const target = targetOf(file, specifier)
    if (!target) continue
    if ('package' in target)
      expect(packages, `${own} may not use ${target.package}`).toContain(target.package)
    else if (target.module !== own) {
      expect(imports, `${own} may not import ${target.module}`).toContain(target.module)
      expect(target.file, `${own} reaches into ${target.module}`).toBe('index.ts')
    }
  }
})

test('the table has no circle: each module imports only modules above it', () => {
  const order = Object.keys(MODULES)
  for (const [name, { imports }] of Object.entries(MODULES))
    for (const imported of imports)
      expect(order.indexOf(imported), `${name} imports ${imported}`).toBeLessThan(order.indexOf(name))
})

test.each(Object.keys(MODULES))('%s opens its surface with what it hides', name => {
  const [workspace, folder] = name.split('/')
  const path = `packages/${workspace}/src/${folder}/index.ts`
  if (name === 'server/cli') return
  expect(readFileSync(resolve(root, path), 'utf8')).toMatch(/^\/\*\*/)
})

test('the modules that also run in browsers use nothing of Node', () => {
  for (const file of files.filter(path => /^packages\/sdk\/src\/(core|engine|contract)\//.test(path)))
    for (const specifier of importsOf(file)) expect(specifier, file).not.toMatch(/^node:/)
})

test('no folder or file is named after nothing', () => {
  const banned = /^(utils?|helpers?|common|shared|lib|misc|services?|managers?)(\.|$)/
  for (const file of files)
    for (const part of file.split('/').slice(3)) expect(part, file).not.toMatch(banned)
})
