import { expect, describe as group, test } from 'vitest'
import { INVOICE_RULE, northwind, start } from './product.ts'

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
