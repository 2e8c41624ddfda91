// A volume plugin for tests: it keeps directories, and a list of what it was asked.
import { once } from 'node:events'
import { mkdirSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'

export interface VolumePlugin extends AsyncDisposable {
  name: string
  /** `Create data`, `Mount data <id>`, … */
  asked: string[]
  /** Answers of its own, by method, instead of the usual ones. */
  answers: Map<string, object>
  /** Volumes by name, with the ids that have them mounted. */
  volumes: Map<string, Set<string>>
  dataOf(name: string): string
}

interface Asked {
  Name?: string
  ID?: string
}

/** Under a name of this process's own, where Docker looks for plugins. */
export async function startVolumePlugin(directory: string): Promise<VolumePlugin> {
  const name = `berth-test-${process.pid}`
  const sockets = '/run/docker/plugins'
  mkdirSync(sockets, { recursive: true })
  const path = join(sockets, `${name}.sock`)
  const plugin = {
    name,
    asked: [] as string[],
    answers: new Map<string, object>(),
    volumes: new Map<string, Set<string>>(),
    dataOf: (volume: string) => join(directory, encodeURIComponent(volume)),
  }
  const server = createServer(async (request, response) => {
    let text = ''
    for await (const chunk of request) text += String(chunk)
    const method = (request.url ?? '').slice(1).replace('VolumeDriver.', '')
    const body = (text === '' ? {} : JSON.parse(text)) as Asked
    if (method !== 'Plugin.Activate' && method !== 'Capabilities')
      plugin.asked.push([method, body.Name, body.ID].filter((part) => part !== undefined).join(' '))
    response.end(JSON.stringify(plugin.answers.get(method) ?? answer(plugin, method, body)))
  })
  server.listen(path)
  await once(server, 'listening')
  return {
    ...plugin,
    async [Symbol.asyncDispose]() {
      server.close()
      server.closeAllConnections()
      rmSync(path, { force: true })
    },
  }
}

type State = Pick<VolumePlugin, 'volumes' | 'dataOf'>

function answer({ volumes, dataOf }: State, method: string, { Name = '', ID = '' }: Asked): object {
  const described = (name: string) => ({
    Name: name,
    Mountpoint: (volumes.get(name)?.size ?? 0) > 0 ? dataOf(name) : '',
    CreatedAt: '2026-01-02T03:04:05Z',
    Status: { holders: volumes.get(name)?.size },
  })
  switch (method) {
    case 'Plugin.Activate':
      return { Implements: ['VolumeDriver'] }
    case 'Capabilities':
      return { Capabilities: { Scope: 'global' } }
    case 'Create':
      mkdirSync(dataOf(Name), { recursive: true })
      volumes.set(Name, volumes.get(Name) ?? new Set())
      return { Err: '' }
    case 'List':
      return { Volumes: [...volumes.keys()].map(described), Err: '' }
    default:
      return volumes.has(Name) ? answerFor() : { Err: 'never heard of it' }
  }

  function answerFor(): object {
    if (method === 'Get') return { Volume: described(Name), Err: '' }
    if (method === 'Remove') volumes.delete(Name)
    if (method === 'Mount') volumes.get(Name)?.add(ID)
    if (method === 'Unmount') volumes.get(Name)?.delete(ID)
    return { Mountpoint: dataOf(Name), Err: '' }
  }
}
