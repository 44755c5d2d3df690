/**
 * Hides how records leave: in whose words (OCSF, CEF, CloudEvents, OpenTelemetry), by what way (file, syslog over TLS,
 * webhook, OTLP), and how far each receiver has them. What it guarantees: every record that a sink takes arrives at least
 * once and in the order of its log, however long the receiver was away; one node sends it; and no call waits for any of it.
 */
export { openSinks, type Sinks } from './open.ts'
export { type ConfiguredSink, parseSinks } from './settings.ts'
