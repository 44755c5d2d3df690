import type { AdminApi, Client as ApiClient } from '@valetkey/sdk/contract'
import type { Agent } from './stage.ts'
import { round, type Tell, type ToolCall } from './telling.ts'

export interface Revocation {
  confirmedMs: number
  refusedMs: number
  points: number
  /** Until what the agent had handed on was refused too. */
  derivedMs: number
}

/** Takes the agent's keys away and shows that the token it still holds opens nothing. */
export async function revokeAndCall(
  api: ApiClient<AdminApi>,
  agent: Agent,
  url: string,
  request: ToolCall,
  tell: Tell,
  derived: (from: number) => Promise<number>,
): Promise<Revocation> {
  const token = agent.tokenFor(url)
  const from = performance.now()
  const revocation: Revocation = { confirmedMs: 0, refusedMs: 0, points: 0, derivedMs: 0 }
  await tell('valetkey revoke agent support-bot --wait', async () => {
    const { barrier } = await api.revocations.create({
      organization: 'northwind',
      kind: 'agent',
      id: 'support-bot',
      reason: 'demo',
      waitMs: 5_000,
    })
    const confirmed = barrier?.points.filter(point => point.outcome === 'confirmed').length ?? 0
    revocation.points = barrier?.points.length ?? 0
    revocation.confirmedMs = round(barrier?.elapsedMs ?? 0)
    return {
      status: 'confirmed',
      text: `${confirmed} of ${revocation.points} enforcement points confirmed in ${revocation.confirmedMs} ms`,
    }
  })
  await tell('the same call with the token that was good a moment ago', async () => {
    const response = await callWith(token, url, request)
    revocation.refusedMs = round(performance.now() - from)
    const { error } = (await response.json()) as { error?: { message: string } }
    return {
      status: response.status,
      text: `${error?.message ?? ''} ${revocation.refusedMs} ms after the word was given`,
    }
  })
  revocation.derivedMs = await derived(from)
  await tell('support-bot asks for a new token', async () => {
    try {
      await agent.connect(url)
      return { status: 'permitted', text: 'it should not have got one' }
    } catch (fault) {
      return { status: 'shut out', text: fault instanceof Error ? fault.message : String(fault) }
    }
  })
  return revocation
}

/** By hand: a client of the SDK would first ask for another token. */
export function callWith(token: string, url: string, request: ToolCall): Promise<Response> {
  return fetch(url, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2025-11-25',
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 9, method: 'tools/call', params: request }),
  })
}
