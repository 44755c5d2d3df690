/** Hides how records are written in the words of others: pure functions, one for each format. */
export { type Exported, isTaken, TAKES, type Takes, toExported } from './exported.ts'
export { FORMATS, type Format, toJson, toLine } from './format.ts'
export { isSpan, toLogsRequest, toTraceRequest } from './otel.ts'
export { frame, toSyslog } from './syslog.ts'
export { jsonLine } from './text.ts'
