import type { AdminApi, Output } from '@valetkey/sdk/contract'
import { type Command, Option } from 'commander'
import { addConfirmOptions, type ConfirmOptions, confirm } from '../confirm.ts'
import { findIdentityProvider, findOwnOrganization, findSignalReceiver, findSignalSource } from '../find.ts'
import { readKey, readValue, reserveSecretFile } from '../secret-file.ts'
import { addCommand, addGroup, allPages, collect, type Session, withSession } from '../session.ts'
import { type Io, UsageError, type View } from '../terminal/index.ts'

type Receiver = Output<AdminApi['signalReceivers']['list']>['items'][number]
type Source = Output<AdminApi['signalSources']['list']>['items'][number]
type EventName = NonNullable<Receiver['stream']>['events'][number]

const EVENTS: readonly EventName[] = [
  'session-revoked',
  'credential-change',
  'token-claims-change',
  'risk-level-change',
]

const receiverView: View<Receiver & { secret?: string }> = {
  kind: 'SignalReceiver',
  name: receiver => receiver.name,
  columns: [
    { header: 'NAME', value: receiver => receiver.name },
    { header: 'STREAM', value: receiver => receiver.stream?.status ?? 'none' },
    { header: 'DELIVERY', value: receiver => receiver.stream?.delivery ?? '' },
    { header: 'WAITING', value: receiver => String(receiver.stream?.waiting ?? '') },
    { header: 'LAST DELIVERED', value: receiver => ({ time: receiver.stream?.lastDeliveredAt ?? null }) },
    { header: 'FAULT', value: receiver => receiver.stream?.lastFault ?? '' },
    { header: 'ID', value: receiver => receiver.id },
    { header: 'ENDPOINT', value: receiver => receiver.stream?.endpoint ?? '', wide: true },
    { header: 'REASON', value: receiver => receiver.stream?.reason ?? '', wide: true },
    { header: 'AUDIENCE', value: receiver => receiver.audience, wide: true },
    { header: 'CREATED', value: receiver => ({ time: receiver.createdAt }), wide: true },
  ],
}

const sourceView: View<Source> = {
  kind: 'SignalSource',
  name: source => source.name,
  columns: [
    { header: 'NAME', value: source => source.name },
    { header: 'PROVIDER', value: source => source.provider },
    { header: 'ISSUER', value: source => source.issuer },
    { header: 'LAST HEARD', value: source => ({ time: source.lastHeardAt }) },
    { header: 'FAULT', value: source => source.lastFault ?? '' },
    { header: 'ID', value: source => source.id },
    { header: 'POLLED AT', value: source => source.pollUrl ?? '', wide: true },
    { header: 'CLIENT', value: source => source.client?.id ?? '', wide: true },
    { header: 'KEYS', value: source => source.jwksUri, wide: true },
    { header: 'AUDIENCE', value: source => source.audience, wide: true },
  ],
}

/** Security events: who is told of revocations, and whose word ends sessions here. */
export function register(program: Command, io: Io): void {
  const group = addGroup(program, 'signal', {
    summary: 'Security events (OpenID SSF, CAEP): who is told of revocations, and whose word counts here',
    examples: [
      ['valetkey signal receiver create siem --push-origin https://siem.example.com', 'tell somebody'],
      ['valetkey signal source add okta --idp okta --issuer https://northwind.okta.com', 'listen to one'],
    ],
  })
  registerReceivers(group, io)
  registerStream(group, io)
  registerSources(group, io)
  addCommand(group, 'rotate-key', {
    summary: 'Sign events with a new key, after five minutes in which receivers can learn it',
    examples: [
      ['valetkey signal rotate-key', 'the one before stays known for a day'],
      ['valetkey signal rotate-key --json', 'for a program'],
    ],
  }).action(withSession(io, rotateKey))
}

function registerReceivers(group: Command, io: Io): void {
  const receivers = addGroup(group, 'receiver', {
    summary: 'Who is told of revocations',
    examples: [
      ['valetkey signal receiver ls', 'how far each of them is'],
      ['valetkey signal receiver create crm --secret-file crm.secret', 'a new one'],
    ],
  })
  addCommand(receivers, 'ls', {
    summary: 'List receivers with their streams',
    examples: [
      ['valetkey signal receiver ls', 'as a table'],
      ['valetkey signal receiver ls -o wide', 'with all columns'],
    ],
  }).action(withSession(io, listReceivers))
  addCommand(receivers, 'create <name>', {
    summary: 'Let somebody be told of revocations',
    examples: [
      ['valetkey signal receiver create crm --secret-file crm.secret', 'it fetches its events'],
      ['valetkey signal receiver create siem --push-origin https://siem.example.com', 'or has them pushed'],
    ],
  })
    .option('--push-origin <url>', 'scheme, host and port that events may be pushed to')
    .option('--audience <text>', 'what its events name as their audience')
    .addOption(
      new Option('--subjects <format>', 'how people are named')
        .choices(['iss_sub', 'email'])
        .default('iss_sub'),
    )
    .option('--secret-file <file>', 'where to write its secret; else it is printed, once')
    .action(withSession(io, createReceiver))
  addCommand(receivers, 'rotate-secret <receiver>', {
    summary: 'Give a receiver a new secret; the one before it, and tokens that it gave, count no more',
    examples: [
      ['valetkey signal receiver rotate-secret siem --secret-file siem.secret', 'its stream stays'],
      ['valetkey signal receiver rotate-secret siem', 'printed, once'],
    ],
  })
    .option('--secret-file <file>', 'where to write its secret; else it is printed, once')
    .action(withSession(io, rotateSecret))
  addConfirmOptions(
    addCommand(receivers, 'rm <receiver>', {
      summary: 'Tell somebody no more',
      examples: [
        ['valetkey signal receiver rm siem --yes', 'with its secret and its stream'],
        ['valetkey signal receiver rm siem --dry-run', 'see what that touches'],
      ],
    }),
  ).action(withSession(io, removeReceiver))
}

function registerStream(group: Command, io: Io): void {
  const streams = addGroup(group, 'stream', {
    summary: 'The stream of a receiver; receivers also manage it themselves, by SSF',
    examples: [
      ['valetkey signal stream start siem --endpoint https://siem.example.com/events', 'for it'],
      ['valetkey signal stream verify siem', 'see whether it works'],
    ],
  })
  addCommand(streams, 'start <receiver>', {
    summary: 'Set the stream of a receiver up for it, or anew',
    examples: [
      ['valetkey signal stream start siem --endpoint https://siem.example.com/events', 'pushed'],
      ['valetkey signal stream start crm --event session-revoked', 'fetched by it, and these alone'],
    ],
  })
    .option('--endpoint <url>', 'where events are pushed to; else the receiver fetches them')
    .option('--authorization-file <file>', 'file that holds what goes into the header Authorization')
    .option('--event <names>', `of ${EVENTS.join(', ')}; else all`, collect)
    .action(withSession(io, startStream))
  for (const [verb, status, summary] of [
    ['pause', 'paused', 'Deliver nothing for now; what happens is kept'],
    ['resume', 'enabled', 'Deliver again'],
    ['stop', 'disabled', 'Deliver nothing, and drop what waits'],
  ] as const)
    addCommand(streams, `${verb} <receiver>`, {
      summary,
      examples: [
        [`valetkey signal stream ${verb} siem --reason maintenance`, 'with why'],
        [`valetkey signal stream ${verb} siem`, 'without'],
      ],
    })
      .option('--reason <text>', 'why; the receiver is told')
      .action(
        withSession(io, (session: Session, text: string, { reason }: { reason?: string }) =>
          setStatus(session, text, status, reason ?? ''),
        ),
      )
  addCommand(streams, 'verify <receiver>', {
    summary: 'Send an event that says nothing but that the stream works',
    examples: [
      ['valetkey signal stream verify siem', 'then look at LAST DELIVERED'],
      ['valetkey signal receiver ls -o wide', 'where that stands'],
    ],
  }).action(withSession(io, verifyStream))
}

function registerSources(group: Command, io: Io): void {
  const sources = addGroup(group, 'source', {
    summary: 'Identity providers whose security events end sessions and grants here',
    examples: [
      ['valetkey signal source ls', 'when each was heard last'],
      ['valetkey signal source add okta --idp okta --issuer https://northwind.okta.com', 'hear another one'],
    ],
  })
  addCommand(sources, 'ls', {
    summary: 'List the identity providers whose security events count',
    examples: [
      ['valetkey signal source ls', 'as a table'],
      ['valetkey signal source ls --json', 'for a program'],
    ],
  }).action(withSession(io, listSources))
  addCommand(sources, 'add <name>', {
    summary: "Let an identity provider's security events count",
    examples: [
      ['valetkey signal source add okta --idp okta --issuer https://northwind.okta.com', 'it pushes'],
      [
        'valetkey signal source add okta --idp okta --issuer https://northwind.okta.com --client-id 0oa1 --client-secret-file okta.secret',
        'it is polled, as an OAuth client',
      ],
    ],
  })
    .requiredOption('--idp <idp>', 'whose people it speaks of')
    .requiredOption('--issuer <url>', 'of its events')
    .option('--jwks-uri <url>', 'where its keys are; else its issuer is asked')
    .option('--audience <text>', 'what its events name as their audience; else the address that it pushes to')
    .option('--poll-url <url>', 'where it is polled; else it pushes')
    .option('--authorization-file <file>', 'file that holds what polling wants as Authorization')
    .option('--client-id <id>', 'as which OAuth client it is polled; its stream is found or opened')
    .option('--client-secret-file <file>', 'file that holds the secret of that client')
    .option('--client-key-file <file>', 'or its private key, as JWK')
    .option('--authorization-server <url>', 'who issues its tokens, where that is another host')
    .action(withSession(io, addSource))
  addConfirmOptions(
    addCommand(sources, 'rm <source>', {
      summary: 'Take no more events of an identity provider',
      examples: [
        ['valetkey signal source rm okta --yes', 'at once'],
        ['valetkey signal source rm okta --dry-run', 'see what that touches'],
      ],
    }),
  ).action(withSession(io, removeSource))
}

async function listReceivers({ api, organization, print }: Session): Promise<void> {
  print.list(receiverView, await allPages(page => api.signalReceivers.list({ ...page, ...organization })))
}

async function createReceiver(
  session: Session,
  name: string,
  options: {
    pushOrigin?: string
    audience?: string
    subjects: Receiver['subjects']
    secretFile?: string
  },
): Promise<void> {
  const { api, print } = session
  const { id: organization } = await findOwnOrganization(session)
  const { secretFile, ...wish } = options
  await showSecret(session, secretFile, () => api.signalReceivers.create({ organization, name, ...wish }))
  const { issuer } = await api.session.whoami({})
  print.note(`Tell the receiver: ${issuer}/.well-known/ssf-configuration`)
  print.note(`It gets tokens at ${issuer}/token, by client credentials: its client id is the ID above.`)
  print.note(`Or set its stream up for it: valetkey signal stream start ${name}`)
}

async function rotateSecret(
  session: Session,
  text: string,
  { secretFile }: { secretFile?: string },
): Promise<void> {
  const { id: receiver, organization } = await findSignalReceiver(session, text)
  await showSecret(session, secretFile, () =>
    session.api.signalReceivers.rotateSecret({ organization, receiver }),
  )
}

/** Shows a receiver with its new secret, or has that in a file alone. The file is there before the secret is. */
async function showSecret(
  { io, print }: Session,
  file: string | undefined,
  make: () => Promise<Receiver & { secret: string }>,
): Promise<void> {
  await using target = file === undefined ? undefined : await reserveSecretFile(io, file)
  const { secret, ...receiver } = await make()
  if (target) {
    const path = await target.write(`${secret}\n`)
    print.item(receiverView, receiver)
    print.note(`Its secret is in ${path}: nothing else has it.`)
    return
  }
  const columns = [
    ...receiverView.columns,
    { header: 'SECRET', value: (item: { secret?: string }) => item.secret ?? null },
  ]
  print.item({ ...receiverView, columns }, { ...receiver, secret })
  print.note('The secret is shown this once. Have you copied it?')
}

async function removeReceiver(session: Session, text: string, options: ConfirmOptions): Promise<void> {
  const { api, print } = session
  const { id, name, organization, stream } = await findSignalReceiver(session, text)
  const preview = [
    `${name} is told nothing more; ${stream?.waiting ?? 0} events that wait for it are dropped.`,
  ]
  if (!(await confirm(session, { name, preview }, options))) return
  const { reason } = options
  print.item(receiverView, await api.signalReceivers.remove({ organization, receiver: id, reason }))
}

async function startStream(
  session: Session,
  text: string,
  options: { endpoint?: string; authorizationFile?: string; event?: string[] },
): Promise<void> {
  const { api, io, print } = session
  const { id: receiver, organization } = await findSignalReceiver(session, text)
  const { endpoint, authorizationFile: file, event } = options
  const authorization = file === undefined ? undefined : await readValue(io, file)
  const events = event as EventName[] | undefined
  print.item(
    receiverView,
    await api.signalStreams.start({ organization, receiver, endpoint, authorization, events }),
  )
}

async function setStatus(
  session: Session,
  text: string,
  status: 'enabled' | 'paused' | 'disabled',
  reason: string,
): Promise<void> {
  const { id: receiver, organization } = await findSignalReceiver(session, text)
  const { api, print } = session
  print.item(receiverView, await api.signalStreams.update({ organization, receiver, status, reason }))
}

async function verifyStream(session: Session, text: string): Promise<void> {
  const { id: receiver, organization } = await findSignalReceiver(session, text)
  session.print.item(receiverView, await session.api.signalStreams.verify({ organization, receiver }))
}

async function listSources({ api, organization, print }: Session): Promise<void> {
  print.list(sourceView, await allPages(page => api.signalSources.list({ ...page, ...organization })))
}

async function addSource(
  session: Session,
  name: string,
  options: {
    idp: string
    issuer: string
    jwksUri?: string
    audience?: string
    pollUrl?: string
    authorizationFile?: string
  } & ClientOptions,
): Promise<void> {
  const { api, io, print } = session
  const { idp, issuer: at, jwksUri, audience, pollUrl, authorizationFile: file } = options
  const wish = { issuer: at, jwksUri, audience, pollUrl, client: await readClient(io, options) }
  const { id: provider, organization } = await findIdentityProvider(session, idp)
  const authorization = file === undefined ? undefined : await readValue(io, file)
  const source = await api.signalSources.create({ organization, name, provider, authorization, ...wish })
  print.item(sourceView, source)
  const { issuer } = await api.session.whoami({})
  if (source.pollUrl === null) print.note(`Tell the provider: push to ${issuer}${source.path}`)
  print.note(`Its events have to name the audience ${source.audience}`)
}

interface ClientOptions {
  clientId?: string
  clientSecretFile?: string
  clientKeyFile?: string
  authorizationServer?: string
}

/** The client that a transmitter knows us as, with what it proves itself by from a file. */
async function readClient(io: Io, options: ClientOptions) {
  const { clientId: id, clientSecretFile, clientKeyFile, authorizationServer } = options
  const files = [clientSecretFile, clientKeyFile].filter(file => file !== undefined)
  if (id === undefined && files.length === 0 && authorizationServer === undefined) return undefined
  if (id === undefined || files.length !== 1)
    throw new UsageError(
      'A client has an id and one thing that it proves itself by.',
      'It gets its tokens by these.',
      'Name --client-id, and --client-secret-file or --client-key-file.',
    )
  if (clientKeyFile === undefined)
    return { id, authorizationServer, secret: await readValue(io, clientSecretFile) }
  return { id, authorizationServer, privateJwk: await readKey(io, clientKeyFile) }
}

async function removeSource(session: Session, text: string, options: ConfirmOptions): Promise<void> {
  const { api, print } = session
  const { id, name, organization } = await findSignalSource(session, text)
  const preview = [`What ${name} says ends nothing here any more.`]
  if (!(await confirm(session, { name, preview }, options))) return
  const { reason } = options
  print.item(sourceView, await api.signalSources.remove({ organization, signalSource: id, reason }))
}

async function rotateKey({ api, print }: Session): Promise<void> {
  const key = await api.signalKeys.rotate({})
  print.item(
    {
      kind: 'SignalKey',
      name: key => key.kid,
      columns: [
        { header: 'KID', value: key => key.kid },
        { header: 'STATUS', value: key => key.status },
        { header: 'CREATED', value: key => ({ time: key.createdAt }) },
      ],
    },
    key,
  )
}
