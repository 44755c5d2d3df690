import { expect, test } from 'vitest'
import { createSecretBox, hashSecret } from './secret-box.ts'

const key = new Uint8Array(32).fill(1)
const box = createSecretBox(key)

test('what is sealed opens at its place, under its key, and shows nothing of what it holds', () => {
  const sealed = box.seal('hunter2', 'server:srv_1')
  expect(sealed).not.toContain('hunter2')
  expect(createSecretBox(key).open(sealed, 'server:srv_1')).toBe('hunter2')
  expect(box.seal('hunter2', 'server:srv_1')).not.toBe(sealed)
})

test.each([
  ['moved to another place', (sealed: string) => box.open(sealed, 'server:srv_2')],
  [
    'under another master key',
    (sealed: string) => createSecretBox(new Uint8Array(32)).open(sealed, 'server:srv_1'),
  ],
  ['with one bit changed', (sealed: string) => box.open(flip(sealed), 'server:srv_1')],
  ['cut short', (sealed: string) => box.open(sealed.slice(0, 20), 'server:srv_1')],
  ['replaced by nothing', () => box.open('', 'server:srv_1')],
])('a sealed secret %s does not open, and the error does not repeat it', (_case, open) => {
  const sealed = box.seal('hunter2', 'server:srv_1')
  expect(() => open(sealed)).toThrow(expect.objectContaining({ code: 'secret.unreadable' }))
  expect(() => open(sealed)).not.toThrow('hunter2')
})

test('a master key of less than 32 bytes is refused', () => {
  expect(() => createSecretBox(new Uint8Array(31))).toThrow(
    expect.objectContaining({ code: 'config.invalid' }),
  )
})

test('equal secrets have equal hashes', () => {
  expect(hashSecret('a')).toBe(hashSecret('a'))
  expect(hashSecret('a')).not.toBe(hashSecret('b'))
})

function flip(sealed: string): string {
  const bytes = Buffer.from(sealed.slice(3), 'base64url')
  bytes[14] = (bytes[14] ?? 0) ^ 1
  return `v1.${bytes.toString('base64url')}`
}
