import type { AdminApi, Output } from '@valetkey/sdk/contract'
import { namesOf } from '../names.ts'
import type { Session } from '../session.ts'
import type { Cell, View } from '../terminal/index.ts'
import type { Question } from './access-question.ts'

type Checked = Output<AdminApi['access']['check']>
export type Via = Checked['via'][number]
export type Explained = Output<AdminApi['access']['explain']>

export const checkedView: View<Checked> = {
  kind: 'Access',
  name: ({ allowed }) => (allowed ? 'permit' : 'deny'),
  columns: [
    { header: 'DECISION', value: verdictOf },
    { header: 'REASON', value: checked => checked.reason },
  ],
}

export const explainedView: View<Explained> = {
  kind: 'AccessExplanation',
  name: ({ allowed }) => (allowed ? 'permit' : 'deny'),
  columns: [
    { header: 'DECISION', value: verdictOf },
    { header: 'SENTENCE', value: explained => explained.sentence },
    { header: 'REASON', value: explained => explained.reason },
    { header: 'PATH', value: explained => explained.path.join(' < ') },
  ],
}

function verdictOf({ allowed }: Pick<Checked, 'allowed'>): Cell {
  return { verdict: allowed ? 'permit' : 'deny' }
}

/** By which roles something is held; ids of who gave them as names where people read it. */
export async function showVia(session: Session, via: readonly Via[]): Promise<void> {
  const names = await namesOf(
    session,
    via.map(({ createdBy }) => createdBy),
  )
  session.print.list(
    viaView,
    via.map(each => ({ ...each, createdBy: names(each.createdBy) })),
  )
}

const viaView: View<Via> = {
  kind: 'Via',
  name: via => via.assignment,
  columns: [
    { header: 'ROLE', value: via => via.role },
    { header: 'ON', value: via => via.on },
    { header: 'THROUGH', value: via => (via.group === null ? null : `group ${via.group}`) },
    { header: 'GIVEN BY', value: via => via.createdBy },
    { header: 'EXPIRES', value: via => ({ time: via.expiresAt }) },
    { header: 'SOURCE', value: via => via.source, wide: true },
    { header: 'ASSIGNMENT', value: via => via.assignment, wide: true },
  ],
}

const mendView: View<Explained['wouldAllow'][number]> = {
  kind: 'Mend',
  name: mend => mend.role,
  columns: [
    { header: 'ROLE', value: mend => mend.role },
    { header: 'ON', value: mend => mend.on },
    { header: 'ALSO GIVES', value: mend => mend.alsoGives.join(' ') },
  ],
}

/** What carried it, or what came close and what would mend it: the least that has to be given first. */
export async function showReasons(
  session: Session,
  explained: Explained,
  asked: Question,
  who: string,
): Promise<void> {
  const { print } = session
  const { via, near, wouldAllow, allowed } = explained
  if (via.length > 0) {
    print.say('\nCarried by:')
    await showVia(session, via)
  }
  if (allowed) return
  if (near.length > 0) {
    print.say(`\nRoles that are held there, without ${asked.permission}:`)
    await showVia(session, near)
  }
  const [least] = wouldAllow
  if (!least) return
  print.say('\nAny one of these would allow it, the smallest first:')
  print.list(mendView, wouldAllow)
  const where = least.on.startsWith('organization/') ? '' : ` --on ${least.on}`
  print.say(`\nTo give it:\n  valetkey role assign ${who} ${least.role}${where}`)
}
