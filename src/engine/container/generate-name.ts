// Names for containers whose users gave none: two words of harbours and the sea.
import { randomInt } from 'node:crypto'

const QUALITIES =
  'amber ancient azure bold brave breezy bright brisk calm clear coastal cobalt copper coral crisp daring deep drifting eager early faithful fair fearless foggy frosty gentle gilded golden grand hardy hidden humble indigo jolly keen lively lone loyal lucid lunar marine mellow merry misty nimble noble northern open patient pearly placid polar proud quiet rapid roaming rolling rugged rustic salty serene shining silent silver sleek smooth snug solar southern spry stark steady stormy sturdy sunny sure swift tidal tranquil upbeat vivid wandering warm watchful western wild windy wise witty'.split(
    ' ',
  )
const THINGS =
  'albatross anchor atoll ballast barge barque bay beacon bollard bow breaker brig buoy canal canoe cape capstan catamaran channel clipper cormorant cove crane current cutter davit delta dinghy dock dolphin dory estuary ferry fjord fleet frigate galleon galley gannet gull halyard harbour harpoon haven headland heron hull inlet island islet jetty kayak keel ketch lagoon lighthouse lugger marina marlin mast mooring narwhal oar orca osprey otter outrigger packet pelican petrel pier pilot pontoon porpoise puffin quay raft reef rigging rudder sail sailor sandbar schooner sextant shoal shore skerry skiff sloop sound spar spinnaker spray steamer stern strait surf tern tide tiller trawler tug wharf whale yacht yawl'.split(
    ' ',
  )
const ATTEMPTS = 6

/** A name that is not taken; `fallback` (the short id) when chance fails six times, as Docker does. */
export function generateName(
  isTaken: (name: string) => boolean,
  fallback: string,
  random: (below: number) => number = (below) => randomInt(below),
): string {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const name = `${QUALITIES[random(QUALITIES.length)]}_${THINGS[random(THINGS.length)]}${attempt === 0 ? '' : random(10)}`
    if (!isTaken(name)) return name
  }
  return fallback
}
