import { nodeFiles, type SpoolFile, type SpoolFilePort } from '../file.ts'

/** What goes wrong with the disk; a test changes it while the spool runs. */
export interface Faults {
  /** Bytes that the disk still takes before it is full. */
  free: number
  /** The fdatasync fails, after the bytes have reached the file. */
  syncFails: boolean
  /** Cutting a file off fails too. */
  truncateFails: boolean
  /** Calls of fdatasync that succeeded. */
  syncs: number
  /** While set, every fdatasync waits for it. */
  hold: Promise<void> | undefined
}

/** The real file system with a disk that fills up, breaks and recovers as the test says. */
export function faultyFiles(base: SpoolFilePort = nodeFiles): { files: SpoolFilePort; faults: Faults } {
  const faults: Faults = {
    free: Number.POSITIVE_INFINITY,
    syncFails: false,
    truncateFails: false,
    syncs: 0,
    hold: undefined,
  }
  const files = { ...base, create: async (path: string) => faultyFile(await base.create(path), faults) }
  return { files, faults }
}

function faultyFile(file: SpoolFile, faults: Faults): SpoolFile {
  return {
    ...file,
    write(bytes) {
      const taken = Math.min(bytes.length, faults.free)
      faults.free -= taken
      file.write(bytes.subarray(0, taken))
      if (taken < bytes.length) throw diskError('ENOSPC')
    },
    async datasync() {
      await faults.hold
      await file.datasync()
      if (faults.syncFails) throw diskError('EIO')
      faults.syncs++
    },
    async truncate(length) {
      if (faults.truncateFails) throw diskError('EIO')
      await file.truncate(length)
    },
  }
}

function diskError(code: string): Error {
  return Object.assign(new Error(`${code}: simulated`), { code })
}
