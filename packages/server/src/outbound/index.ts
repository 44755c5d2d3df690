/** Hides how this node reaches what somebody else has named: looked up once, connected to as it was looked up, inside this network only where that was allowed. */
export { createFetch, type LimitedFetch, OutboundFault, type OutboundReason } from './fetch.ts'
export { createPost, type NotPosted, type Post, type Posted } from './post.ts'
export { isPublicAddress } from './public-address.ts'
export { createReach, pinnedLookup, type Reach, type ReachOptions } from './reach.ts'
