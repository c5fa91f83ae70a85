/** By the global timer: the simulation's clock stands in for it, not for that of `node:timers/promises`. */
export function pause(ms: number): Promise<void> {
  return ms > 0 ? new Promise(resolve => setTimeout(resolve, ms)) : Promise.resolve()
}
