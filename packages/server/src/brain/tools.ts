// What a hosted model can do beside talking: its tools, and the directives that they stand for.
import { z } from 'zod'
import { directives } from '@saperly/contract'
import { fail, ok, type Result } from '@saperly/kernel'
import type { Tool, ToolCall } from './completions.ts'
import type { CallControl } from './control.ts'
import type { BrainDirective } from './port.ts'

interface ToolKind {
  description: string
  /** Arguments → what is to be done. */
  reads: z.ZodType<BrainDirective>
  parameters: (control: CallControl) => Record<string, unknown>
  allowed: (control: CallControl, recognizer: Recognizer) => boolean
}

/** How the caller is heard; `unknown` until the first turn has said it. */
export type Recognizer = 'phrases' | 'free' | 'unknown'

const nothing = { type: 'object', properties: {}, additionalProperties: false }

function one(name: string, schema: Record<string, unknown>): Record<string, unknown> {
  return {
    type: 'object',
    properties: { [name]: schema },
    required: [name],
    additionalProperties: false,
  }
}

const kinds: Record<string, ToolKind> = {
  end_call: {
    description: 'Hang up. What you have written before is spoken first, so say goodbye as text.',
    reads: z.object({}).transform(() => ({ type: 'hangup' as const })),
    parameters: () => nothing,
    allowed: (control) => control.endCall,
  },
  transfer_call: {
    description: 'Connect the other person with one of the given targets. Tell them before.',
    reads: z.object({ to: directives.transfer.shape.to }).transform(({ to }) => {
      return { type: 'transfer' as const, to }
    }),
    parameters: (control) => one('to', { type: 'string', enum: control.transfer?.targets ?? [] }),
    allowed: (control) => control.transfer !== null,
  },
  send_digits: {
    description: 'Press keys of the phone, as for a menu: 0-9 * # A-D, w waits half a second.',
    reads: z.object({ digits: directives.send_dtmf.shape.digits }).transform(({ digits }) => {
      return { type: 'send_dtmf' as const, digits }
    }),
    parameters: () => one('digits', { type: 'string', pattern: '^[0-9*#A-Dw]{1,64}$' }),
    allowed: (control) => control.sendDtmf,
  },
  opt_out: {
    description:
      'Record that the other person does not want to be called any more, and end the call. ' +
      'Call it whenever they ask for that, in whatever words.',
    reads: z.object({}).transform(() => ({ type: 'opt_out' as const })),
    parameters: () => nothing,
    allowed: () => true,
  },
  expect_replies: {
    description:
      'Name the replies that your question is likely to get, word for word, so that they can be ' +
      'recognised. Write the question as text in the same answer.',
    reads: z
      .object({ phrases: z.array(z.string().min(1).max(100)).min(1).max(50) })
      .transform(({ phrases }) => ({ type: 'wait_for_user' as const, expect: { phrases } })),
    parameters: () => one('phrases', { type: 'array', items: { type: 'string' }, maxItems: 50 }),
    allowed: (_, recognizer) => recognizer !== 'free',
  },
}

/** The tools that this connection gives its model. */
export function toolsFor(control: CallControl, recognizer: Recognizer): Tool[] {
  return Object.entries(kinds)
    .filter(([, kind]) => kind.allowed(control, recognizer))
    .map(([name, { description, parameters }]) => ({
      type: 'function',
      function: { name, description, parameters: parameters(control) },
    }))
}

/** What a call of a tool stands for, or what is wrong with it, in words for the model. */
export function carryOut(call: ToolCall, control: CallControl): Result<BrainDirective, string> {
  const kind = Object.hasOwn(kinds, call.name) ? kinds[call.name] : undefined
  if (!kind?.allowed(control, 'unknown')) return fail('There is no such tool.')
  const read = kind.reads.safeParse(parsed(call.arguments))
  if (!read.success) return fail(`The arguments are not right: ${z.prettifyError(read.error)}`)
  const directive = read.data
  if (directive.type === 'transfer' && !control.transfer?.targets.includes(directive.to)) {
    return fail('This is not one of the targets.')
  }
  return ok(directive)
}

/** Nothing more can be said after this. */
export function endsCall(directive: BrainDirective): boolean {
  return ['hangup', 'transfer', 'opt_out'].includes(directive.type)
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json.trim() === '' ? '{}' : json)
  } catch {
    return null
  }
}
