/** Where faults and warnings go: the part of a pino logger that this module uses. */
export interface Log {
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}
