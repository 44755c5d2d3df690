/** Hides how organizations, people, agents, servers, tools, roles and assignments are kept and changed. */
export type { Actor, Context } from './context.ts'
