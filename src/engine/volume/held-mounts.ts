// Which mounts plugins have been asked for and not yet told to take back. Plugins count them, so that after a kill -9 each must hear of its own.
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DRAFT_SUFFIX, makeDurableDirectory, readTextIfExists, replaceFileSync } from '../../base/atomic-file.ts'

interface HeldMount {
  readonly volume: string
  readonly holder: string
}

export class HeldMounts {
  readonly #directory: string

  /** `directory` is made when it is first needed. */
  constructor(directory: string) {
    this.#directory = directory
  }

  /** Before the plugin is asked. */
  add(mount: HeldMount): void {
    makeDurableDirectory(this.#directory)
    replaceFileSync(this.#pathOf(mount), JSON.stringify(mount))
  }

  /** After it has been told. */
  remove(mount: HeldMount): void {
    rmSync(this.#pathOf(mount), { force: true })
  }

  /** Also sweeps what a crash has left half written. */
  list(): HeldMount[] {
    const held: HeldMount[] = []
    for (const name of existsSync(this.#directory) ? readdirSync(this.#directory) : []) {
      const path = join(this.#directory, name)
      const mount = name.endsWith(DRAFT_SUFFIX) ? undefined : readHeld(path)
      if (mount === undefined) rmSync(path, { force: true })
      else held.push(mount)
    }
    return held
  }

  #pathOf({ volume, holder }: HeldMount): string {
    return join(this.#directory, createHash('sha256').update(`${holder}\0${volume}`).digest('hex'))
  }
}

/** Undefined for what a loss of power has left empty: no container of that time runs any more. */
function readHeld(path: string): HeldMount | undefined {
  try {
    return JSON.parse(readTextIfExists(path) ?? '') as HeldMount
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}
