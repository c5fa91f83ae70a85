import type { Redis } from 'ioredis'

/** CPU-seconds the server has used so far. */
export async function redisCpuSeconds(probe: Redis): Promise<number> {
  const info = await probe.info('cpu')
  const of = (field: string) => Number(new RegExp(`^${field}:(\\S+)`, 'm').exec(info)?.[1])
  return of('used_cpu_user') + of('used_cpu_sys')
}
