import type { FastifyPluginAsync } from 'fastify'
import type { GiftRecord } from '#database/gifts/gift.ts'
import { refusal } from './problem.ts'
import type { Identity } from './security/users.ts'

/** Who looks; `null`: everybody alike. */
type Viewer = Identity | null | undefined

/** What somebody may see of what names a member. */
export interface MemberMask {
  gift(gift: GiftRecord, viewer: Viewer): GiftRecord
  /** Of anything that carries a message as it came from Kafka. */
  message<Letter extends { message: string }>(letter: Letter, viewer: Viewer): Letter
}

const SHOWN_DIGITS = 2
const HIDDEN = '(not shown: ADMIN_MEMBER_IDS_MASKED)'

/** Switched on it shows viewers no member's id, and nothing that may hold one; operators need them. */
export function createMemberMask(isOn: boolean): MemberMask {
  const maySee = (viewer: Viewer) => !isOn || viewer?.role === 'operator'
  return {
    gift: (gift, viewer) =>
      maySee(viewer)
        ? gift
        : {
            ...gift,
            ...{ memberId: masked(gift.memberId), partitionKey: HIDDEN, message: HIDDEN },
            errorMessage: hiddenIf(gift),
          },
    message: (letter, viewer) => (maySee(viewer) ? letter : { ...letter, message: HIDDEN }),
  }
}

/** The last digits tell rows of a page apart. */
function masked(id: string): string {
  const shown = id.length > SHOWN_DIGITS * 2 ? id.slice(-SHOWN_DIGITS) : ''
  return '*'.repeat(id.length - shown.length) + shown
}

/** The Money API's own words may name the member. */
function hiddenIf({ errorMessage, memberId }: GiftRecord): string | null {
  return errorMessage?.includes(memberId) === true ? HIDDEN : errorMessage
}

/** Routes of files and raw messages, which cannot be shown in part. */
export function forOperatorsOnly(routes: FastifyPluginAsync): FastifyPluginAsync {
  return async (app, options) => {
    app.addHook('preHandler', async ({ identity }) => {
      if (identity?.role !== 'operator')
        throw refusal('FORBIDDEN', 'members’ ids are not shown to viewers (ADMIN_MEMBER_IDS_MASKED)')
    })
    await routes(app, options)
  }
}
