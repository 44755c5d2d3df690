/** A module: who it may import, and which npm packages besides `node:` modules. ARCHITECTURE.md shows the same table. */
export interface Module {
  imports: readonly string[]
  packages: readonly string[]
}

const SDK = ['sdk/core', 'sdk/engine', 'sdk/contract', 'sdk/evidence', 'sdk/dpop', 'sdk/agent', 'sdk/guard']

/** The house (design, section 3). Imports go down this list only. */
export const MODULES: Record<string, Module> = {
  'sdk/core': { imports: [], packages: ['zod'] },
  'sdk/engine': { imports: ['sdk/core'], packages: ['@marcbachmann/cel-js', '@cfworker/json-schema'] },
  'sdk/contract': { imports: ['sdk/core'], packages: ['zod'] },
  'sdk/evidence': { imports: ['sdk/core'], packages: ['zod'] },
  'sdk/dpop': { imports: ['sdk/core'], packages: ['zod'] },
  'sdk/agent': { imports: ['sdk/core'], packages: ['jose', 'zod', '@napi-rs/keyring'] },
  'sdk/guard': {
    imports: ['sdk/core', 'sdk/engine', 'sdk/evidence', 'sdk/dpop', 'sdk/agent'],
    packages: ['jose', 'zod'],
  },
  'server/store': { imports: ['sdk/core'], packages: ['kysely', 'pg', 'better-sqlite3'] },
  'server/outbound': { imports: [], packages: ['ipaddr.js'] },
  'server/audit': {
    imports: ['server/store', 'sdk/core', 'sdk/engine', 'sdk/contract', 'sdk/evidence'],
    packages: ['kysely', 'better-sqlite3', 'zod'],
  },
  'server/directory': {
    imports: ['server/store', 'server/audit', 'sdk/core', 'sdk/engine', 'sdk/contract'],
    packages: ['@peculiar/x509', 'jose', 'kysely', 'zod'],
  },
  'server/sinks': {
    imports: [
      'server/store',
      'server/outbound',
      'server/audit',
      'server/directory',
      'sdk/core',
      'sdk/contract',
      'sdk/evidence',
    ],
    packages: ['kysely', 'zod'],
  },
  'server/baseline': {
    imports: ['server/store', 'server/audit', 'server/directory', 'sdk/core', 'sdk/contract'],
    packages: ['kysely', 'zod'],
  },
  'server/policy': {
    imports: ['server/directory', 'server/store', 'server/audit', 'sdk/core', 'sdk/engine', 'sdk/contract'],
    packages: ['yaml', 'zod'],
  },
  'server/oauth': {
    imports: [
      'server/store',
      'server/outbound',
      'server/audit',
      'server/directory',
      'sdk/core',
      'sdk/engine',
      'sdk/dpop',
    ],
    packages: ['oidc-provider', 'jose', 'kysely', 'zod'],
  },
  'server/mail': { imports: ['sdk/core'], packages: ['nodemailer'] },
  'server/people': {
    imports: [
      'server/store',
      'server/outbound',
      'server/audit',
      'server/directory',
      'server/oauth',
      'server/mail',
      'sdk/core',
      'sdk/engine',
      'sdk/contract',
    ],
    packages: [
      'better-auth',
      '@better-auth/utils',
      '@simplewebauthn/server',
      '@zxcvbn-ts/core',
      '@zxcvbn-ts/language-common',
      'better-sqlite3',
      'hono',
      'kysely',
      'pg',
      'uqr',
      'zod',
      'jose',
      'openid-client',
      '@node-saml/node-saml',
      '@xmldom/xmldom',
      'scim2-parse-filter',
    ],
  },
  'server/feed': {
    imports: ['server/store', 'server/directory', 'sdk/core', 'sdk/evidence'],
    packages: ['hono', 'jose', 'kysely', 'zod'],
  },
  'server/pdp': {
    imports: ['server/store', 'server/directory', 'sdk/core', 'sdk/engine'],
    packages: ['hono', 'zod'],
  },
  'server/signals': {
    imports: [
      'server/store',
      'server/outbound',
      'server/audit',
      'server/directory',
      'server/oauth',
      'server/people',
      'sdk/core',
      'sdk/contract',
    ],
    packages: ['hono', 'jose', 'kysely', 'openid-client', 'zod'],
  },
  'server/gateway': {
    imports: ['sdk/core', 'sdk/guard', 'sdk/agent'],
    packages: ['undici', '@modelcontextprotocol/server', '@modelcontextprotocol/client'],
  },
  'server/witness': { imports: ['sdk/core', 'sdk/evidence'], packages: ['zod'] },
  'server/server': {
    imports: [
      'server/store',
      'server/audit',
      'server/directory',
      'server/policy',
      'server/oauth',
      'server/mail',
      'server/outbound',
      'server/people',
      'server/feed',
      'server/pdp',
      'server/signals',
      'server/sinks',
      'server/baseline',
      ...SDK,
    ],
    packages: ['hono', '@hono/node-server', 'pino', 'prom-client', 'yaml', 'zod'],
  },
  'server/cli': {
    imports: ['server/server', 'server/policy', 'server/gateway', 'server/witness', ...SDK],
    packages: [
      'commander',
      'picocolors',
      'yaml',
      'zod',
      'jose',
      'pino',
      '@modelcontextprotocol/server',
      '@modelcontextprotocol/client',
    ],
  },
}
