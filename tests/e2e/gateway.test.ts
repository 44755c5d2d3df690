import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Fixture, startFixture } from '../conformance/fixture/index.ts'
import { type GatewayStage, startGatewayStage } from './gateway-stage.ts'
import { say } from './say.ts'
import { startWorld, type World } from './world.ts'

let world: World
let fixture: Fixture
let stage: GatewayStage

const RULES = {
  test_simple_text: { needs: 'files:read' },
  test_error_handling: { needs: 'files:read' },
  test_image_content: { needs: 'files:write' },
}

beforeAll(async () => {
  world = await startWorld()
  fixture = await startFixture()
  stage = await startGatewayStage(world, { name: 'fixture', upstream: fixture.url, rules: RULES })
})

afterAll(async () => {
  await stage[Symbol.asyncDispose]()
  await fixture.close()
  await world[Symbol.asyncDispose]()
})

test('a permitted call gives the real result, an unmapped tool a refusal, no token a challenge', async () => {
  const { url, token } = stage
  const call = await say(url, 'tools/call', { name: 'test_simple_text' }, { token, era: 'modern' })
  expect(call.text).toBe('')
  expect(call.status).toBe(200)
})
