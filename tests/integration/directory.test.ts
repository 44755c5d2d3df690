import { generateKeyPairSync } from 'node:crypto'
import { expect, describe as group, test } from 'vitest'
import { INVOICE_RULE, northwind, start } from './product.ts'

group('organizations', () => {
  test('200: one is created with its root, shown by slug and id, and counts its revisions', async () => {
    await using product = await start()
    const admin = product.client()
    const made = await admin.organizations.create({ slug: 'northwind', name: 'Northwind' })
    expect(made).toMatchObject({ slug: 'northwind', status: 'active', revision: 1 })
    expect(await admin.organizations.get({ id: made.id })).toEqual(made)
    expect((await admin.organizations.freeze({ id: 'northwind' })).revision).toBe(2)
    expect((await admin.organizations.freeze({ id: 'northwind' })).revision).toBe(2)
    expect(await admin.organizations.thaw({ id: 'northwind', reason: 'looked into' })).toMatchObject({
      status: 'active',
      revision: 3,
    })
  })

  test('409: the slug is taken; the name of the catalogue always is', async () => {
    await using product = await start()
    const admin = product.client()
    await admin.organizations.create({ slug: 'northwind', name: 'Northwind' })
    for (const slug of ['northwind', 'catalogue'])
      await expect(admin.organizations.create({ slug, name: 'N' })).rejects.toMatchObject({
        status: 409,
        code: 'conflict.exists',
        message: `There is an organization "${slug}" already.`,
      })
    expect((await admin.organizations.list({})).items).toHaveLength(1)
  })

  test('404: the catalogue is no organization', async () => {
    await using product = await start()
    await expect(product.client().organizations.freeze({ id: 'catalogue' })).rejects.toMatchObject({
      status: 404,
    })
  })

  test('400: with two organizations one must be named, and the answer names them', async () => {
    await using product = await start()
    await northwind(product)
    const admin = product.client()
    await admin.organizations.create({ slug: 'contoso', name: 'Contoso' })
    await expect(admin.agents.get({ id: 'support-bot' })).rejects.toMatchObject({
      status: 400,
      path: 'organization',
      message: 'Name the organization: contoso, northwind.',
    })
    expect((await admin.agents.get({ id: 'support-bot', organization: 'northwind' })).name).toBe(
      'support-bot',
    )
    await expect(admin.agents.get({ id: 'support-bot', organization: 'contoso' })).rejects.toMatchObject({
      status: 404,
      message: 'No agent "support-bot" in contoso.',
    })
  })
})

group('what one organization has, another cannot reach', () => {
  test('404: by id with the other organization, for every kind of thing', async () => {
    await using product = await start()
    const { agent, maya, assignment, credential } = await northwind(product)
    const admin = product.client()
    await admin.organizations.create({ slug: 'contoso', name: 'Contoso' })
    const organization = 'contoso'
    const notFound = { status: 404 }
    await expect(admin.agents.get({ id: agent.id, organization })).rejects.toMatchObject(notFound)
    await expect(admin.agents.suspend({ id: agent.id, organization })).rejects.toMatchObject(notFound)
    await expect(admin.people.get({ id: maya.id, organization })).rejects.toMatchObject(notFound)
    await expect(admin.credentials.list({ agent: agent.id, organization })).rejects.toMatchObject(notFound)
    await expect(admin.assignments.remove({ id: assignment.id, organization })).rejects.toMatchObject(
      notFound,
    )
    for (const [kind, id] of [
      ['agent', agent.id],
      ['credential', credential.id],
    ] as const)
      await expect(admin.revocations.create({ kind, id, organization })).rejects.toMatchObject(notFound)
    await expect(
      admin.assignments.create({ principal: agent.id, role: 'clerk', organization }),
    ).rejects.toMatchObject(notFound)
    await expect(
      admin.agents.create({ name: 'x', owner: maya.id, ceiling: [], organization }),
    ).rejects.toMatchObject({ status: 400, path: 'owner' })
  })
})

group('people and owners', () => {
  test('409: an address is one person, however it is written', async () => {
    await using product = await start()
    await northwind(product)
    await expect(
      product.client().people.create({ email: 'Maya@Northwind.test', name: 'Maya' }),
    ).rejects.toMatchObject({ status: 409, code: 'conflict.exists' })
  })

  test('a suspended owner stops the agents at the next revision; only an active one may own', async () => {
    await using product = await start()
    await northwind(product)
    const admin = product.client()
    const check = () =>
      admin.decisions.check({
        agent: 'support-bot',
        server: 'billing',
        name: 'get_invoice',
        arguments: { id: '7' },
      })
    expect(await check()).toMatchObject({ decision: 'permit' })
    await admin.people.update({ id: 'maya@northwind.test', status: 'suspended' })
    expect(await check()).toMatchObject({ decision: 'deny', reason: 'suspended' })
    await expect(
      admin.agents.create({ name: 'other', owner: 'maya@northwind.test', ceiling: [] }),
    ).rejects.toMatchObject({ status: 400, path: 'owner' })
    await admin.agents.suspend({ id: 'support-bot' })
    await expect(admin.agents.resume({ id: 'support-bot', reason: 'looked into' })).rejects.toMatchObject({
      status: 409,
      code: 'conflict.state',
    })
  })

  test('409: a retired person stays retired', async () => {
    await using product = await start()
    await northwind(product)
    const admin = product.client()
    await admin.people.update({ id: 'maya@northwind.test', status: 'retired' })
    await expect(admin.people.update({ id: 'maya@northwind.test', status: 'active' })).rejects.toMatchObject({
      status: 409,
      code: 'conflict.state',
    })
  })
})

group('agents', () => {
  test('409: a name is one agent, however it is written', async () => {
    await using product = await start()
    await northwind(product)
    await expect(
      product.client().agents.create({ name: 'Support-Bot', owner: 'maya@northwind.test', ceiling: [] }),
    ).rejects.toMatchObject({ status: 409, message: 'There is an agent "Support-Bot" in northwind already.' })
  })

  test('200: the same again changes nothing and raises no revision', async () => {
    await using product = await start()
    const { agent } = await northwind(product)
    const admin = product.client()
    const before = await admin.organizations.get({ id: 'northwind' })
    await admin.agents.update({
      id: 'support-bot',
      ceiling: ['invoices:*', 'invoices:*'],
      owner: agent.owner,
    })
    await admin.agents.resume({ id: 'support-bot', reason: 'looked into' })
    expect(await admin.organizations.get({ id: 'northwind' })).toEqual(before)
  })
})

group('credentials', () => {
  const pair = (type: 'P-256' | 'P-384' | 'Ed25519' | 'secp256k1' | 1024 | 2048, publicExponent = 65537) => {
    const { publicKey, privateKey } =
      type === 'Ed25519'
        ? generateKeyPairSync('ed25519')
        : typeof type === 'number'
          ? generateKeyPairSync('rsa', { modulusLength: type, publicExponent })
          : generateKeyPairSync('ec', { namedCurve: type })
    const [jwk, secret] = [publicKey.export({ format: 'jwk' }), privateKey.export({ format: 'jwk' })]
    return { jwk: jwk as { kty: 'EC' }, secret: secret as { kty: 'EC' } }
  }

  test('200: keys of the three kinds, of which only what makes them is kept', async () => {
    await using product = await start()
    await northwind(product)
    const admin = product.client()
    for (const type of ['P-256', 'Ed25519', 2048] as const) {
      const publicKey = { ...pair(type).jwk, kid: `k-${type}`, x5u: 'https://evil.test', use: 'sig' }
      const made = await admin.credentials.create({ agent: 'support-bot', publicKey, label: `${type}` })
      expect(made).toMatchObject({ kind: 'key', secret: null, status: 'live' })
      const { publicJwk } = await product.store.db
        .selectFrom('credential')
        .select('publicJwk')
        .where('id', '=', made.id)
        .executeTakeFirstOrThrow()
      expect(publicJwk).toContain(`k-${type}`)
      expect(publicJwk).not.toContain('evil')
    }
  })

  test('400: weak, odd and private keys', async () => {
    await using product = await start()
    await northwind(product)
    const admin = product.client()
    const { jwk } = pair('P-256') as { jwk: { kty: 'EC'; x?: string } }
    const refused = [
      pair('P-384').jwk,
      pair('secp256k1').jwk,
      pair(1024).jwk,
      pair(2048, 3).jwk,
      pair('P-256').secret,
      pair('Ed25519').secret,
      { kty: 'oct', k: 'c2VjcmV0' } as never,
      { kty: 'EC' as const },
      { ...jwk, x: 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA' },
    ]
    for (const publicKey of refused)
      await expect(
        admin.credentials.create({ agent: 'support-bot', publicKey }),
        JSON.stringify(publicKey),
      ).rejects.toMatchObject({ status: 400 })
    await expect(admin.credentials.create({ agent: 'support-bot' })).rejects.toMatchObject({
      path: 'publicKey',
    })
    await expect(
      admin.credentials.create({ agent: 'support-bot', kind: 'secret', publicKey: jwk }),
    ).rejects.toMatchObject({ path: 'publicKey' })
  })

  test('409: no two agents share a key, however it is spelt', async () => {
    await using product = await start()
    await northwind(product)
    const admin = product.client()
    await admin.agents.create({ name: 'other', owner: 'maya@northwind.test', ceiling: [] })
    const jwk = pair('P-256').jwk as { kty: 'EC'; x: string; y: string }
    await admin.credentials.create({ agent: 'support-bot', publicKey: jwk })
    for (const publicKey of [jwk, { ...jwk, kid: 'another' }, { ...jwk, x: `${jwk.x}=` }])
      await expect(admin.credentials.create({ agent: 'other', publicKey })).rejects.toMatchObject({
        status: 409,
        code: 'conflict.exists',
      })
  })

  test('400: a secret lives a year at most, and nothing is born expired', async () => {
    await using product = await start()
    const { credential } = await northwind(product)
    const admin = product.client()
    const inDays = (days: number) => new Date(product.now() + days * 86_400_000).toISOString()
    expect(credential).toMatchObject({ kind: 'secret', expiresAt: inDays(365) })
    const create = (days: number) =>
      admin.credentials.create({ agent: 'support-bot', kind: 'secret', expiresAt: inDays(days) })
    for (const days of [-1, 0, 366])
      await expect(create(days), `${days}`).rejects.toMatchObject({ status: 400, path: 'expiresAt' })
    product.passTime(1)
    const { id } = await create(1)
    product.passTime(86_400_000)
    const { items } = await admin.credentials.list({ agent: 'support-bot' })
    expect(items.map(item => [item.id === id, item.status])).toEqual([
      [false, 'live'],
      [true, 'expired'],
    ])
  })
})

group('servers', () => {
  test('409: a name or URL that another server has', async () => {
    await using product = await start()
    await northwind(product)
    const admin = product.client()
    for (const [name, url] of [
      ['Billing', 'https://other.test/mcp'],
      ['other', 'https://BILLING.test:443/mcp'],
    ] as const)
      await expect(admin.servers.create({ name, url })).rejects.toMatchObject({ status: 409 })
    const crm = await admin.servers.create({ name: 'crm', url: 'https://crm.test' })
    expect(crm.url).toBe('https://crm.test')
    await expect(admin.servers.update({ id: 'crm', url: 'https://billing.test/mcp' })).rejects.toMatchObject({
      status: 409,
    })
  })

  test('400: a URL with credentials, a query, a fragment or another scheme', async () => {
    await using product = await start()
    for (const url of [
      'https://a:b@x.test/mcp',
      'https://x.test/mcp?a=1',
      'https://x.test/mcp#a',
      'https://x.test/mcp?',
      'ftp://x.test/mcp',
      'javascript:alert(1)',
      'https://',
    ])
      await expect(product.client().servers.create({ name: 'x', url }), url).rejects.toMatchObject({
        status: 400,
      })
  })

  test('400: an upstream credential that would break out of its header', async () => {
    await using product = await start()
    await northwind(product)
    for (const value of ['a\r\nx: y', 'a\u0000', ' ', 'ключ'])
      await expect(
        product.client().servers.setUpstreamCredential({ id: 'billing', value }),
      ).rejects.toMatchObject({
        status: 400,
      })
  })
})

group('tools', () => {
  test('200: the same rule again changes nothing; another replaces it under the same id', async () => {
    await using product = await start()
    const { tool } = await northwind(product)
    const admin = product.client()
    const heads = () =>
      product.store.db
        .selectFrom('organization')
        .select('revision')
        .where('id', '=', 'catalogue')
        .executeTakeFirst()
    const before = await heads()
    expect(await admin.tools.map({ server: 'billing', ...INVOICE_RULE })).toEqual(tool)
    expect(await heads()).toEqual(before)
    const changed = await admin.tools.map({ server: 'billing', ...INVOICE_RULE, condition: 'args.id != ""' })
    expect(changed).toMatchObject({ id: tool.id, condition: 'args.id != ""', drift: 'unseen' })
  })

  test('422: a rule that could never be decided on, with where the fault lies', async () => {
    await using product = await start()
    await northwind(product)
    const cases = [
      [{ definition: null }, 'definition'],
      [{ inputSchema: null }, 'inputSchema'],
      [{ condition: 'args.id ==' }, 'condition'],
      [{ condition: '1 + 1' }, 'condition'],
      [{ condition: 'process.exit()' }, 'condition'],
      [{ resource: 'invoice/{args.number}' }, 'resource'],
      [{ resource: 'invoice/{id}' }, 'resource'],
      [{ kind: 'resource' as const, name: 'file://*/x' }, 'name'],
    ] as const
    for (const [change, path] of cases)
      await expect(
        product.client().tools.map({ server: 'billing', ...INVOICE_RULE, ...change }),
        JSON.stringify(change),
      ).rejects.toMatchObject({ status: 422, code: 'policy.invalid', path })
  })

  test('404: a permission that nobody created, a rule that is not there', async () => {
    await using product = await start()
    await northwind(product)
    const admin = product.client()
    await expect(
      admin.tools.map({ server: 'billing', ...INVOICE_RULE, permission: 'none:read' }),
    ).rejects.toMatchObject({ status: 404, message: 'No permission "none:read". Create it first.' })
    await admin.tools.unmap({ server: 'billing', id: 'get_invoice' })
    await expect(admin.tools.unmap({ server: 'billing', id: 'get_invoice' })).rejects.toMatchObject({
      status: 404,
    })
  })

  test('drift says whether the server still offers what was approved', async () => {
    await using product = await start()
    const { server } = await northwind(product)
    const admin = product.client()
    const see = (definition: string) =>
      product.store.write(tx =>
        tx
          .insertInto('seenDefinition')
          .values({
            serverId: server.id,
            kind: 'tool',
            name: 'get_invoice',
            definition,
            description: null,
            inputSchema: null,
            annotations: null,
            seenAt: '2027-01-01T00:00:00.000Z',
          })
          .onConflict(conflict => conflict.columns(['serverId', 'kind', 'name']).doUpdateSet({ definition }))
          .execute(),
      )
    const drift = async () => (await admin.tools.list({ server: 'billing' })).items[0]?.drift
    expect(await drift()).toBe('unseen')
    await see(INVOICE_RULE.definition)
    expect(await drift()).toBe('none')
    await see(`sha256-${'b'.repeat(43)}`)
    expect(await drift()).toBe('changed')
    expect(
      await admin.decisions.check({
        agent: 'support-bot',
        server: 'billing',
        name: 'get_invoice',
        arguments: { id: '1' },
      }),
    ).toMatchObject({ decision: 'deny', reason: 'tool_changed' })
  })
})

group('roles and permissions', () => {
  test('422: a role holds no permission of a type above or beside its own', async () => {
    await using product = await start()
    await northwind(product)
    const admin = product.client()
    await admin.resourceTypes.create({ slug: 'customer' })
    await admin.resourceTypes.create({ slug: 'line', parents: ['customer'] })
    await admin.permissions.create({ slug: 'lines:read', type: 'line' })
    const role = (slug: string, type: string, permissions: string[]) =>
      admin.roles.create({ slug, type, permissions })
    expect(await role('a', 'customer', ['lines:read'])).toMatchObject({ permissions: ['lines:read'] })
    expect(await role('b', 'organization', ['lines:read', 'invoices:read'])).toBeTruthy()
    await expect(role('c', 'line', ['invoices:read'])).rejects.toMatchObject({ status: 422 })
    await expect(role('d', 'organization', ['no:read'])).rejects.toMatchObject({ status: 404 })
    expect((await admin.roles.list({})).items.map(({ slug }) => slug).sort()).toEqual(['a', 'b', 'clerk'])
  })

  test('a bit of a resource type is given once', async () => {
    await using product = await start()
    const admin = product.client()
    await admin.resourceTypes.create({ slug: 'customer' })
    for (const slug of ['a:read', 'a:write', 'b:read']) await admin.permissions.create({ slug })
    await admin.permissions.create({ slug: 'c:read', type: 'customer' })
    const rows = await product.store.db
      .selectFrom('permission')
      .select(['slug', 'bit'])
      .orderBy('slug')
      .execute()
    expect(rows.map(({ slug, bit }) => `${slug} ${bit}`)).toEqual([
      'a:read 0',
      'a:write 1',
      'b:read 2',
      'c:read 0',
    ])
    await expect(admin.permissions.create({ slug: 'a:read' })).rejects.toMatchObject({ status: 409 })
  })

  test('a narrowed role bites at once', async () => {
    await using product = await start()
    await northwind(product)
    const admin = product.client()
    const check = () =>
      admin.decisions.check({
        agent: 'support-bot',
        server: 'billing',
        name: 'get_invoice',
        arguments: { id: '1' },
      })
    expect((await check()).decision).toBe('permit')
    await admin.roles.update({ id: 'clerk', permissions: [] })
    expect(await check()).toMatchObject({ decision: 'deny', reason: 'agent_lacks_permission' })
  })
})

group('assignments', () => {
  test('200: giving a role again answers with what stands and raises no revision', async () => {
    await using product = await start()
    const { assignment } = await northwind(product)
    const admin = product.client()
    expect(assignment).toMatchObject({
      principalName: 'support-bot',
      role: 'clerk',
      resource: 'organization/northwind',
      source: 'direct',
    })
    const { revision } = await admin.organizations.get({ id: 'northwind' })
    expect(await admin.assignments.create({ principal: 'support-bot', role: 'clerk' })).toEqual(assignment)
    expect((await admin.organizations.get({ id: 'northwind' })).revision).toBe(revision)
  })

  test('200: another end is another assignment, in one revision with the end of the old one', async () => {
    await using product = await start()
    const { assignment } = await northwind(product)
    const admin = product.client()
    const { revision } = await admin.organizations.get({ id: 'northwind' })
    const expiresAt = new Date(product.now() + 60_000).toISOString()
    const ending = await admin.assignments.create({ principal: 'support-bot', role: 'clerk', expiresAt })
    expect(ending.id).not.toBe(assignment.id)
    expect((await admin.assignments.list({ principal: 'support-bot' })).items).toEqual([ending])
    expect((await admin.organizations.get({ id: 'northwind' })).revision).toBe(revision + 1)
    product.passTime(60_000)
    expect(
      await admin.decisions.check({
        agent: 'support-bot',
        server: 'billing',
        name: 'get_invoice',
        arguments: { id: '1' },
      }),
    ).toMatchObject({ reason: 'agent_lacks_permission' })
  })

  test('404: an assignment that was taken away', async () => {
    await using product = await start()
    const { assignment } = await northwind(product)
    const admin = product.client()
    await admin.assignments.remove({ id: assignment.id })
    await expect(admin.assignments.remove({ id: assignment.id })).rejects.toMatchObject({ status: 404 })
  })
})
