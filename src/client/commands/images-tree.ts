// images --tree: every image with the platforms that it has, and which of them are in use.
import type { Shell } from '../command.ts'
import { ellipsis, shortId } from '../format/ids.ts'
import { formatSizeShort } from '../format/moments.ts'
import { isTerminal, terminalSize } from '../terminal/streams.ts'

interface Manifest {
  ID: string
  Kind: string
  Available: boolean
  Size: { Total: number; Content: number }
  ImageData?: { Platform: { os: string; architecture: string; variant?: string }; Containers: string[] | null }
}

interface Summary {
  Id: string
  RepoTags: string[] | null
  RepoDigests: string[] | null
  Created: number
  Size: number
  Containers: number
  Manifests?: Manifest[] | null
}

interface Details {
  id: string
  diskUsage: string
  contentSize: string
  isInUse: boolean
}

interface Branch extends Details {
  platform: string
  isAvailable: boolean
}

interface Tree extends Details {
  names: string[]
  branches: Branch[]
}

const SPACING = '   '
const NAME_WIDTH_MIN = 12
const WIDTH_MIN = 20
/** Looks; nothing of them where no terminal is. */
const STYLES = {
  warning: '93',
  title: '97;1',
  name: '94;1',
  plain: '39',
  faint: '39;2',
  chip: '38;5;0;48;5;14',
} as const
type Style = keyof typeof STYLES

interface Column {
  title: string
  width: number
  isRight?: boolean
  of(details: Details): string
}

/** @param query of the list, without what a tree needs. */
export async function printImageTree(
  shell: Shell,
  query: Readonly<Record<string, string | boolean | undefined>>,
): Promise<void> {
  const list = await shell.connection.json<Summary[]>({
    ...{ method: 'GET', path: '/images/json', query: { ...query, manifests: true } },
  })
  const shown = query['all'] ? list : list.filter((image) => !isDangling(image))
  const trees = shown.sort((a, b) => b.Created - a.Created).map(treeOf)
  shell.print(formatTrees(trees, Math.max(terminalSize(1)?.columns || 80, WIDTH_MIN), isTerminal(1)))
}

function isDangling({ RepoTags, RepoDigests }: Summary): boolean {
  const [tags, digests] = [RepoTags ?? [], RepoDigests ?? []]
  if (tags.length === 0 && digests.length === 0) return true
  return tags.length === 1 && tags[0] === '<none>:<none>' && digests.length === 1 && digests[0] === '<none>@<none>'
}

function treeOf({ Id, RepoTags, Size, Containers, Manifests }: Summary): Tree {
  const manifests = Manifests ?? []
  const branches = manifests.flatMap((manifest): Branch[] => {
    const { ImageData } = manifest
    if (manifest.Kind !== 'image' || ImageData === undefined) return []
    const { os, architecture, variant } = ImageData.Platform
    return [
      {
        id: manifest.ID,
        platform: [os, architecture, variant].filter(Boolean).join('/'),
        isAvailable: manifest.Available,
        diskUsage: formatSizeShort(manifest.Size.Total),
        contentSize: formatSizeShort(manifest.Size.Content),
        isInUse: (ImageData.Containers ?? []).length > 0,
      },
    ]
  })
  return {
    id: Id,
    names: [...(RepoTags ?? [])].sort((a, b) => b.length - a.length),
    branches,
    diskUsage: formatSizeShort(Size),
    contentSize: formatSizeShort(manifests.reduce((sum, { Size: { Content } }) => sum + Content, 0)),
    isInUse: Containers > 0 || branches.some(({ isInUse }) => isInUse),
  }
}

/** @param isFancy with colours, and with chips where plain text has letters. */
export function formatTrees(trees: readonly Tree[], width: number, isFancy: boolean): string {
  const paint = (style: Style, text: string) => (isFancy ? `\x1b[${STYLES[style]}m${text}\x1b[0m` : text)
  const chip = (isInUse: boolean) => (isFancy ? (isInUse ? paint('chip', ' U ') : '   ') : isInUse ? 'U' : ' ')
  const hasChip = trees.some(({ branches }) => branches.some(({ isInUse }) => isInUse))
  const columns = fitColumns(
    [
      { title: 'ID', width: 12, of: ({ id }) => shortId(id) },
      { title: 'DISK USAGE', width: 10, isRight: true, of: ({ diskUsage }) => diskUsage },
      { title: 'CONTENT SIZE', width: 12, isRight: true, of: ({ contentSize }) => contentSize },
      { title: 'EXTRA', width: 5, of: ({ isInUse }) => (hasChip ? chip(isInUse) : '') },
    ],
    width,
    trees,
  )
  const cell = (text: string, size: number, style: Style, isRight = false) => {
    const room = ' '.repeat(Math.max(0, size - widthOf(text)))
    if (widthOf(text) > size) return paint(style, ellipsis(text, size))
    return isRight ? room + paint(style, text) : paint(style, text) + room
  }
  const detailsOf = (details: Details, style: Style) =>
    columns.details.map(({ of, width: size, isRight, title }) =>
      title === 'EXTRA' && isFancy ? of(details) : cell(of(details), size, style, isRight),
    )
  const row = (first: string, style: Style, details: Details, style2: Style) =>
    `${[cell(first, columns.name, style), ...detailsOf(details, style2)].join(SPACING)}\n`
  const titles = columns.details.map(({ title, width: size, isRight }) => cell(title, size, 'title', isRight))
  const info = isFancy ? '\x1b[1m\x1b[106m\x1b[30mi\x1b[0m \x1b[96mInfo → \x1b[0m' : ' Info -> '
  const legend = `${info} ${chip(true)} In Use `
  const lines = [
    `${paint('warning', "WARNING: This is an experimental feature. The output may change and shouldn't be depended on.")}\n`,
    `${' '.repeat(Math.max(0, width - widthOf(legend)))}${legend}\n\n`,
    `${[cell('IMAGE', columns.name, 'title'), ...titles].join(SPACING)}\n`,
  ]
  const isSpaced = trees.some(({ branches }) => branches.length > 0)
  for (const tree of trees) {
    const [last = '<untagged>', ...others] = [...tree.names].reverse()
    for (const name of others.reverse()) lines.push(`${paint('name', name)}\n`)
    lines.push(row(last, tree.names.length === 0 ? 'faint' : 'name', tree, 'plain'))
    tree.branches.forEach((branch, index) => {
      const corner = index === tree.branches.length - 1 ? '└─ ' : '├─ '
      const style = branch.isAvailable ? 'plain' : 'faint'
      lines.push(row(corner + branch.platform, style, branch, style))
    })
    if (isSpaced) lines.push('\n')
  }
  return lines.join('')
}

/** Columns that leave too little room for names are left out; names get no more room than they need. */
function fitColumns(all: readonly Column[], width: number, trees: readonly Tree[]) {
  const details: Column[] = []
  let left = width
  for (const column of all) {
    const taken = column.width + SPACING.length
    if (left - taken < NAME_WIDTH_MIN) break
    left -= taken
    details.push(column)
  }
  const texts = trees.flatMap(({ names, branches }) => [
    ...names.map(widthOf),
    ...branches.map(({ platform }) => CORNER_BYTES + platform.length),
  ])
  return { details, name: Math.min(left, Math.max('IMAGE'.length, ...texts)) }
}

/** The Docker CLI counts the corner's bytes where it looks for the widest text. */
const CORNER_BYTES = Buffer.byteLength('└─ ')

function widthOf(text: string): number {
  return [...text.replace(/\x1b\[[\d;]*m/g, '')].length
}
