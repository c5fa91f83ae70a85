import { type Kysely, sql } from 'kysely'
import { isoTime } from './iso-time.ts'

/** A change that somebody asked for through the admin. */
export interface Change {
  who: string
  /** Stable name of the action. */
  what: string
  /** What it is done to: a path or an id. */
  target: string
  /** Its parameters; never a secret. */
  detail: unknown
}

export interface ActivityRecord extends Change {
  id: string
  /** ISO 8601, UTC. */
  at: string
  /** HTTP status it was answered with; null while it is under way, or when its process died. */
  outcome: string | null
}

const MAX_DETAIL_LENGTH = 10_000
/** So many brackets without a value between them: PostgreSQL's own reader has a stack, too. */
const TOO_DEEP = /(?:[[{](?:"[^"]*":)?){500}/

export interface ActivityLog {
  /** Resolves after the commit, with the row's id: the change may begin. */
  begin(change: Change): Promise<string>
  end(id: string, outcome: string): Promise<void>
  /** Newest first, older than `beforeId`. */
  list(page: { beforeId?: string | undefined; limit: number }): Promise<ActivityRecord[]>
}

export function createActivityLog(kysely: Kysely<unknown>): ActivityLog {
  return {
    begin: async ({ who, what, target, detail }) => {
      const { rows } = await sql<{ id: string }>`
        insert into admin_audit (who, what, target, detail)
        values (${who}, ${what}, ${target}, ${storable(detail)}::jsonb) returning id`.execute(kysely)
      return (rows[0] as { id: string }).id
    },
    end: async (id, outcome) => {
      await sql`update admin_audit set outcome = ${outcome} where id = ${id}::bigint`.execute(kysely)
    },
    list: async ({ beforeId, limit }) => {
      const { rows } = await sql<ActivityRecord>`
        select id, ${isoTime('at')} as at, who, what, target, detail, outcome from admin_audit
        where ${beforeId ?? null}::bigint is null or id < ${beforeId ?? null}::bigint
        order by id desc limit ${limit}`.execute(kysely)
      return rows
    },
  }
}

/** As JSON that PostgreSQL takes: no NUL, no half characters, and no more than an operator would read. */
function storable(detail: unknown): string {
  const json = written(detail).replace(/\\(u[0-9a-f]{4}|.)/g, (sequence, code: string) =>
    code === 'u0000' || /^ud[89a-f]/.test(code) ? '\\ufffd' : sequence,
  )
  const isKept = json.length <= MAX_DETAIL_LENGTH && !TOO_DEEP.test(json)
  return isKept ? json : JSON.stringify(`${json.slice(0, MAX_DETAIL_LENGTH)}…`.toWellFormed())
}

/** Can be read, and is nested too deep to be written again. */
function written(detail: unknown): string {
  try {
    return JSON.stringify(detail ?? null)
  } catch {
    return '"nested too deep to be written down"'
  }
}
