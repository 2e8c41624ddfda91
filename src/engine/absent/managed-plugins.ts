// Plugins that an engine fetches and runs by itself (`docker plugin install`): this one has none. Those that somebody else runs are plugin/'s.
import { Failure } from '../../base/failure.ts'
import { parseFilters } from '../http/filters.ts'
import type { Handler, Handlers } from '../http/route.ts'

const FILTERS = ['enabled', 'capability']

const isUnknown: Handler = async ({ params }) => {
  throw new Failure('not-found', `plugin ${JSON.stringify(params['name'])} not found`)
}

/** The words of a Docker for a platform without them. */
const isUnsupported: Handler = async () => {
  throw new Failure('unimplemented', 'plugins are not supported on this platform')
}

export const managedPluginHandlers: Handlers = {
  'GET /plugins': async ({ query }) => {
    parseFilters(query).check(FILTERS)
    return { kind: 'json', status: 200, body: [] }
  },
  'GET /plugins/{name}/json': isUnknown,
  'DELETE /plugins/{name}': isUnknown,
  'POST /plugins/{name}/enable': isUnknown,
  'POST /plugins/{name}/disable': isUnknown,
  'POST /plugins/{name}/push': isUnknown,
  'POST /plugins/{name}/set': isUnknown,
  'GET /plugins/privileges': isUnsupported,
  'POST /plugins/pull': isUnsupported,
  'POST /plugins/create': isUnsupported,
  'POST /plugins/{name}/upgrade': isUnsupported,
}
