// What programs on node-postgres do: a pool, prepared statements, cursors, transactions, LISTEN.
// Usage: node node.js HOST PORT USER PASSWORD DATABASE TABLE [CA]. Prints one line for each thing done.

const fs = require('fs')
const { Client, Pool } = require('pg')
const Cursor = require('pg-cursor')

async function main () {
  const [host, port, user, password, database, table, ca] = process.argv.slice(2)
  const where = { host, port: Number(port), user, password, database, application_name: 'reports', statement_timeout: 30000 }
  if (ca) Object.assign(where, { ssl: { ca: fs.readFileSync(ca) }, enableChannelBinding: true })
  const pool = new Pool({ ...where, max: 4 })
  const sums = await Promise.all([...Array(40).keys()].map(n => pool.query('SELECT $1::int + 1 AS n', [n])))
  console.log('pool', sums.reduce((all, one) => all + one.rows[0].n, 0))

  const client = await pool.connect()
  for (let n = 0; n < 5; n++) {
    await client.query({ name: 'by-id', text: 'SELECT * FROM orders WHERE id = $1', values: [n] })
  }
  const typed = await client.query("SELECT now() AS t, '{\"a\": 1}'::jsonb AS j, ARRAY[1, 2] AS l, 'new'::status AS s")
  console.log('types', typed.rows[0].j.a, typed.rows[0].l.length, typed.rows[0].s)
  const cursor = client.query(new Cursor('SELECT * FROM orders ORDER BY id'))
  let read = 0
  for (let rows = await cursor.read(25); rows.length; rows = await cursor.read(25)) read += rows.length
  await cursor.close()
  console.log('cursor', read)

  await client.query('BEGIN')
  const made = await client.query(`INSERT INTO ${table} (note) VALUES ($1) RETURNING id`, ['from node'])
  await client.query('SAVEPOINT s')
  const failed = await client.query('SELECT 1 / 0').catch(error => error.code)
  await client.query('ROLLBACK TO SAVEPOINT s')
  const changed = await client.query(`UPDATE ${table} SET note = $2 WHERE id = $1`, [made.rows[0].id, 'again'])
  await client.query('ROLLBACK')
  console.log('transaction', failed, changed.rowCount)
  const several = await client.query('SELECT 1 AS a; SELECT 2 AS b')
  console.log('several', several.length)
  const binary = await client.query({ text: 'SELECT 7::int AS n', binary: true })
  console.log('binary', binary.rows[0].n)
  client.release()

  const listener = new Client(where)
  await listener.connect()
  await listener.query('LISTEN node_news')
  console.log('listens')
  await listener.end()
  await pool.end()
  console.log('done')
}

main().catch(error => { console.error(error); process.exit(1) })
