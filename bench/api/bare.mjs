// The yardstick of placing: a bare route of the same HTTP server that inserts one durable row and says 201.
import fastify from '../../node_modules/fastify/fastify.js'
import pg from '../../node_modules/pg/lib/index.js'

/** As many connections as the server's own pool. */
const CONNECTIONS = 8

export async function openBareRoute(connection) {
  const pool = new pg.Pool({ ...connection, max: CONNECTIONS })
  await pool.query(
    'create table bench_bare (id bigint generated always as identity primary key, body jsonb)',
  )
  const app = fastify()
  app.post('/calls', async (request, reply) => {
    const { rows } = await pool.query('insert into bench_bare (body) values ($1) returning id', [
      request.body,
    ])
    return reply.status(201).send({ ...request.body, id: rows[0].id })
  })
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  return {
    url,
    close: async () => {
      await app.close()
      await pool.query('drop table bench_bare')
      await pool.end()
    },
  }
}
