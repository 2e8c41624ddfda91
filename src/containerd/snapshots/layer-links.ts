// Short names for layers, so that an overlay of many still fits into the one page of options that mount(2) takes: <directory>/<id in base 36>.
// They are made when a list is too long without them, and made anew after a reboot.
import { existsSync, lstatSync, mkdirSync, readdirSync, readlinkSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'

/** Where containerd's own clients begin to shorten a list by changing into the directory that its paths share. */
const OPTIONS_SIZE_MAX = 4096 - 512

export class LayerLinks {
  readonly #directory: string
  readonly #made = new Set<number>()

  /** Links of an earlier process stay: whoever was given mounts by it may be about to use them. */
  constructor(directory: string) {
    this.#directory = directory
    const names = existsSync(directory) ? readdirSync(directory) : []
    for (const name of names) if (/^[\da-z]{1,10}$/.test(name)) this.#made.add(Number.parseInt(name, 36))
  }

  /** Removes those of layers that are no more. */
  sweep(known: ReadonlyMap<number, unknown>): void {
    for (const id of this.#made) if (!known.has(id)) this.remove(id)
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
    if (this.#made.has(id) && lstatSync(link, { throwIfNoEntry: false }) && readlinkSync(link) === path) return link
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 })
    rmSync(link, { force: true })
    symlinkSync(path, link)
    this.#made.add(id)
    return link
  }

  #pathOf(id: number): string {
    return join(this.#directory, id.toString(36))
  }
}
