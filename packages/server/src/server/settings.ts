import { isIP } from 'node:net'
import { parse as parseYaml } from 'yaml'
import * as z from 'zod'
import { isMailUrl } from '../mail/index.ts'
import { parseSinks } from '../sinks/index.ts'
import { isNetwork } from './client-address.ts'
import { parseMasterKey } from './master-key.ts'
import { parseWitness } from './witness-setting.ts'

/** One setting of the process; `docs/configuration.md` shows the same, which a test holds. */
export interface Setting {
  schema: z.ZodType
  /** What it may be, to complete "must be …". */
  takes: string
  meaning: string
  default?: string | number
  /** What to do where it is not set and there can be no default. */
  missing?: string
}

const port = z
  .union([z.number(), z.string().regex(/^\d+$/).transform(Number)])
  .pipe(z.number().int().min(0).max(65_535))

const BOOLEAN = z
  .union([z.boolean(), z.enum(['true', 'false']).transform(text => text === 'true')])
  .pipe(z.boolean())

const HOSTS = z
  .union([z.string().transform(text => text.split(',').map(part => part.trim())), z.array(z.string())])
  .transform(hosts => hosts.filter(host => host !== ''))
  .refine(hosts => hosts.every(host => /^(\*\.)?[a-z0-9.[\]:-]+$/.test(host)))

const TAKES_PORT = 'a port number, 0 to 65535'

/** How the process runs. Every one can be set in `valetkey.yaml`, as `VALETKEY_<NAME>`, or read from a file (`…_FILE`). */
export const SETTINGS = {
  issuer: {
    schema: z
      .string()
      .transform(url => url.replace(/\/$/, ''))
      .refine(isIssuer),
    takes: 'an http(s) URL in lower case, without query, fragment or user',
    meaning:
      'The public address of the authority. Tokens name it as their issuer, byte for byte; agents, guards and gateways use it as their URL.',
    missing:
      'Set it to the address under which agents and guards reach this authority, for example https://auth.example.com.',
  },
  databaseUrl: {
    schema: z
      .string()
      .refine(url => /^sqlite:.+/.test(url) || (/^postgres(ql)?:\/\//.test(url) && URL.canParse(url))),
    takes: '"sqlite:PATH" or "postgres://USER:PASSWORD@HOST/DATABASE"',
    meaning:
      'The database: SQLite for one node (the default, `valetkey.db` in the data directory), PostgreSQL for any number.',
  },
  dataDirectory: {
    schema: z.string().min(1),
    takes: 'the path of a directory',
    default: './valetkey-data',
    meaning:
      'What belongs to this node: the SQLite files, the one-time code of the first start, and a note of which database it works with.',
  },
  masterKey: {
    schema: z
      .string()
      .transform(parseMasterKey)
      .refine(key => key !== undefined),
    takes: 'base64 of at least 32 bytes',
    meaning:
      'Encrypts signing keys and upstream credentials in the database. Keep it elsewhere than the database, and never lose it.',
    missing:
      'Make one with "head -c 32 /dev/urandom | base64 > master.key", and set VALETKEY_MASTER_KEY_FILE=master.key.',
  },
  httpHost: {
    schema: z.string().min(1),
    takes: 'an address to listen on',
    default: '127.0.0.1',
    meaning: 'Where requests are heard. `0.0.0.0` behind a proxy on another machine; TLS is the proxy’s.',
  },
  httpPort: { schema: port, takes: TAKES_PORT, default: 4600, meaning: 'Its port.' },
  adminHost: {
    schema: z.string().min(1),
    takes: 'an address to listen on',
    default: '127.0.0.1',
    meaning:
      'Where health and metrics are answered, apart from what the world reaches. They need no credential.',
  },
  adminPort: {
    schema: port,
    takes: TAKES_PORT,
    default: 4601,
    meaning: 'Its port: `/livez`, `/readyz`, `/metrics`. 0 takes a free one.',
  },
  trustedProxies: {
    schema: z
      .union([z.string().transform(text => text.split(',').map(part => part.trim())), z.array(z.string())])
      .transform(networks => networks.filter(network => network !== ''))
      .refine(networks => networks.every(isNetwork)),
    takes: 'addresses or networks, for example 10.0.0.0/8',
    default: '',
    meaning:
      'Proxies whose `X-Forwarded-For` is believed. From anybody else the header is ignored, and the address of the connection counts: for limits on wrong credentials, for "last used from" and for the record.',
  },
  dnsServers: {
    schema: z
      .union([z.string().transform(text => text.split(',').map(part => part.trim())), z.array(z.string())])
      .transform(servers => servers.filter(server => server !== ''))
      .refine(servers => servers.every(isDnsServer)),
    takes: 'addresses, with a port where it is not 53, for example 10.0.0.2 or 127.0.0.1:5353',
    default: '',
    meaning:
      'Whom to ask for the record that proves a domain (`valetkey domain verify`). Nobody named: the resolvers that the machine is set up with.',
  },
  indexMemoryMb: {
    schema: z
      .union([z.number(), z.string().regex(/^\d+$/).transform(Number)])
      .pipe(z.number().int().min(16).max(1_048_576)),
    takes: 'megabytes, 16 or more',
    default: 512,
    meaning:
      'How much memory the facts of organizations may take that were asked about lately. A thousand resources take about a tenth of a megabyte; those unused for longest make room.',
  },
  auditWitnesses: {
    schema: z
      .union([z.string().transform(text => text.split(',')), z.array(z.string())])
      .transform(items => items.filter(item => item.trim() !== '').map(parseWitness))
      .refine(witnesses => witnesses.every(witness => witness !== undefined)),
    takes:
      'keys of witnesses, each with its address: "witness.example.org/w1+3fa1c2d4+BA… https://witness.example.org"',
    default: '',
    meaning:
      'Who cosigns the checkpoints of the evidence, best somebody else: what a witness has seen cannot be taken back. `valetkey witness` is one; several are separated by commas.',
  },
  auditSinks: {
    schema: z
      .union([z.string().transform(parseYamlText), z.array(z.unknown())])
      .transform(parseSinks)
      .refine(sinks => sinks !== undefined),
    takes: 'a list of sinks as docs/sinks.md shows them, as YAML or JSON',
    default: '',
    meaning:
      'Where all records of this environment are sent: files, syslog over TLS, webhooks, OTLP. Best in a file of its own (`VALETKEY_AUDIT_SINKS_FILE`), since it may hold secrets.',
  },
  sinkPrivateHosts: {
    schema: HOSTS,
    takes: 'host names, each with its port where it is not the usual one, for example siem.internal:6514',
    default: '',
    meaning:
      'Hosts in this network, or on this machine, that organizations may have their records sent to. Without them, records go to public addresses only.',
  },
  logLevel: {
    schema: z.enum(['fatal', 'error', 'warn', 'info', 'debug']),
    takes: 'fatal, error, warn, info or debug',
    default: 'info',
    meaning: 'What is logged, as JSON lines on the standard error.',
  },
  tokenAlgorithm: {
    schema: z.enum(['ES256', 'EdDSA']),
    takes: 'ES256 or EdDSA',
    default: 'ES256',
    meaning: 'How tokens are signed.',
  },
  dynamicRegistration: {
    schema: BOOLEAN,
    takes: 'true or false',
    default: 'true',
    meaning:
      'Whether MCP clients may register themselves. One that does gets an id and nothing else, until somebody who may answers for it.',
  },
  clientDocuments: {
    schema: BOOLEAN,
    takes: 'true or false',
    default: 'true',
    meaning:
      'Whether an MCP client may be known by the address of a document about it (Client ID Metadata Documents). The authority fetches the document: by https, from public addresses only, five kilobytes at most.',
  },
  clientDocumentHosts: {
    schema: HOSTS,
    takes: 'host names, with a comma between them; *.example.com covers all below',
    default: '',
    meaning:
      'Takes documents (and the keys that they name) from these hosts alone. From everywhere, where none is named.',
  },
  clientDocumentPrivateHosts: {
    schema: HOSTS,
    takes: 'host names, each with its port where it is not 443, for example localhost:8443',
    default: '',
    meaning:
      'Hosts whose documents may come from this machine or from a private network: for development, and for clients of your own.',
  },
  issuerPrivateHosts: {
    schema: HOSTS,
    takes: 'host names, each with its port where it is not 443, for example kubernetes.default.svc',
    default: '',
    meaning:
      'Hosts of identity providers (`valetkey idp`), of what tells of their security events, and of trusted issuers (`valetkey issuer`) that may lie on this machine or in a private network, as one of your own or a Kubernetes cluster does. All others are reached at public addresses only.',
  },
  deviceGrant: {
    schema: BOOLEAN,
    takes: 'true or false',
    default: 'false',
    meaning:
      'Whether a program without a browser may show a code that a person types at `/device` (RFC 8628). Off, because people can be talked into typing somebody else’s.',
  },
  ciba: {
    schema: BOOLEAN,
    takes: 'true or false',
    default: 'true',
    meaning:
      'Whether an agent with a credential of its own may ask a person of its organization who is not there (CIBA, poll mode). The person finds it in the mail and at *Your agents*, and answers on the same page as always.',
  },
  consentMayAdoptAgents: {
    schema: BOOLEAN,
    takes: 'true or false',
    default: 'false',
    meaning:
      'Whether a person who consents becomes the owner of an agent that registered itself, and gives it what that person holds. Otherwise it is pending until an administrator names its owner and its ceiling, and activates it.',
  },
  mailUrl: {
    schema: z.string().refine(isMailUrl).optional(),
    takes: '"smtp://USER:PASSWORD@HOST:PORT" (with STARTTLS) or "smtps://…"',
    meaning:
      'The mail server. Without one there are no links to sign in by, nobody sets a forgotten password anew, and invitations are only shown.',
  },
  mailFrom: {
    schema: z
      .string()
      .regex(/^([^<>\r\n"]{1,100} )?<?[^\s<>@]{1,64}@[^\s<>@]{1,255}>?$/)
      .optional(),
    takes: 'an address, for example Valet Key <auth@example.com>',
    meaning: 'Whom its mails are from. Needed with `mailUrl`.',
  },
  delegationDepth: {
    schema: z
      .union([z.number(), z.string().regex(/^\d+$/).transform(Number)])
      .pipe(z.number().int().min(1).max(8)),
    takes: 'a number, 1 to 8',
    default: 4,
    meaning:
      'How many steps a chain may have: delegations, and servers that call another one for their callers. What would be deeper is refused, never cut; links that were made before stay.',
  },
  passwordCost: {
    schema: z
      .union([z.number(), z.string().regex(/^\d+$/).transform(Number)])
      .pipe(z.number().int().min(14).max(20)),
    takes: 'a number, 14 to 20',
    default: 15,
    meaning:
      'What it costs to check the password of a person: scrypt with two to this power, three lanes. 15 takes 32 MB and about a tenth of a second; one more takes twice as much of both.',
  },
} as const satisfies Record<string, Setting>

export type SettingName = keyof typeof SETTINGS
type Values = { [Name in SettingName]: z.output<(typeof SETTINGS)[Name]['schema']> }

/** How one process runs, complete and checked. */
export type Config = Omit<Values, 'masterKey'> & { masterKey: Uint8Array }

export function isSetting(name: string): name is SettingName {
  return Object.hasOwn(SETTINGS, name)
}

/** Text as YAML, of which JSON is a part; null where it is neither, which no setting takes. */
function parseYamlText(text: string): unknown {
  try {
    return parseYaml(text) ?? []
  } catch {
    return null
  }
}

/** An address, an IPv6 one in brackets where a port follows. */
function isDnsServer(text: string): boolean {
  const [, bracketed, plain] = /^(?:\[([^\]]+)\](?::\d{1,5})?|([^:]+)(?::\d{1,5})?)$/.exec(text) ?? []
  return isIP(bracketed ?? plain ?? text) !== 0
}

/** One issuer, one spelling: clients compare it byte by byte (RFC 8414 §3.3). */
function isIssuer(text: string): boolean {
  const url = URL.parse(text)
  return (
    url !== null && /^https?:$/.test(url.protocol) && url.origin + url.pathname.replace(/\/$/, '') === text
  )
}
