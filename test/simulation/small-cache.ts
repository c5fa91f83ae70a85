import { LRUCache as Cache } from 'lru-cache'

/** The real one, with less room: to make ten thousand places for each process would take half of the simulation's time. */
const MOST = 64

export class LRUCache<Key extends object | string, Value extends object> extends Cache<Key, Value> {
  constructor(options: { max: number }) {
    super({ ...options, max: Math.min(options.max, MOST) })
  }
}
