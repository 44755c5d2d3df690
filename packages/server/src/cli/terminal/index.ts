/** Hides how output looks: tables for people, data for programs, failures in three lines, times as people say them. */
export { type Cell, type Colors, printable, toJson, toText, toYaml } from './cell.ts'
export { EXIT, toFailure, UsageError } from './failure.ts'
export { type Io, processIo } from './io.ts'
export { createPrinter, FORMATS, type Printer, type PrintOptions, type View, wantsColor } from './print.ts'
export type { Column } from './table.ts'
export { parseMoment, parseSpan, zoneOf } from './times.ts'
