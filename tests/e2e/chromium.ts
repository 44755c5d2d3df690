import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { type Browser, chromium, type Page } from 'playwright-core'

const root = resolve(import.meta.dirname, '../..')
const { version } = JSON.parse(
  readFileSync(join(root, 'node_modules/@sparticuz/chromium/package.json'), 'utf8'),
) as { version: string }
/** Made once a clone, about two seconds; the package itself would unpack into a folder that all of the machine shares. */
const UNPACKED = join(root, 'node_modules/.cache', `chromium-${version}`)

const FLAGS = [
  ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync'],
  ...['--disable-background-networking', '--disable-component-update'],
]

/** A real browser, from npm alone, for one test file. */
export async function openChromium(): Promise<Browser> {
  if (!existsSync(UNPACKED)) await unpack()
  return chromium.launch({
    executablePath: join(UNPACKED, 'chromium'),
    args: FLAGS,
    env: { ...process.env, FONTCONFIG_FILE: join(UNPACKED, 'fonts.conf') },
  })
}

/** Whole or not at all: test files that come at once each unpack one, and the first is taken. */
async function unpack(): Promise<void> {
  await mkdir(join(root, 'node_modules/.cache'), { recursive: true })
  const own = await mkdtemp(`${UNPACKED}-`)
  const script = "await (await import('@sparticuz/chromium')).default.executablePath()"
  const env = { ...process.env, TMPDIR: own, TEMP: own, TMP: own }
  const node = promisify(execFile)
  await node(process.execPath, ['--input-type=module', '--eval', script], { cwd: root, env })
  // The fonts that come with it, so that pages look the same everywhere, also where there are none.
  await writeFile(
    join(own, 'fonts.conf'),
    `<fontconfig><dir>${UNPACKED}/fonts/fonts</dir><cachedir>${UNPACKED}/cache</cachedir></fontconfig>`,
  )
  await rename(own, UNPACKED).catch(async fault => {
    await rm(own, { recursive: true, force: true })
    if (!existsSync(UNPACKED)) throw fault
  })
}

const WIDTHS = [1280, 320]
const THEMES = ['light', 'dark'] as const

const axe = readFileSync(join(root, 'node_modules/axe-core/axe.min.js'), 'utf8')

/** The most that a page weighs, in bytes; one with a picture for a camera is twice as large. */
const MOST_BYTES = 10_000

/**
 * Looks at what a page shows now, as everybody sees it: wide and narrow, in either direction, light and dark. Gives what
 * axe finds, what does not fit into the width, and what is too large; with `SCREENSHOTS` in the environment, pictures of
 * all of it go into that folder.
 */
export async function inspectPage(page: Page, name: string): Promise<string[]> {
  const found: string[] = []
  const before = page.viewportSize()
  const folder = process.env['SCREENSHOTS']
  const bytes = Buffer.byteLength(await page.content())
  const hasPicture = (await page.locator('.qr').count()) > 0
  if (bytes > (hasPicture ? 2 : 1) * MOST_BYTES) found.push(`${name}: ${bytes} bytes`)
  for (const width of WIDTHS) {
    await page.setViewportSize({ width, height: 800 })
    for (const direction of ['rtl', 'ltr']) {
      const all = 'document.documentElement'
      const [content = 0, room = 0] = await page.evaluate<number[]>(
        `${all}.dir = '${direction}', [${all}.scrollWidth, ${all}.clientWidth]`,
      )
      if (content > room) found.push(`${name}: ${content} px wide at ${width}, ${direction}`)
      if (folder && direction === 'rtl') await page.screenshot(pictureOf(folder, name, width, direction))
    }
    for (const colorScheme of folder ? THEMES : []) {
      await page.emulateMedia({ colorScheme })
      await page.screenshot(pictureOf(folder ?? '', name, width, colorScheme))
    }
  }
  for (const colorScheme of THEMES) {
    await page.emulateMedia({ colorScheme })
    for (const violation of await findViolations(page, colorScheme))
      found.push(`${name}, ${colorScheme}: ${violation}`)
  }
  await page.emulateMedia({ colorScheme: null })
  if (before) await page.setViewportSize(before)
  return found
}

function pictureOf(folder: string, ...name: (string | number)[]) {
  return { path: join(folder, `${name.join('-')}.png`), fullPage: true }
}

interface AxeResult {
  violations: { id: string; help: string; nodes: { html: string }[] }[]
}

/** All that axe knows; in the dark only what colours change. */
async function findViolations(page: Page, theme: (typeof THEMES)[number]): Promise<string[]> {
  await page.evaluate(axe)
  const options = theme === 'light' ? {} : { runOnly: ['color-contrast'] }
  const { violations } = await page.evaluate<AxeResult>(`axe.run(${JSON.stringify(options)})`)
  return violations.map(
    ({ id, help, nodes }) => `${id}: ${help} at ${nodes.map(node => node.html).join(' ')}`,
  )
}
