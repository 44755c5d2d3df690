import fc from 'fast-check'

/** Every mutant meets the same cases, and the first that fails is enough. */
fc.configureGlobal({ seed: 11, endOnFailure: true })
