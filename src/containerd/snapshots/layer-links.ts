// Short names for layers, so that an overlay of many still fits into the one page of options that mount(2) takes: <directory>/<id in base 36>.
// They are made when a list is too long without them, and made anew after a reboot.
import { mkdirSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { hasErrno } from '../../linux/kernel-error.ts'

/** Where containerd's own clients begin to shorten a list by changing into the directory that its paths share. */
const OPTIONS_SIZE_MAX = 4096 - 512

export class LayerLinks {
  readonly #directory: string
  readonly #made = new Set<number>()

  /** What an earlier process left there may name what is gone: it is removed. */
  constructor(directory: string) {
    this.#directory = directory
    rmSync(directory, { recursive: true, force: true })
  }

  /** As they are, or by their short names where all of the options would not fit otherwise. */
  shortened(layers: readonly { id: number; path: string }[], otherOptions: readonly string[]): string[] {
    const paths = layers.map(({ path }) => path)
    const size = [...paths, ...otherOptions].reduce((sum, text) => sum + text.length + 1, 0)
    return size < OPTIONS_SIZE_MAX ? paths : layers.map(({ id, path }) => this.#link(id, path))
  }

  /** The layer is gone. */
  remove(id: number): void {
    if (this.#made.delete(id)) rmSync(this.#pathOf(id), { force: true })
  }

  #link(id: number, path: string): string {
    const link = this.#pathOf(id)
    if (this.#made.has(id)) return link
    if (this.#made.size === 0) mkdirSync(this.#directory, { recursive: true, mode: 0o700 })
    try {
      symlinkSync(path, link)
    } catch (error) {
      if (!hasErrno(error, 'EEXIST')) throw error
    }
    this.#made.add(id)
    return link
  }

  #pathOf(id: number): string {
    return join(this.#directory, id.toString(36))
  }
}
