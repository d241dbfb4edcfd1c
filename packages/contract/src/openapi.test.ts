// The document is whole: every reference resolves, every parameter is declared, every id is its own.
import { describe, expect, it } from 'vitest'
import { failures } from './failure.ts'
import type { JsonObject } from './json-schema.ts'
import { openapi } from './openapi.ts'
import { endpoints } from './table.ts'

const document = openapi(endpoints, { version: '1.2.3' })

interface Operation {
  operationId: string
  parameters: { name?: string; in?: string; $ref?: string }[]
  responses: Record<string, { content?: JsonObject; headers: JsonObject }>
  requestBody?: { required: boolean }
  'x-saperly-scope': string
}

const paths = document['paths'] as unknown as Record<string, Record<string, Operation>>

function operations(): { path: string; method: string; operation: Operation }[] {
  return Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ path, method, operation })),
  )
}

function walk(node: unknown, visit: (object: JsonObject) => void): void {
  if (Array.isArray(node)) for (const item of node) walk(item, visit)
  else if (typeof node === 'object' && node !== null) {
    visit(node as JsonObject)
    for (const value of Object.values(node)) walk(value, visit)
  }
}

function resolve(pointer: string): unknown {
  const steps = pointer.replace(/^#\//, '').split('/')
  return steps.reduce<unknown>((node, step) => (node as JsonObject | undefined)?.[step], document)
}

describe('the OpenAPI document', () => {
  it('is plain JSON and the same every time', () => {
    expect(JSON.parse(JSON.stringify(document))).toEqual(document)
    expect(openapi(endpoints, { version: '1.2.3' })).toEqual(document)
    expect(document['openapi']).toBe('3.1.0')
  })

  it('resolves every reference', () => {
    const dangling: string[] = []
    walk(document, (object) => {
      const target = object['$ref']
      if (typeof target === 'string' && resolve(target) === undefined) dangling.push(target)
    })
    expect(dangling).toEqual([])
  })

  it('holds every endpoint once, under an id of its own', () => {
    const ids = operations().map(({ operation }) => operation.operationId)
    expect(new Set(ids).size).toBe(ids.length)
    expect(ids.toSorted()).toEqual(Object.keys(endpoints).toSorted())
  })

  it('declares every parameter of a path', () => {
    for (const { path, operation } of operations()) {
      const named = [...path.matchAll(/\{(\w+)\}/g)].map((found) => found[1])
      const declared = operation.parameters.filter((p) => p.in === 'path').map((p) => p.name)
      expect(declared).toEqual(named)
      expect(path).not.toContain(':')
    }
  })

  it('offers Idempotency-Key where something changes, and nowhere else', () => {
    for (const { method, operation } of operations()) {
      const offered = operation.parameters.some((p) => p.$ref?.endsWith('/idempotencyKey'))
      expect(offered).toBe(method !== 'get')
    }
  })

  it('answers with the declared errors under their statuses', () => {
    for (const endpoint of Object.values(endpoints)) {
      const found = operations().find(({ operation }) => operation.operationId === endpoint.name)
      for (const tag of endpoint.errors) {
        const answer = found?.operation.responses[String(failures[tag].status)]
        expect(JSON.stringify(answer?.content)).toContain(`#/components/schemas/${tag}"`)
      }
    }
  })

  it('carries the request id on every answer and a Link on lists', () => {
    for (const { operation } of operations()) {
      for (const answer of Object.values(operation.responses)) {
        expect(answer.headers).toHaveProperty('x-request-id')
      }
    }
    expect(paths['/calls']?.['get']?.responses['200']?.headers).toHaveProperty('link')
  })

  it('closes requests and leaves answers open', () => {
    const schemas = (document['components'] as JsonObject)['schemas'] as Record<string, JsonObject>
    expect(schemas['PlaceCallBody']?.['additionalProperties']).toBe(false)
    expect(schemas['Call']?.['additionalProperties']).toBeUndefined()
    expect(schemas['ConsentRequired']?.['required']).toEqual(['_tag', 'numberId', 'to'])
    expect(paths['/calls/{id}/end']?.['post']?.requestBody?.required).toBe(false)
    expect(paths['/calls']?.['post']?.requestBody?.required).toBe(true)
  })
})
