// The directories that criu is told of by descriptor.
import { closeSync, constants, openSync } from 'node:fs'
import { Failure } from '../../base/failure.ts'
import { ioReason } from '../io-error.ts'
import type { CriuDirectories } from './requests.ts'
import { type CriuSettings, makeWorkDirectory } from './settings.ts'

/** Open until disposed of. Throws Failure in runc's words. */
export function openDirectories({ imagesDirectory, workDirectory }: CriuSettings): CriuDirectories & Disposable {
  if (workDirectory !== undefined) makeWorkDirectory(workDirectory)
  const images = openDirectory(imagesDirectory)
  let work: number | undefined
  try {
    work = workDirectory === undefined ? undefined : openDirectory(workDirectory)
  } catch (error) {
    closeSync(images)
    throw error
  }
  return {
    images,
    work,
    [Symbol.dispose]() {
      closeSync(images)
      if (work !== undefined) closeSync(work)
    },
  }
}

function openDirectory(path: string): number {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_DIRECTORY)
  } catch (error) {
    throw new Failure('invalid-argument', `open ${path}: ${ioReason(error)}`, { cause: error })
  }
}
