import { expect, test } from 'vitest'
import { canonicalResource } from './target.ts'

test.each([
  ['https://mcp.example.com/files', 'https://mcp.example.com/files'],
  ['HTTPS://MCP.Example.COM/Files', 'https://mcp.example.com/Files'],
  ['https://mcp.example.com:443/files', 'https://mcp.example.com/files'],
  ['https://mcp.example.com/', 'https://mcp.example.com'],
  ['https://mcp.example.com', 'https://mcp.example.com'],
  ['http://127.0.0.1:8080/mcp/', 'http://127.0.0.1:8080/mcp/'],
  ['https://mcp.example.com/a/../b', 'https://mcp.example.com/a/../b'],
])('%s is compared as %s', (resource, canonical) => {
  expect(canonicalResource(resource)).toBe(canonical)
})

test.each([
  '',
  'mcp.example.com',
  '/files',
  'ftp://mcp.example.com/',
  'https://mcp.example.com/#tools',
  'https://ada@mcp.example.com/',
  'https://mcp.example.com\\@evil.example/',
  'https://mcp.example.com/a b',
  'urn:example:mcp',
])('"%s" names no resource', resource => {
  expect(canonicalResource(resource)).toBeUndefined()
})
