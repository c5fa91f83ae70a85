import { type ChargeRequest, classifyLookup, idempotencyKey, type LookupMeaning } from './charge.ts'
import { HttpPool } from './http.ts'

/** The GET by key alone, for whoever only wants to know. */
export interface ChargeLookup extends AsyncDisposable {
  /** Never rejects for what the Money API does or fails to do. */
  lookup(target: Pick<ChargeRequest, 'type' | 'targetId'>): Promise<LookupMeaning>
}

export function createChargeLookup(options: ConstructorParameters<typeof HttpPool>[0]): ChargeLookup {
  const http = new HttpPool(options)
  return {
    lookup: async target => {
      const path = `/v1/campaign-charges/${idempotencyKey(target)}`
      return classifyLookup(await http.exchange({ method: 'GET', path }), Date.now())
    },
    [Symbol.asyncDispose]: () => http.close(),
  }
}
