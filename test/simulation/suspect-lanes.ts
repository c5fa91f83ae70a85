import { SuspectLane } from '#stream/suspect-lane.ts'
import type { SimProcess } from './scheduler.ts'
import { currentProcess } from './virtual-time.ts'

export * from '#stream/suspect-lane.ts'

const lanes = new WeakMap<SimProcess, SuspectLane>()
const nobodys = new SuspectLane()

function laneOfProcess(): SuspectLane {
  const process = currentProcess()
  if (process === undefined) return nobodys
  const lane = lanes.get(process) ?? new SuspectLane()
  lanes.set(process, lane)
  return lane
}

/** Of the process whose turn it is; the real one is a process's own, and ends with it. */
export const suspectLane: Pick<SuspectLane, keyof SuspectLane> = {
  hasRoom: (...args) => laneOfProcess().hasRoom(...args),
  enter: (...args) => laneOfProcess().enter(...args),
  leave: (...args) => laneOfProcess().leave(...args),
  onRoom: wake => laneOfProcess().onRoom(wake),
  offRoom: wake => laneOfProcess().offRoom(wake),
}
