// A repository's tags. Their names are there at once, and what each means as soon as it is known.
import { isFailure, messageOf } from '../../../base/failure.ts'
import { isReference, type Place } from '../places.ts'
import { createdOf, type Image, platformsOf, pulledBytes, readImage } from '../read-image.ts'
import { listTags } from '../read-lists.ts'
import { deleteButton } from './delete.ts'
import { busyUntil, digestText, element, foreign, fragment, link, moment, sizeText, table, title } from './elements.ts'
import { pages } from './show-repositories.ts'
import type { View } from './view.ts'

/** Requests at once: as many as browsers make to one server. */
const WORKERS = 6

export async function showTags(
  view: View,
  { name, last }: Extract<Place, { kind: 'tags' }>,
): Promise<DocumentFragment> {
  const { session, signal } = view
  const { names, next } = await listTags(session, name, last, signal)
  const deletes = view.deletes && (await session.mayDelete(name, signal))
  const tags = names.map((tag) => ({ tag, cells: COLUMNS.map(() => element('span', {}, '…')) }))
  const columns = ['Tag', ...COLUMNS, ...(deletes ? ['Delete'] : [])]
  const rows = tags.map(({ tag, cells }) => [
    isReference(tag) ? link({ kind: 'manifest', name, reference: tag }, tag) : foreign(tag),
    ...cells,
    ...(deletes ? [isReference(tag) ? deleteButton(view, { name, reference: tag, what: `tag ${tag}` }) : '—'] : []),
  ])
  const filled = fillIn(view, name, tags)
  return fragment(
    title(name),
    names.length === 0 ? element('p', {}, 'There are no tags.') : busyUntil(table('Tags', columns, rows), filled),
    pages({ kind: 'tags', name, last: '' }, last, next === undefined ? undefined : { kind: 'tags', name, last: next }),
  )
}

const COLUMNS = ['Digest', 'Size', 'Created', 'Platforms', 'Media type']

async function fillIn(
  { session, signal }: View,
  name: string,
  tags: readonly { tag: string; cells: readonly HTMLElement[] }[],
): Promise<void> {
  const queue = [...tags]
  const work = async () => {
    for (let next = queue.shift(); next !== undefined && !signal.aborted; next = queue.shift()) {
      const { tag, cells } = next
      const texts = isReference(tag) ? await describe(() => readImage(session, name, tag, signal)) : ['not a tag']
      for (const [at, cell] of cells.entries()) cell.replaceChildren(texts[at] ?? '—')
    }
  }
  await Promise.all(Array.from({ length: WORKERS }, work))
}

async function describe(read: () => Promise<Image>): Promise<(Node | string)[]> {
  try {
    const image = await read()
    const bytes = pulledBytes(image)
    const platforms = platformsOf(image)
    return [
      digestText(image.digest),
      bytes === undefined ? '—' : sizeText(bytes),
      moment(createdOf(image)),
      platforms.length === 0 ? '—' : foreign(platforms.join(', ')),
      foreign(image.document.mediaType),
    ]
  } catch (error) {
    // Somebody may have deleted it meanwhile, or it is none of what is shown here: one tag is not the others' trouble.
    return isFailure(error, 'cancelled') ? [] : [foreign(messageOf(error))]
  }
}
