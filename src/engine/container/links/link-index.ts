// Who is linked to whom by `--link`, as the engine knows it while it runs; what survives it is in the records of the containers that asked for it.
import type { Container } from '../container.ts'

export class LinkIndex {
  /** By the id of who links; a child that has been removed stays, as Docker has it, and keeps its parent from starting. */
  readonly #children = new Map<string, Map<string, Container>>()
  readonly #parents = new Map<string, Map<string, Container>>()

  /** False where the parent has another child under the alias: that one stays. */
  add(parent: Container, alias: string, child: Container): boolean {
    const children = this.#children.get(parent.id) ?? new Map<string, Container>()
    const known = children.get(alias)
    if (known !== undefined && known !== child) return false
    this.#children.set(parent.id, children.set(alias, child))
    this.#parents.set(child.id, (this.#parents.get(child.id) ?? new Map()).set(parent.id, parent))
    return true
  }

  /** Returns the child that was meant; undefined where there is no such link. */
  remove(parent: Container, alias: string): Container | undefined {
    const children = this.#children.get(parent.id)
    const child = children?.get(alias)
    children?.delete(alias)
    if (child !== undefined && ![...(children?.values() ?? [])].includes(child))
      this.#parents.get(child.id)?.delete(parent.id)
    return child
  }

  /** The container is gone: nobody is linked by it, nor reached as its parent's child. */
  forget(container: Container): void {
    for (const child of this.#children.get(container.id)?.values() ?? [])
      this.#parents.get(child.id)?.delete(container.id)
    this.#children.delete(container.id)
    this.#parents.delete(container.id)
  }

  /** Those a container is linked to, by their alias. */
  childrenOf(parent: Container): ReadonlyMap<string, Container> {
    return this.#children.get(parent.id) ?? NONE
  }

  /** Those that are linked to a container, with the aliases they have for it. */
  parentsOf(child: Container): { parent: Container; alias: string }[] {
    return [...(this.#parents.get(child.id)?.values() ?? [])].flatMap((parent) =>
      [...this.childrenOf(parent)].flatMap(([alias, linked]) => (linked === child ? [{ parent, alias }] : [])),
    )
  }
}

const NONE: ReadonlyMap<string, Container> = new Map()
