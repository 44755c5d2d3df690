import { expect, describe as group, test } from 'vitest'
import { ISSUER, northwind, start } from './product.ts'

group('400: a body that is not what it should be', () => {
  test.each([
    ['not JSON', '{"slug": '],
    ['not an object', '["slug"]'],
    ['null', 'null'],
    ['nested too deep', `${'['.repeat(100_000)}${']'.repeat(100_000)}`],
    ['nested too deep in a member', `{"slug":${'{"a":'.repeat(70)}1${'}'.repeat(70)}}`],
    ['a key that is more than a key', '{"slug":"a","name":"A","__proto__":{"admin":true}}'],
    ['U+0000 in a text', '{"slug":"a","name":"A\\u0000"}'],
    ['half a character', '{"slug":"a","name":"\\ud800"}'],
    ['a control character', '{"slug":"a","name":"A\\u001b[2J"}'],
    ['a turned reading direction', '{"slug":"a","name":"A\\u202egnp"}'],
    ['an invisible character', '{"slug":"a","name":"A\\u200bB"}'],
    ['no name', '{"slug":"a","name":""}'],
    ['a name of 4 KB', JSON.stringify({ slug: 'a', name: 'x'.repeat(4096) })],
    ['a slug of 4 KB', JSON.stringify({ slug: 'x'.repeat(4096), name: 'A' })],
    ['a slug of look-alikes', '{"slug":"nоrthwind","name":"A"}'],
    ['a slug with a path in it', '{"slug":"../catalogue","name":"A"}'],
    ['a slug that looks like an id', '{"slug":"org_01kam3v9w2c8q0r5t7x1y4z6b8","name":"A"}'],
    ['a number as a text', '{"slug":7,"name":"A"}'],
  ])('%s', async (_, body) => {
    await using product = await start()
    const answer = await product.request('POST', '/organizations', body)
    expect(answer).toMatchObject({ status: 400, body: { code: 'request.invalid' } })
    expect(JSON.stringify(answer.body).length).toBeLessThan(1000)
    expect((await product.client().organizations.list({})).items).toEqual([])
  })
})

test('400: an unknown key, with the one that was meant', async () => {
  await using product = await start()
  const body = { slug: 'northwind', nmae: 'Northwind' }
  expect((await product.request('POST', '/organizations', body)).body).toMatchObject({ path: 'name' })
  const both = { ...body, name: 'Northwind' }
  expect((await product.request('POST', '/organizations', both)).body).toMatchObject({
    code: 'request.invalid',
    path: 'nmae',
    detail: 'There is no "nmae" here. Did you mean "name"?',
  })
  expect((await product.request('GET', '/organizations?limt=3')).body.detail).toBe(
    'There is no "limt" here. Did you mean "limit"?',
  )
  const long = await product.request('POST', '/organizations', { ...both, ['k'.repeat(4096)]: 1 })
  expect(long.body.detail.length).toBeLessThan(200)
})

test('400: a query that says a thing twice, or no number', async () => {
  await using product = await start()
  for (const query of ['limit=1&limit=2', 'limit=0', 'limit=x', 'limit=201', 'limit=1.5', 'cursor=%00'])
    expect((await product.request('GET', `/organizations?${query}`)).status, query).toBe(400)
})

test('413: a body over the limit, whether it says so or not', async () => {
  await using product = await start()
  const big = JSON.stringify({ slug: 'a', name: 'x'.repeat(1_100_000) })
  expect((await product.request('POST', '/organizations', big)).body.code).toBe('request.too_large')
  let sent = 0
  const endless = new ReadableStream({
    pull(controller) {
      sent += 65_536
      controller.enqueue(new Uint8Array(65_536).fill(32))
    },
  })
  const request = new Request(`${ISSUER}/api/organizations`, {
    method: 'POST',
    headers: { authorization: `Bearer ${product.adminToken}`, 'content-type': 'application/json' },
    body: endless,
    duplex: 'half',
  } as RequestInit)
  expect((await product.send(request)).status).toBe(413)
  expect(sent).toBeLessThan(2_000_000)
})

test('415: another content type, charset or encoding', async () => {
  await using product = await start()
  const body = '{"slug":"a","name":"A"}'
  for (const headers of [
    { 'content-type': 'text/plain' },
    { 'content-type': 'application/x-www-form-urlencoded' },
    { 'content-type': 'application/json; charset=utf-16' },
    { 'content-type': 'application/json; charset=iso-8859-1' },
    { 'content-encoding': 'gzip' },
  ])
    expect(
      (await product.request('POST', '/organizations', body, headers)).body,
      JSON.stringify(headers),
    ).toMatchObject({ status: 415, code: 'request.encoding' })
  const request = new Request(`${ISSUER}/api/organizations`, {
    method: 'POST',
    headers: { authorization: `Bearer ${product.adminToken}`, 'content-type': 'application/json' },
    body: new Uint8Array([0x7b, 0xff, 0xfe, 0x7d]),
  })
  expect((await product.send(request)).status).toBe(415)
})

group('404: an id that nothing has, repeated without what a terminal would act on', () => {
  test.each([
    ['control characters', '%1b%5b2J%07'],
    ['a line break', 'a%0d%0aSet-Cookie:%20x=1'],
    ['a quote', '%22%20or%20%221%22=%221'],
    ['a path', '..%2f..%2fapi-tokens'],
    ['a broken escape', '%zz'],
    ['4 KB', 'x'.repeat(4096)],
    ['a look-alike', 'support%E2%80%8B-bot'],
    ['a letter that folds onto ASCII', 'cler%E2%84%AA'],
    ['an id of another kind', 'org_01kam3v9w2c8q0r5t7x1y4z6b8'],
    ['an id in capitals', 'AGT_01KAM3V9W2C8Q0R5T7X1Y4Z6B8'],
  ])('%s', async (_, id) => {
    await using product = await start()
    await northwind(product)
    for (const path of ['agents', 'people', 'servers', 'roles', 'organizations']) {
      const answer = await product.request('GET', `/${path}/${id}`)
      expect(answer, path).toMatchObject({ status: 404, body: { code: 'not_found' } })
      expect(answer.body.detail).toMatch(/^No [\w ]+ "[^\p{Cc}]{1,250}"( in northwind)?\.$/u)
    }
  })
})

test('400: a cursor that was made up, changed, or given out by another list', async () => {
  await using product = await start()
  const admin = product.client()
  for (const slug of ['one', 'two', 'three']) await admin.organizations.create({ slug, name: slug })
  const { next } = await admin.organizations.list({ limit: 1 })
  const changed = `${next?.slice(0, -2)}${next?.endsWith('A') ? 'BB' : 'AA'}`
  for (const cursor of ['org_', 'v1.', changed])
    await expect(admin.organizations.list({ cursor })).rejects.toMatchObject({ status: 400, path: 'cursor' })
  await expect(admin.servers.list({ cursor: next ?? '' })).rejects.toMatchObject({ status: 400 })
})

test('pages neither repeat nor hide what stands while things are added and taken away', async () => {
  await using product = await start()
  const admin = product.client()
  const made: string[] = []
  for (let i = 0; i < 7; i++) {
    product.passTime(1)
    made.push((await admin.organizations.create({ slug: `o${i}`, name: 'O' })).id)
  }
  const seen: string[] = []
  let cursor: string | null = null
  do {
    const page: Awaited<ReturnType<typeof admin.organizations.list>> = await admin.organizations.list(
      cursor === null ? { limit: 2 } : { limit: 2, cursor },
    )
    seen.push(...page.items.map(item => item.id))
    cursor = page.next
    product.passTime(1)
    if (seen.length < 5)
      made.push((await admin.organizations.create({ slug: `n${seen.length}`, name: 'N' })).id)
  } while (cursor !== null)
  expect(seen).toEqual(made)
})
