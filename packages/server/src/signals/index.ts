/** Hides how security events leave for receivers and come in from identity providers (OpenID SSF 1.0 with CAEP 1.0). */
export { listSignalKeys, rotateSignalKey } from './keys.ts'
export {
  createReceiver,
  listReceivers,
  removeReceiver,
  rotateReceiverSecret,
  startStream,
  updateStream,
  verifyStream,
} from './receivers.ts'
export { type Risk, tellRisk } from './risk.ts'
export { createSignals, type Signals } from './signals.ts'
export { createSource, listSources, removeSource } from './sources.ts'
