// `saperly call`: places a call, and follows it to its end when asked.
import type { Call } from '@saperly/sdk'
import { clientOf, numberToUse } from '../client.ts'
import { type Command, UsageError } from '../command.ts'
import { ConversationPrinter } from '../conversation.ts'

const E164 = /^\+[1-9]\d{6,14}$/

export const call: Command = {
  words: 'call',
  takes: ['<to>'],
  says: 'Place a call. Consent of the peer must be on record, or be given with --consent.',
  options: {
    from: {
      value: '<number>',
      says: 'the number to call from: id or E.164 (default: the demo number)',
    },
    instructions: { value: '<text>', says: 'what the agent is told, for this call alone' },
    connection: { value: '<id>', says: 'who talks, in place of the number’s own connection' },
    consent: { value: '<source>', says: 'record that the peer agreed, and where that comes from' },
    follow: { says: 'print the conversation as it happens, until the call has ended' },
    json: { says: 'print JSON' },
  },
  async run(given, around) {
    const { terminal, signal } = around
    const to = given.argument('to')
    if (!E164.test(to)) throw new UsageError('<to> must be an E.164 number such as +15551234567')
    const { saperly } = clientOf(around)
    const number = await numberToUse(saperly, given.option('from'))
    const source = given.option('consent')
    if (source !== undefined) {
      await saperly.consent.record({
        numberId: number.id,
        peerNumber: to,
        consentType: 'explicit_outbound',
        source,
      })
    }
    const placed = await saperly.calls.place(
      {
        fromNumberId: number.id,
        to,
        connectionId: given.option('connection') ?? null,
        instructions: given.option('instructions') ?? null,
      },
      { signal },
    )
    const json = given.flag('json')
    if (!given.flag('follow')) {
      if (json) terminal.json(placed)
      else terminal.line(summary(placed))
      return
    }
    const printer = new ConversationPrinter(terminal)
    if (!json) terminal.line(placed.id)
    for await (const event of saperly.calls.events(placed.id, { live: true, signal })) {
      if (json) terminal.line(JSON.stringify(event))
      else printer.print(event)
    }
  },
}

function summary({ id, from, to, status, phase }: Call): string {
  return `${id}: ${from} calls ${to}, ${status} (${phase})`
}
