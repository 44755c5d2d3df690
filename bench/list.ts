import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSnapshot, listResources, type Snapshot } from '@valetkey/sdk/engine'
import { loadCatalogue, loadOrganization } from '../packages/server/src/directory/index.ts'
import { openStore, type Store } from '../packages/server/src/store/index.ts'
import * as plain from '../tests/model/sql.ts'
import { openListQuery } from './list-query.ts'
import type { Result } from './main.ts'
import { eachMicros, median, pseudoRandom, quantile } from './measure.ts'
import { storeTree } from './stored-tree.ts'
import { growTree, type Node, ORGANIZATION, pick, seqOf, type Tree } from './tree.ts'

const RESOURCES = 100_000
const LISTED = 80
/** People who may read exactly so many documents: some by a project, the rest one by one. */
const READERS = 200
/** So few, because each takes a second. */
const PLAIN = 5
const NOW = 1_800_000_000_000
const ASKED = { organization: ORGANIZATION, permission: 'document:read', type: 'rty_document', now: NOW }

/** What it costs to list what somebody may read, beside the recursive query that answers the same from the tables. */
export async function run(): Promise<Result> {
  const directory = await mkdtemp(join(tmpdir(), 'valetkey-list-'))
  const path = join(directory, 'list.db')
  const store = await openStore({ url: `sqlite:${path}`, masterKey: new Uint8Array(32) })
  try {
    const tree = growTree(RESOURCES)
    const readers = addReaders(tree)
    await storeTree(store, tree)
    const snapshot = createSnapshot()
    snapshot.load(await loadCatalogue(store.db))
    snapshot.load(await loadOrganization(store.db, ORGANIZATION, NOW))
    const query = openListQuery(path, ASKED)
    const wrong = compare(snapshot, query, readers)
    const index = measure(readers, 20, principal => list(snapshot, principal))
    const tuned = measure(readers, 4, query)
    const cte = await measurePlain(store, readers.slice(0, PLAIN))
    return {
      figures: { us_80_of_100k: median(index), ratio_to_cte: median(cte) / median(index) },
      stages: {
        p99_us_80_of_100k: quantile(index, 0.99),
        cte_us: median(cte),
        tuned_cte_us: median(tuned),
        ratio_to_tuned_cte: median(tuned) / median(index),
        wrong,
        listed: 'with the assignment that carries each; queries give numbers alone',
        cte: 'as written in tests/model/sql.ts; tuned: prepared, in the best order of joins, the index named',
      },
    }
  } finally {
    await store.close()
    await rm(directory, { recursive: true })
  }
}

/** Adds people to a tree who may read so many documents each; gives back their numbers. */
function addReaders(tree: Tree): number[] {
  const random = pseudoRandom(21)
  const projects = tree.nodes.filter(({ type }) => type === 'project')
  const documents = tree.nodes.filter(({ type }) => type === 'document')
  const readers = Array.from({ length: READERS }, (_, i) => `usr_${tree.people.length + i}`)
  tree.people.push(...readers)
  for (const principal of readers) {
    const within = new Set([pick(projects, random), pick(projects, random)])
    const below = [...within].flatMap(project => tree.childrenOf.get(project) ?? [])
    const places = new Set<Node>()
    while (below.length + places.size < LISTED) {
      const document = pick(documents, random)
      if (document.parent && !within.has(document.parent)) places.add(document)
    }
    for (const node of [...within, ...places])
      tree.given.push({ principal, seq: seqOf(principal), role: `${node.type}-viewer`, node })
  }
  return readers.map(seqOf)
}

function list(snapshot: Snapshot, principal: number): number[] {
  const view = snapshot.organization(ORGANIZATION)
  if (!view) throw new Error('unreachable: the organization was loaded')
  const question = { ...ASKED, principal, after: 0, limit: 100 }
  return listResources(view, question).items.map(({ resource }) => resource)
}

/** How many lists are not what the query finds. */
function compare(
  snapshot: Snapshot,
  query: (principal: number) => number[],
  readers: readonly number[],
): number {
  const isWrong = (principal: number) => {
    const listed = list(snapshot, principal)
    return listed.length !== LISTED || listed.join() !== query(principal).join()
  }
  return readers.filter(isWrong).length
}

async function measurePlain({ db }: Store, readers: readonly number[]): Promise<number[]> {
  const samples: number[] = []
  const [asker, asked] = [
    { db, organization: ORGANIZATION, now: NOW },
    { ...ASKED, type: 'document' },
  ]
  for (const principal of readers) {
    const from = performance.now()
    await plain.listResources(asker, { ...asked, principal })
    samples.push((performance.now() - from) * 1000)
  }
  return samples
}

/** The first half warms up. */
function measure(readers: readonly number[], rounds: number, work: (principal: number) => unknown): number[] {
  const asked = Array.from({ length: rounds }, () => readers).flat()
  const samples = eachMicros(
    asked,
    principal => principal,
    principal => void work(principal),
  )
  return samples.slice(samples.length / 2)
}
